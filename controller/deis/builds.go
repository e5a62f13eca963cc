package deis

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// NewBuild is a build as it is posted. Procfile is decoded JSON. Push is an id
// that the builder chose: posting the same again gives the same release, so
// that it may ask again when it lost the answer.
type NewBuild struct {
	Image      string
	SHA        string
	Procfile   map[string]any
	Dockerfile string
	Push       string
}

var (
	shaForm  = regexp.MustCompile(`^[0-9a-f]{1,40}$`)
	pushForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// maxProcessTypes bounds a Procfile.
const maxProcessTypes = 100

// runType is the process type of one-off containers.
const runType = "run"

func (in NewBuild) parse() (Build, error) {
	fields := map[string][]string{}
	switch {
	case in.Image == "":
		fields["image"] = []string{textBlank}
	case tooLongFor(in.Image, 256) != "":
		fields["image"] = []string{tooLong(256)}
	case strings.ContainsAny(in.Image, " \t\r\n"):
		fields["image"] = []string{"This is not the name of an image."}
	}
	if in.SHA != "" && !shaForm.MatchString(in.SHA) {
		fields["sha"] = []string{"A sha is at most 40 hexadecimal digits."}
	}
	if in.Push != "" && !pushForm.MatchString(in.Push) {
		fields["push"] = []string{"This is not the id of a push."}
	}
	if len(in.Procfile) > maxProcessTypes {
		fields["procfile"] = []string{fmt.Sprintf("A Procfile holds at most %d process types.", maxProcessTypes)}
	}
	procfile := make(map[string]string, len(in.Procfile))
	for name, v := range in.Procfile {
		command, ok := scalar(v)
		switch {
		case !typeForm.MatchString(name):
			fields["procfile"] = []string{fmt.Sprintf("%q is not a process type.", name)}
		case name == runType:
			fields["procfile"] = []string{"The process type run is reserved for `deis run`."}
		case !ok || command == nil:
			fields["procfile"] = []string{fmt.Sprintf("The command of %s is not a text.", name)}
		default:
			procfile[name] = *command
		}
	}
	if len(fields) > 0 {
		return Build{}, &Error{Kind: Invalid, Fields: fields}
	}
	return Build{Image: in.Image, SHA: in.SHA, Procfile: procfile, Dockerfile: in.Dockerfile}, nil
}

// buildpack says whether the image was made by buildpacks: its start program
// finds commands itself.
func (b Build) buildpack() bool { return b.SHA != "" && b.Dockerfile == "" }

// has says whether the build can run containers of a process type.
func (b Build) has(processType string) bool {
	_, ok := b.Procfile[processType]
	return ok || processType == "cmd"
}

// command is what a container of a process type runs; nil is the image's own.
func (b Build) command(processType string) []string {
	switch command, ok := b.Procfile[processType]; {
	case b.buildpack() && ok:
		return []string{"start", processType}
	case !ok || command == "":
		return nil
	default:
		return []string{"bash", "-c", command}
	}
}

// defaultStructure is what runs after the first deploy (spec section 3.4). A
// buildpack's image without a web process has nothing that could be assumed,
// and starts nothing.
func (b Build) defaultStructure() map[string]int {
	_, web := b.Procfile["web"]
	switch {
	case b.SHA != "" && web:
		return map[string]int{"web": 1}
	case b.buildpack():
		return map[string]int{}
	}
	return map[string]int{"cmd": 1}
}

// Builds lists the app's builds, newest first.
func (c *Controller) Builds(ctx context.Context, by User, app string, p Page) ([]Build, int, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, 0, err
	}
	return c.Records.Builds(ctx, app, p)
}

// Build finds one of the app's builds.
func (c *Controller) Build(ctx context.Context, by User, app, uuid string) (Build, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Build{}, err
	}
	return c.Records.Build(ctx, app, uuid)
}

// CreateBuild stores a build and deploys it with the app's config. It returns
// the version of the release.
func (c *Controller) CreateBuild(ctx context.Context, by User, app string, in NewBuild) (Build, int, error) {
	a, err := c.authorize(ctx, by, app, Collaborate)
	if err != nil {
		return Build{}, 0, err
	}
	build, err := in.parse()
	if err != nil {
		return Build{}, 0, err
	}
	build.App, build.Owner = app, by.Username
	r, err := c.release(ctx, a, by, lockWait, func(ctx context.Context, tx Tx, prev previous) (draft, error) {
		if build, err = tx.CreateBuild(ctx, build); err != nil {
			return draft{}, err
		}
		return draft{config: prev.config, build: build, push: in.Push}, nil
	})
	if err != nil {
		return Build{}, 0, err
	}
	if r.Build != build.UUID { // the push was there before
		if build, err = c.Records.Build(ctx, app, r.Build); err != nil {
			return Build{}, 0, err
		}
	}
	return build, r.Version, nil
}
