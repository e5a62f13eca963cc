package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/deis/deis/tests/platform"
)

var pushRow = row{name: "push", bars: []Bar{pushBar}, measure: measurePush}

var pushBar = Bar{What: "`git push` of a one-file change → 200 from the new release", Text: "≤ 2× and ≤ + 1.5 s",
	Allowed: func(limit float64) float64 { return min(2*limit, limit+1.5) }}

// measurePush pushes a changed file, against a script that does what is needed
// for it and nothing else, with the same registry, network and context.
func measurePush(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "push")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	changes := 0
	change := func(ctx context.Context) error {
		changes++
		return a.user.Commit(ctx, a.dir, map[string]string{"page": strconv.Itoa(changes) + "\n"})
	}
	var returned []float64
	ours := func(ctx context.Context) (float64, error) {
		if err := change(ctx); err != nil {
			return 0, err
		}
		until, end, err := during(ctx, func(ctx context.Context) error {
			_, err := a.user.Push(ctx, a.dir, a.name)
			return err
		}, a.nextRelease(ctx))
		if err != nil {
			return 0, err
		}
		returned = append(returned, end)
		return until, a.settled(ctx, 1)
	}
	limit := func(ctx context.Context) (float64, error) {
		if err := change(ctx); err != nil {
			return 0, err
		}
		began := time.Now()
		id, at, err := a.script(ctx, changes)
		if err != nil {
			return 0, err
		}
		return at.Sub(began).Seconds(), a.remove(ctx, id)
	}
	l, o, err := interleave(ctx, b.rounds(false), Seconds, limit, ours)
	if err != nil {
		return nil, err
	}
	line := pushBar.against("script: docker build, docker push, config into the manifest, docker run", l, o)
	line.Note = "`git push` itself returned after " + NewSeries(Seconds, returned[1:]).String()
	return []Line{line}, nil
}

// nextRelease waits for an answer of another release than the one that answers
// now.
func (a *app) nextRelease(ctx context.Context) func(context.Context) (time.Time, error) {
	before := a.body(ctx)
	return func(ctx context.Context) (time.Time, error) {
		return when(ctx, 10*time.Millisecond, "the new release of "+a.name+" answers", func(ctx context.Context) bool {
			now := a.body(ctx)
			return now != "" && now != before
		})
	}
}

// script builds, pushes, configures and runs the commit without the platform,
// and says when it first answered.
func (a *app) script(ctx context.Context, n int) (id string, at time.Time, err error) {
	repository := fmt.Sprintf("127.0.0.1:%s/%s-bare", a.platform.Env["REGISTRY_PORT"], a.name)
	image := fmt.Sprintf("%s:git-%d", repository, n)
	if _, err := a.user.Command(ctx, a.dir, "bash", "-c", "set -o pipefail; git archive HEAD | DOCKER_BUILDKIT=0 docker build --quiet --tag "+image+" -"); err != nil {
		return "", at, err
	}
	if _, err := platform.Docker(ctx, "push", "--quiet", image); err != nil {
		return "", at, err
	}
	digest, err := configure(ctx, image, fmt.Sprintf("%s:v%d", repository, n), fmt.Sprintf("DEIS_RELEASE=v%d", n))
	if err != nil {
		return "", at, err
	}
	if id, err = a.dockerRun(ctx, repository+"@"+digest); err != nil {
		return "", at, err
	}
	at, err = a.answers(ctx, id)
	return id, at, err
}

// configure pushes an image again with one more variable, and gives its digest.
func configure(ctx context.Context, from, to, variable string) (string, error) {
	source, err := name.ParseReference(from)
	if err != nil {
		return "", err
	}
	target, err := name.ParseReference(to)
	if err != nil {
		return "", err
	}
	image, err := remote.Image(source, remote.WithContext(ctx))
	if err != nil {
		return "", err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return "", err
	}
	config = config.DeepCopy()
	config.Config.Env = append(config.Config.Env, variable)
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return "", err
	}
	if err := remote.Write(target, image, remote.WithContext(ctx)); err != nil {
		return "", err
	}
	digest, err := image.Digest()
	return digest.String(), err
}
