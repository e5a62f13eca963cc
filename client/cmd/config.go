package cmd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"

	"github.com/deis/deis/client/controller"
)

func configVerbs(f *Factory) []*verb {
	return []*verb{newConfigList(f, nil), newConfigSet(f, nil), newConfigUnset(f, nil), newConfigPull(f, nil), newConfigPush(f, nil)}
}

type configListOptions struct {
	*Factory
	App     string
	Oneline bool
}

func newConfigList(f *Factory, runF func(context.Context, *configListOptions) error) *verb {
	o := &configListOptions{Factory: f}
	v := newVerb("config:list", "list an app's variables", "Lists the variables of an app's environment.")
	v.boolean(&o.Oneline, "oneline", "", "print all on one line")
	v.forApp(&o.App)
	return action(v, o, runF, runConfigList)
}

func runConfigList(ctx context.Context, o *configListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	if !o.Oneline {
		return o.listConfig(ctx, t)
	}
	config, err := t.api.Config(ctx, t.app)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(config.Values)) {
		o.printf("%s=%s ", key, config.Values[key])
	}
	o.printf("\n")
	return nil
}

func (f *Factory) listConfig(ctx context.Context, t target) error {
	config, err := t.api.Config(ctx, t.app)
	if err != nil {
		return err
	}
	f.printf("=== %s Config\n", t.app)
	aligned(f.IO.Out, config.Values, 6)
	return nil
}

type configSetOptions struct {
	*Factory
	App  string
	Vars []string
}

func newConfigSet(f *Factory, runF func(context.Context, *configSetOptions) error) *verb {
	o := &configSetOptions{Factory: f}
	v := newVerb("config:set", "set variables", "Sets variables of an app's environment, which makes a release.")
	v.many(&o.Vars, "<var>=<value>...", "a variable and its value; that of SSH_KEY may be the path of a private key")
	v.forApp(&o.App)
	return action(v, o, runF, runConfigSet)
}

func runConfigSet(ctx context.Context, o *configSetOptions) error {
	vars, err := parseVars(o.Vars)
	if err != nil {
		return err
	}
	return o.setConfig(ctx, o.App, vars)
}

// setConfig sets variables of an app and lists all of them.
func (f *Factory) setConfig(ctx context.Context, app string, vars map[string]string) error {
	t, err := f.target(ctx, app)
	if err != nil {
		return err
	}
	change := controller.ConfigChange{Values: map[string]any{}}
	for key, value := range vars {
		if key == "SSH_KEY" {
			if value, err = privateKey(value); err != nil {
				return err
			}
		}
		change.Values[key] = value
	}
	var config controller.Config
	err = f.waiting("Creating config... ", func() error {
		config, err = t.api.ChangeConfig(ctx, t.app, change)
		return err
	})
	if err != nil {
		return err
	}
	f.printf("done")
	if release := config.Values["DEIS_RELEASE"]; release != "" {
		f.printf(", %s", release)
	}
	f.printf("\n\n")
	return f.listConfig(ctx, t)
}

var privateKeyPattern = regexp.MustCompile(`^-+BEGIN ([A-Z0-9]+ )*PRIVATE KEY-+`)

// privateKey is the value of SSH_KEY, encoded as builds expect it. The key
// itself or its file may be given.
func privateKey(value string) (string, error) {
	if _, err := os.Stat(value); err == nil {
		text, err := readText(value)
		if err != nil {
			return "", err
		}
		if !privateKeyPattern.MatchString(text) {
			return "", sentence("Could not parse SSH private key:\n " + value) // not what the file holds
		}
		value = text
	}
	if !privateKeyPattern.MatchString(value) {
		return "", sentence("Could not parse SSH private key:\n " + value)
	}
	return base64.StdEncoding.EncodeToString([]byte(value)), nil
}

type configUnsetOptions struct {
	*Factory
	App  string
	Keys []string
}

func newConfigUnset(f *Factory, runF func(context.Context, *configUnsetOptions) error) *verb {
	o := &configUnsetOptions{Factory: f}
	v := newVerb("config:unset", "remove variables", "Removes variables from an app's environment, which makes a release.")
	v.many(&o.Keys, "<key>...", "a variable")
	v.forApp(&o.App)
	return action(v, o, runF, runConfigUnset)
}

func runConfigUnset(ctx context.Context, o *configUnsetOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	err = o.waiting("Removing config... ", func() error {
		_, err := t.api.ChangeConfig(ctx, t.app, controller.ConfigChange{Values: unset(o.Keys)})
		return err
	})
	if err != nil {
		return err
	}
	o.printf("done\n\n")
	return o.listConfig(ctx, t)
}

// unset is the change that removes keys.
func unset(keys []string) map[string]any {
	change := map[string]any{}
	for _, key := range keys {
		change[key] = nil
	}
	return change
}

type configPullOptions struct {
	*Factory
	App                    string
	Interactive, Overwrite bool
}

func newConfigPull(f *Factory, runF func(context.Context, *configPullOptions) error) *verb {
	o := &configPullOptions{Factory: f}
	v := newVerb("config:pull", "write the variables into .env", "Writes an app's variables into the file .env.")
	v.boolean(&o.Interactive, "interactive", "i", "keep what the file has, and ask for each variable that differs")
	v.boolean(&o.Overwrite, "overwrite", "o", "replace the file")
	v.forApp(&o.App)
	return action(v, o, runF, runConfigPull)
}

func runConfigPull(ctx context.Context, o *configPullOptions) error {
	_, err := os.Stat(dotenv)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if exists && !o.Overwrite && !o.Interactive {
		return sentence(dotenv + " already exists, pass -o to overwrite")
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	config, err := t.api.Config(ctx, t.app)
	if err != nil {
		return err
	}
	vars := config.Values
	if exists && o.Interactive {
		if vars, err = o.merge(ctx, config.Values); err != nil {
			return err
		}
	}
	return writeDotenv(dotenv, vars)
}

// merge adds an app's variables to those of the file. Where they differ the
// user decides.
func (o *configPullOptions) merge(ctx context.Context, remote map[string]string) (map[string]string, error) {
	pairs, err := readDotenv(dotenv)
	if err != nil {
		return nil, err
	}
	vars, err := parseVars(pairs)
	if err != nil {
		return nil, err // rather than lose the line
	}
	for _, key := range slices.Sorted(maps.Keys(remote)) {
		local, ok := vars[key]
		if ok && local != remote[key] {
			answer, err := o.IO.ReadLine(ctx, fmt.Sprintf("%s: overwrite %s with %s? (y/N) ", key, local, remote[key]))
			if err != nil {
				return nil, err
			}
			if !yes(answer) {
				continue
			}
		}
		vars[key] = remote[key]
	}
	return vars, nil
}

type configPushOptions struct {
	*Factory
	App, Path string
}

func newConfigPush(f *Factory, runF func(context.Context, *configPushOptions) error) *verb {
	o := &configPushOptions{Factory: f, Path: dotenv}
	v := newVerb("config:push", "set the variables of .env", "Sets the variables of a file, a KEY=value a line, which makes a release.")
	v.option(&o.Path, "path", "p", "FILE", "the file; .env by default")
	v.forApp(&o.App)
	return action(v, o, runF, runConfigPush)
}

func runConfigPush(ctx context.Context, o *configPushOptions) error {
	pairs, err := readDotenv(o.Path)
	if err != nil {
		return err
	}
	vars, err := parseVars(pairs)
	if err != nil {
		return err
	}
	if len(vars) == 0 {
		return fmt.Errorf("%s sets no variable", o.Path)
	}
	return o.setConfig(ctx, o.App, vars)
}
