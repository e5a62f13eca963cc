package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deis/deis/tests/platform"
)

var clientRow = row{name: "client", bars: []Bar{helpBar, psBar, warmBar, coldBar}, measure: measureClient}

// What a person or a script waits for at every command. 5 ms beside a program
// that does nothing are not felt, nor by a script that calls a hundred times;
// curl is what such a script would use instead.
var (
	helpBar = Bar{What: "`deis --help`", Text: "≤ + 5 ms", Allowed: factor(1, 0.005)}
	psBar   = Bar{What: "`deis ps`", Text: "≤ 1.25×", Allowed: factor(1.25, 0)}
	warmBar = Bar{What: "completion of an app's name, remembered", Text: "≤ + 5 ms", Allowed: factor(1, 0.005)}
	coldBar = Bar{What: "completion of an app's name, asked for", Text: "≤ 1.25×", Allowed: factor(1.25, 0)}
)

// clientApps are those of the user beside the one that runs.
const clientApps = 20

// measureClient starts the users' client, against a Go program that does
// nothing and against curl of the same address.
func measureClient(ctx context.Context, b *bench) (lines []Line, err error) {
	a, err := b.testApp(ctx, "client")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	others, err := a.others(ctx)
	defer func() { err = errors.Join(err, a.removeOthers(others)) }()
	if err != nil {
		return nil, err
	}
	nothing, err := b.nothing(ctx)
	if err != nil {
		return nil, err
	}
	header, err := a.tokenFile()
	if err != nil {
		return nil, err
	}
	run := func(program string, args ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := a.user.Command(ctx, a.dir, program, args...)
			return err
		}
	}
	curl := func(path string) func(context.Context) error {
		return run("curl", "--silent", "--fail", "--header", "@"+header, b.platform.Controller()+path)
	}
	complete := func(ctx context.Context) error {
		out, err := a.user.Deis(ctx, a.dir, "__complete", "ps", "-a", a.name)
		if err == nil && !strings.HasPrefix(out, a.name+"\n") {
			err = fmt.Errorf("%s is completed to %q", a.name, out)
		}
		return err
	}
	forget := func(context.Context) error { return os.RemoveAll(filepath.Join(a.user.Home, ".cache", "deis")) }
	for _, m := range []struct {
		bar         Bar
		limitIs     string
		limit, ours func(context.Context) error
		before      func(context.Context) error // each time, and not counted
		note        string
	}{
		{helpBar, "a Go program that does nothing", run(nothing), run("deis", "--help"), nil, ""},
		{psBar, "curl of the same address", curl("/v1/apps/" + a.name + "/containers/?page_size=100"), run("deis", "ps", "-a", a.name), nil, "through the router; of one process"},
		{warmBar, "a Go program that does nothing", run(nothing), complete, complete, "as the script of a shell calls it"},
		{coldBar, "curl of the same address", curl("/v1/apps/?page_size=1000"), complete, forget, fmt.Sprintf("through the router; of %d apps or more", clientApps+1)},
	} {
		l, o, err := interleave(ctx, b.rounds(false), Seconds, each(m.before, m.limit), each(m.before, m.ours))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.bar.What, err)
		}
		line := m.bar.against(m.limitIs, l, o)
		line.Note = strings.TrimPrefix(m.note+"; ", "; ") + fmt.Sprintf("a round is the median of %d", rewrites)
		lines = append(lines, line)
	}
	return lines, nil
}

// each is a round: the median of some runs, each behind what comes before it.
func each(before, fn func(context.Context) error) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		var took []float64
		for range rewrites {
			if before != nil {
				if err := before(ctx); err != nil {
					return 0, err
				}
			}
			began := time.Now()
			if err := fn(ctx); err != nil {
				return 0, err
			}
			took = append(took, time.Since(began).Seconds())
		}
		return quantile(took, 0.5), nil
	}
}

// others are more apps of the user, without a build.
func (a *app) others(ctx context.Context) (made []string, err error) {
	for i := range clientApps {
		name := fmt.Sprintf("bench-%s-%d", platform.Random(3), i)
		if err := a.deis(ctx, "create", name, "--no-remote"); err != nil {
			return made, err
		}
		made = append(made, name)
	}
	return made, nil
}

func (a *app) removeOthers(apps []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var errs []error
	for _, name := range apps {
		errs = append(errs, a.deis(ctx, "destroy", "-a", name, "--confirm="+name))
	}
	return errors.Join(errs...)
}

// nothing compiles a program that ends at once.
func (b *bench) nothing(ctx context.Context) (binary string, err error) {
	source, binary := filepath.Join(b.dir, "nothing.go"), filepath.Join(b.dir, "nothing")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return "", err
	}
	_, err = b.command(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, source)
	return binary, err
}

// tokenFile is the user's token as curl reads a header, since a command line
// is everybody's.
func (a *app) tokenFile() (string, error) {
	b, err := os.ReadFile(filepath.Join(a.user.Home, ".deis", "client.json"))
	if err != nil {
		return "", err
	}
	var session struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(b, &session); err != nil {
		return "", err
	}
	file := filepath.Join(a.bench.dir, "token")
	return file, os.WriteFile(file, []byte("Authorization: token "+session.Token+"\n"), 0o600)
}
