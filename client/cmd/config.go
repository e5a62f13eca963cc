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
	App, Output string
	Oneline     bool
}

func newConfigList(f *Factory, runF func(context.Context, *configListOptions) error) *verb {
	o := &configListOptions{Factory: f}
	v := newVerb("config:list", "list an app's variables", "Lists the variables of an app's environment.")
	v.boolean(&o.Oneline, "oneline", "", "print all on one line")
	v.forApp(&o.App)
	v.printed(&o.Output)
	v.exclusive = [][2]string{{"oneline", "output"}}
	return action(v, o, runF, runConfigList)
}

func runConfigList(ctx context.Context, o *configListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	if !o.Oneline {
		return o.listConfig(ctx, t, o.Output)
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

func (f *Factory) listConfig(ctx context.Context, t target, as string) error {
	config, err := t.api.Config(ctx, t.app)
	if err != nil {
		return err
	}
	return f.show(as, config, func() {
		f.printf("=== %s Config\n", t.app)
		aligned(f.IO.Out, config.Values, 6)
	})
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
	err = f.deploying(ctx, t, "Creating config... ", func(ctx context.Context) error {
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
	return f.listConfig(ctx, t, outputText)
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
	if decoded, err := base64.StdEncoding.DecodeString(value); err == nil && privateKeyPattern.Match(decoded) {
		return value, nil // as config:pull wrote it
	}
	if !privateKeyPattern.MatchString(value) {
		return "", sentence("Could not parse SSH private key") // and not what it is: it may be secret
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
	err = o.deploying(ctx, t, "Removing config... ", func(ctx context.Context) error {
		_, err := t.api.ChangeConfig(ctx, t.app, controller.ConfigChange{Values: unset(o.Keys)})
		return err
	})
	if err != nil {
		return err
	}
	o.printf("done\n\n")
	return o.listConfig(ctx, t, outputText)
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
	App, Path              string
	Interactive, Overwrite bool
}

func newConfigPull(f *Factory, runF func(context.Context, *configPullOptions) error) *verb {
	o := &configPullOptions{Factory: f, Path: dotenv}
	v := newVerb("config:pull", "write the variables into .env", "Writes an app's variables into the file .env, from which config:push sets the same ones again.")
	v.boolean(&o.Interactive, "interactive", "i", "keep what the file has, and ask for each variable that differs")
	v.boolean(&o.Overwrite, "overwrite", "o", "replace the file")
	v.option(&o.Path, "path", "p", "FILE", "another file, or - for standard output")
	v.newer()
	v.forApp(&o.App)
	v.checks = append(v.checks, func() error {
		if o.Interactive && o.Path == "-" {
			return v.refuse("--interactive asks about a file, and - is none")
		}
		return nil
	})
	return action(v, o, runF, runConfigPull)
}

func runConfigPull(ctx context.Context, o *configPullOptions) error {
	toFile, exists := o.Path != "-", false
	if toFile {
		_, err := os.Stat(o.Path)
		exists = err == nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if exists && !o.Overwrite && !o.Interactive {
		return sentence(o.Path + " already exists, pass -o to overwrite")
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
	if !toFile {
		o.printf("%s", formatDotenv(vars))
		return nil
	}
	return writeDotenv(o.Path, vars)
}

// merge adds an app's variables to those of the file. Where they differ the
// user decides.
func (o *configPullOptions) merge(ctx context.Context, remote map[string]string) (map[string]string, error) {
	vars, err := readDotenv(o.Path)
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
	o := &configPushOptions{Factory: f}
	v := newVerb("config:push", "set the variables of .env", "Sets the variables of a file, a KEY=value a line, which makes a release.")
	v.option(&o.Path, "path", "p", "FILE", "the file, or - for standard input; by default what a pipe or a redirection brings, else .env")
	v.forApp(&o.App)
	return action(v, o, runF, runConfigPush)
}

func runConfigPush(ctx context.Context, o *configPushOptions) error {
	path, err := o.source(ctx)
	if err != nil {
		return err
	}
	var vars map[string]string
	if path == "-" {
		path = "standard input"
		var text string
		if text, err = o.IO.ReadAll(ctx); err == nil {
			vars, err = parseDotenv(path, text)
		}
	} else {
		vars, err = readDotenv(path)
	}
	if err != nil {
		return err
	}
	if len(vars) == 0 {
		return fmt.Errorf("%s sets no variable", path)
	}
	return o.setConfig(ctx, o.App, vars)
}

// source is the file to push, - for standard input. Without -p that is taken
// if something comes there: nothing does under cron and most CI, and a parent
// that holds a pipe open for nothing must not make the command wait for ever.
func (o *configPushOptions) source(ctx context.Context) (string, error) {
	if o.Path != "" {
		return o.Path, nil
	}
	switch comes, err := o.IO.InputComes(ctx); {
	case err != nil:
		return "", err
	case comes:
		return "-", nil
	}
	return dotenv, nil
}
