package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
)

func releasesVerbs(f *Factory) []*verb {
	return []*verb{newReleasesList(f, nil), newReleasesInfo(f, nil), newReleasesRollback(f, nil)}
}

type releasesListOptions struct {
	*Factory
	App, Output string
	Limit       *int
}

func newReleasesList(f *Factory, runF func(context.Context, *releasesListOptions) error) *verb {
	o := &releasesListOptions{Factory: f}
	v := newVerb("releases:list", "list an app's releases", "Lists an app's releases, the newest first.")
	v.forApp(&o.App)
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runReleasesList)
}

func runReleasesList(ctx context.Context, o *releasesListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	page, err := t.api.ListReleases(ctx, t.app, t.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() {
		o.printf("=== %s Releases%s\n", t.app, count(page))
		w := tabwriter.NewWriter(o.IO.Out, 0, 8, 1, '\t', 0) // scripts split at tabs
		for _, r := range page.Results {
			fmt.Fprintf(w, "v%d\t%s\t%s\n", r.Version, r.Created, r.Summary)
		}
		_ = w.Flush() // as printf does
	})
}

type releasesInfoOptions struct {
	*Factory
	App, Version, Output string
}

func newReleasesInfo(f *Factory, runF func(context.Context, *releasesInfoOptions) error) *verb {
	o := &releasesInfoOptions{Factory: f}
	v := newVerb("releases:info", "describe a release", "Describes one release of an app.")
	v.required(&o.Version, "<version>", "the release, such as v3")
	v.forApp(&o.App)
	v.printed(&o.Output)
	return action(v, o, runF, runReleasesInfo)
}

func runReleasesInfo(ctx context.Context, o *releasesInfoOptions) error {
	version, err := parseRelease(o.Version)
	if err != nil {
		return err
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	r, err := t.api.Release(ctx, t.app, version)
	if err != nil {
		return err
	}
	return o.show(o.Output, r, func() {
		o.printf("=== %s Release v%d\n", t.app, version)
		if r.Build != nil && *r.Build != "" {
			o.field("build", *r.Build)
		}
		o.field("config", r.Config)
		o.field("owner", r.Owner)
		o.field("created", r.Created)
		o.field("summary", r.Summary)
		o.field("updated", r.Updated)
		o.field("uuid", r.UUID)
	})
}

// parseRelease reads v3 or 3.
func parseRelease(text string) (int, error) {
	digits := strings.TrimPrefix(text, "v")
	if digits == "" {
		return 0, sentence(text + " is not in the form 'v#'")
	}
	return strconv.Atoi(digits)
}

type releasesRollbackOptions struct {
	*Factory
	App, Version string
}

func newReleasesRollback(f *Factory, runF func(context.Context, *releasesRollbackOptions) error) *verb {
	o := &releasesRollbackOptions{Factory: f}
	v := newVerb("releases:rollback", "go back to an older release", "Makes a new release like an older one.")
	v.optional(&o.Version, "<version>", "the release to go back to, such as v3; by default the one before the current")
	v.forApp(&o.App)
	return action(v, o, runF, runReleasesRollback)
}

func runReleasesRollback(ctx context.Context, o *releasesRollbackOptions) error {
	var version *int
	message := "Rolling back one release... "
	if o.Version != "" {
		n, err := parseRelease(o.Version)
		if err != nil {
			return err
		}
		version, message = &n, fmt.Sprintf("Rolling back to v%d... ", n)
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	var made int
	err = o.deploying(ctx, t, message, func(ctx context.Context) error {
		made, err = t.api.Rollback(ctx, t.app, version)
		return err
	})
	if err != nil {
		return err
	}
	o.printf("done, v%d\n", made)
	return nil
}
