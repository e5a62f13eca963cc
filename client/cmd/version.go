package cmd

import (
	"context"

	"github.com/deis/deis/internal/version"
)

func versionVerbs(f *Factory) []*verb { return []*verb{newVersion(f, nil)} }

type versionOptions struct{ *Factory }

func newVersion(f *Factory, runF func(context.Context, *versionOptions) error) *verb {
	v := newVerb("version", "print the client's version", "Prints the version of this client.")
	return action(v, &versionOptions{f}, runF, runVersion)
}

func runVersion(_ context.Context, o *versionOptions) error {
	o.printf("%s\n", version.Platform)
	return nil
}
