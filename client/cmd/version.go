package cmd

import (
	"context"

	"github.com/deis/deis/internal/version"
)

func versionVerbs(f *Factory) []*verb { return []*verb{newVersion(f, nil)} }

type versionOptions struct {
	*Factory
	Output string
}

// versions are the client's own, as version shows them in JSON.
type versions struct {
	Version    string `json:"version"`
	APIVersion string `json:"api_version"`
}

func newVersion(f *Factory, runF func(context.Context, *versionOptions) error) *verb {
	o := &versionOptions{Factory: f}
	v := newVerb("version", "print the client's version", "Prints the version of this client.")
	v.printed(&o.Output)
	return action(v, o, runF, runVersion)
}

func runVersion(_ context.Context, o *versionOptions) error {
	return o.show(o.Output, versions{version.Platform, version.API}, func() { o.printf("%s\n", version.Platform) })
}
