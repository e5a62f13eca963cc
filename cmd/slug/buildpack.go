package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// order is the one in which well-known buildpacks are asked; others follow by
// name. The first names are Heroku's order, so that an app with several
// languages is built as it is there.
var order = []string{"multi", "ruby", "nodejs", "clojure", "python", "java", "gradle", "grails", "scala", "play", "php", "go"}

// detectTimeout bounds one bin/detect, which only looks at files.
const detectTimeout = time.Minute

// choose returns the folder of the buildpack for the app: the custom one of
// BUILDPACK_URL whatever its detect says, else the first that wants the app.
func (b *builder) choose(ctx context.Context) (string, error) {
	if url := b.getenv("BUILDPACK_URL"); url != "" {
		b.step("Fetching custom buildpack")
		if err := b.fetch(ctx, url); err != nil {
			return "", b.failed("the buildpack %s could not be fetched: %v", url, err)
		}
		b.step("%s app detected", b.name(ctx, b.custom))
		return b.custom, nil
	}
	var chosen, name string
	var others []string
	for _, pack := range b.available() {
		n, ok := b.detect(ctx, pack)
		switch {
		case !ok:
		case chosen == "":
			chosen, name = pack, n
		default:
			others = append(others, n)
		}
	}
	if chosen == "" {
		b.step("Unable to select a buildpack")
		return "", errUnselected
	}
	b.step("%s app detected", name)
	if len(others) > 0 {
		fmt.Fprintf(b.out, " !     It could also be %s: set BUILDPACK_URL to choose\n", strings.Join(others, ", "))
	}
	return chosen, nil
}

// available lists the built-in buildpacks in the order to ask them.
func (b *builder) available() []string {
	found, _ := filepath.Glob(filepath.Join(b.packs, "*", "bin", "detect"))
	var packs []string
	for _, f := range found {
		packs = append(packs, filepath.Dir(filepath.Dir(f)))
	}
	rank := func(pack string) int {
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(pack), ".git"), "heroku-buildpack-")
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(packs, func(x, y string) int { return rank(x) - rank(y) })
	return packs
}

// detect asks a buildpack whether it wants the app, and what it calls it.
func (b *builder) detect(ctx context.Context, pack string) (name string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, detectTimeout)
	defer cancel()
	out, err := b.command(ctx, filepath.Join(pack, "bin", "detect"), b.build).Output()
	return firstLine(string(out)), err == nil
}

// name is what a buildpack calls the app, whether it wants it or not.
func (b *builder) name(ctx context.Context, pack string) string {
	if name, _ := b.detect(ctx, pack); name != "" {
		return name
	}
	return "Custom"
}

// fetch clones url#committish: a branch or tag without its history if that is
// possible, else everything and then that commit.
func (b *builder) fetch(ctx context.Context, url string) error {
	url, committish, _ := strings.Cut(url, "#")
	if strings.HasPrefix(url, "-") || strings.HasPrefix(committish, "-") {
		return fmt.Errorf("it starts with a dash")
	}
	git := func(args ...string) error {
		cmd := b.command(ctx, "git", append([]string{"-c", "advice.detachedHead=false"}, args...)...)
		cmd.Dir = "/"
		cmd.Env = append(cmd.Env, "GIT_ALLOW_PROTOCOL=http:https:git:ssh")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s", lastLine(out))
		}
		return nil
	}
	shallow := []string{"clone", "--quiet", "--depth=1", "--recurse-submodules", "--shallow-submodules"}
	if committish != "" {
		shallow = append(shallow, "--branch", committish)
	}
	if git(append(shallow, "--", url, b.custom)...) == nil {
		return nil
	}
	// The server cannot do that, or committish is a commit.
	if err := os.RemoveAll(b.custom); err != nil {
		return err
	}
	if err := git("clone", "--quiet", "--", url, b.custom); err != nil {
		return err
	}
	if committish != "" {
		if err := git("-C", b.custom, "checkout", "--quiet", committish); err != nil {
			return err
		}
	}
	return git("-C", b.custom, "submodule", "update", "--quiet", "--init", "--recursive")
}
