// Command slug is the helper of the images deis/slugbuilder and
// deis/slugrunner.
//
//	slug build [- | URL]   source on stdin to /tmp/slug.tgz; also to stdout or, by PUT, to URL
//	slug init COMMAND...   starts a process of the slug in /app: `start TYPE`, or a command line
//	slug serve DIR         serves the files under DIR on $PORT
//
// Environment of build: the app's config, SOURCE_VERSION, BUILDPACK_URL
// (url#branch, tag or commit), SSH_KEY (base64, for git), STACK, and what
// fetching needs: the proxy variables, GOPROXY and its like. Of init: PORT,
// SLUG_URL when /app is empty. Of serve: PORT.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/deis/deis/internal/process"
)

type settings struct{ process.Runtime }

func main() {
	usage := func(func(string) string) (settings, error) {
		return settings{}, errors.New("usage: slug build [- | URL] | init COMMAND... | serve DIR")
	}
	none := func(context.Context, settings) error { return nil }
	os.Exit(process.Main("slug", usage, none, process.Commands{
		"build": func(ctx context.Context, getenv func(string) string, args []string) error {
			return build(ctx, inImage, getenv, args)
		},
		"init": func(ctx context.Context, getenv func(string) string, args []string) error {
			return start(ctx, "/app", getenv, args)
		},
		"serve": serve,
	}))
}
