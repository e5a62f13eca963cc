package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/deis/deis/tests/platform"
)

var (
	demoRow  = row{name: "demo", bars: []Bar{demoBar}, measure: measureDemo}
	freshRow = row{name: "fresh", bars: []Bar{freshBar}, measure: readFresh}
)

var (
	demoBar  = Bar{What: "`make demo`, images made", Text: "≤ 60 s", Allowed: constant(60)}
	freshBar = Bar{What: "`make demo` on a fresh machine", Text: "≤ 6 min", Allowed: constant(360)}
)

// measureDemo runs the demo as platforms of their own.
func measureDemo(ctx context.Context, b *bench) ([]Line, error) {
	var took []float64
	for range b.rounds(true) {
		seconds, err := b.demo(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, seconds)
	}
	line := demoBar.alone(NewSeries(Seconds, took))
	line.Note = "from nothing but the images to the app's answer; the app's modules are fetched anew"
	return []Line{line}, nil
}

// demo runs it once and removes what it made.
func (b *bench) demo(ctx context.Context) (seconds float64, err error) {
	env := []string{"DEIS_NAME=d" + platform.Random(3), "XDG_STATE_HOME=" + filepath.Join(b.dir, "demo"),
		"HTTP_PORT=0", "HTTPS_PORT=0", "SSH_PORT=0", "HEALTH_PORT=0", "LISTEN=127.0.0.1", "DOMAIN=localhost"}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_, cleaned := b.command(ctx, env, "make", "clean")
		err = errors.Join(err, cleaned)
	}()
	began := time.Now()
	_, err = b.command(ctx, env, "make", "demo")
	return time.Since(began).Seconds(), err
}

// readFresh takes the figure that the last `make test-fresh` kept: the bench
// does not make a machine bare.
func readFresh(_ context.Context, b *bench) ([]Line, error) {
	text, err := os.ReadFile(filepath.Join(b.root, resultsDir, "fresh.json"))
	if os.IsNotExist(err) {
		return []Line{{What: freshBar.What, Bar: freshBar.Text, Note: "measured by `make test-fresh`, which has kept no figure here"}}, nil
	}
	if err != nil {
		return nil, err
	}
	var last struct {
		Seconds float64 `json:"seconds"`
		Commit  string  `json:"commit"`
	}
	if err := json.Unmarshal(text, &last); err != nil {
		return nil, err
	}
	line := freshBar.alone(NewSeries(Seconds, []float64{last.Seconds}))
	line.Note = "measured by `make test-fresh` at commit " + last.Commit + ": a bare Debian 12 with make, git and Go"
	return []Line{line}, nil
}
