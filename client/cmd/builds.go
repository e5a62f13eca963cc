package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"

	"github.com/deis/deis/client/controller"
)

func buildsVerbs(f *Factory) []*verb {
	return []*verb{newBuildsList(f, nil), newBuildsCreate(f, nil)}
}

type buildsListOptions struct {
	*Factory
	App, Output string
	Limit       *int
}

func newBuildsList(f *Factory, runF func(context.Context, *buildsListOptions) error) *verb {
	o := &buildsListOptions{Factory: f}
	v := newVerb("builds:list", "list an app's builds", "Lists an app's builds, the newest first.")
	v.forApp(&o.App)
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runBuildsList)
}

func runBuildsList(ctx context.Context, o *buildsListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	page, err := t.api.ListBuilds(ctx, t.app, t.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() {
		o.printf("=== %s Builds%s\n", t.app, count(page))
		for _, b := range page.Results {
			o.printf("%s %s\n", b.UUID, b.Created)
		}
	})
}

type buildsCreateOptions struct {
	*Factory
	App, Image, Procfile string
}

func newBuildsCreate(f *Factory, runF func(context.Context, *buildsCreateOptions) error) *verb {
	o := &buildsCreateOptions{Factory: f}
	v := newVerb("builds:create", "deploy an image from a registry",
		"Deploys an image from a registry. Its process types are those of the Procfile in the working directory, if there is one.")
	v.required(&o.Image, "<image>", "the image with its tag, such as deis/example-go:latest")
	v.forApp(&o.App)
	v.option(&o.Procfile, "procfile", "p", "YAML", "the process types as YAML, instead of a file: 'web: ./server'")
	return action(v, o, runF, runBuildsCreate)
}

func runBuildsCreate(ctx context.Context, o *buildsCreateOptions) error {
	procfile, err := readProcfile(o.Procfile)
	if err != nil {
		return err
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	err = o.deploying(ctx, t, "Creating build... ", func(ctx context.Context) error {
		return t.api.CreateBuild(ctx, t.app, controller.NewBuild{Image: o.Image, Procfile: procfile})
	})
	if err != nil {
		return err
	}
	o.printf("done\n")
	return nil
}

// readProcfile reads process types from inline, or from the file if that is
// empty; none if there is no file.
func readProcfile(inline string) (map[string]string, error) {
	text := []byte(inline)
	if inline == "" {
		b, err := readFile("Procfile")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		text = b
	}
	var types map[string]string
	if err := yaml.Unmarshal(text, &types); err != nil {
		return nil, fmt.Errorf("the Procfile is not a list of types and commands: %w", err)
	}
	return types, nil
}
