package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/deis/deis/client/controller"
)

func tagsVerbs(f *Factory) []*verb {
	return []*verb{newTagsList(f, nil), newTagsSet(f, nil), newTagsUnset(f, nil)}
}

type tagsListOptions struct {
	*Factory
	App, Output string
}

// tags is the part of a config that tags:list shows in JSON.
type tags struct {
	Tags map[string]string `json:"tags"`
}

func newTagsList(f *Factory, runF func(context.Context, *tagsListOptions) error) *verb {
	o := &tagsListOptions{Factory: f}
	v := newVerb("tags:list", "list an app's tags", "Lists the tags that a host must have for an app's processes to run there.")
	v.forApp(&o.App)
	v.printed(&o.Output)
	return action(v, o, runF, runTagsList)
}

func runTagsList(ctx context.Context, o *tagsListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	return o.listTags(ctx, t, o.Output)
}

func (f *Factory) listTags(ctx context.Context, t target, as string) error {
	config, err := t.api.Config(ctx, t.app)
	if err != nil {
		return err
	}
	return f.show(as, tags{config.Tags}, func() {
		f.printf("=== %s Tags\n", t.app)
		aligned(f.IO.Out, config.Tags, 5)
	})
}

type tagsSetOptions struct {
	*Factory
	App  string
	Tags []string
}

func newTagsSet(f *Factory, runF func(context.Context, *tagsSetOptions) error) *verb {
	o := &tagsSetOptions{Factory: f}
	v := newVerb("tags:set", "set tags", "Sets tags that a host must have for an app's processes to run there, which makes a release.")
	v.many(&o.Tags, "<key>=<value>...", "a tag of the host and its value, such as environment=prod")
	v.forApp(&o.App)
	return action(v, o, runF, runTagsSet)
}

func parseTags(args []string) (map[string]any, error) {
	tags := map[string]any{}
	var complaints []string
	for _, arg := range args {
		parts := strings.Split(arg, "=")
		if len(parts) != 2 {
			complaints = append(complaints, fmt.Sprintf("%s is invalid, Must be in format key=value", arg))
			continue
		}
		tags[parts[0]] = parts[1]
	}
	return tags, invalid(complaints, "Examples: rack=1 environment=prod")
}

func runTagsSet(ctx context.Context, o *tagsSetOptions) error {
	tags, err := parseTags(o.Tags)
	if err != nil {
		return err
	}
	return o.applyTags(ctx, o.App, tags)
}

// applyTags changes tags and lists all.
func (f *Factory) applyTags(ctx context.Context, app string, tags map[string]any) error {
	t, err := f.target(ctx, app)
	if err != nil {
		return err
	}
	err = f.deploying(ctx, t, "Applying tags... ", func(ctx context.Context) error {
		_, err := t.api.ChangeConfig(ctx, t.app, controller.ConfigChange{Tags: tags})
		return err
	})
	if err != nil {
		return err
	}
	f.printf("done\n\n")
	return f.listTags(ctx, t, outputText)
}

type tagsUnsetOptions struct {
	*Factory
	App  string
	Keys []string
}

func newTagsUnset(f *Factory, runF func(context.Context, *tagsUnsetOptions) error) *verb {
	o := &tagsUnsetOptions{Factory: f}
	v := newVerb("tags:unset", "remove tags", "Removes tags of an app's processes, which makes a release.")
	v.many(&o.Keys, "<key>...", "a tag")
	v.forApp(&o.App)
	return action(v, o, runF, runTagsUnset)
}

func runTagsUnset(ctx context.Context, o *tagsUnsetOptions) error {
	return o.applyTags(ctx, o.App, unset(o.Keys))
}
