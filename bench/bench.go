package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/tests/platform"
)

// patience bounds every wait.
const patience = 3 * time.Minute

// bench is what the rows share: the source tree, the Engine, and a platform
// with a user that the first row to need it starts.
type bench struct {
	root     string
	dir      string // of its own, removed at the end
	engine   *engine.Client
	few      bool
	n        int
	platform *platform.Platform
	user     *platform.User
	router   *http.Client // of the platform, keeps its connections
	direct   *http.Client // to containers
}

func newBench(root string, rounds int, quick bool) (*bench, error) {
	eng, err := engine.New("unix:///var/run/docker.sock")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "deis-bench-")
	if err != nil {
		return nil, err
	}
	return &bench{root: root, dir: dir, engine: eng, few: quick, n: rounds, direct: &http.Client{Timeout: 5 * time.Second}}, nil
}

// rounds are how often a row measures; slow is for rounds of more than 10 s.
func (b *bench) rounds(slow bool) int {
	switch {
	case b.few:
		return 2
	case slow:
		return max(3, (b.n+1)/2)
	}
	return b.n
}

// start starts the platform, once.
func (b *bench) start(ctx context.Context) error {
	if b.platform != nil {
		return nil
	}
	fmt.Println("bench: starting a platform")
	p, err := platform.Start(ctx, false)
	if err != nil {
		return err
	}
	b.platform, b.router = p, p.Client(true)
	b.user, err = p.NewUser(ctx, "bench", b.dir)
	return err
}

// close removes all that the bench made.
func (b *bench) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var errs []error
	if b.platform != nil {
		errs = append(errs, b.removeBare(ctx), b.platform.Clean())
	}
	return errors.Join(append(errs, b.engine.Close(), os.RemoveAll(b.dir))...)
}

// command runs a program in the source tree, with env beside the bench's own
// environment; an interrupt ends it with all that it started.
func (b *bench) command(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// app is one that a row pushed.
type app struct {
	*bench
	name string
	dir  string // its repository
}

// testApp pushes the app of the tests. Its image has a file "page", to change.
func (b *bench) testApp(ctx context.Context, name string) (*app, error) {
	dockerfile := strings.Replace(platform.Dockerfile, "COPY app /app\n", "COPY app /app\nCOPY page /page\n", 1)
	return b.deploy(ctx, name, "./tests/app", map[string]string{"Dockerfile": dockerfile, "page": "0\n"})
}

// deploy compiles a program, makes a repository of it and other files, and
// pushes it to a new app.
func (b *bench) deploy(ctx context.Context, name, program string, files map[string]string) (*app, error) {
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	a := &app{bench: b, name: name + "-" + platform.Random(3), dir: filepath.Join(b.dir, name)}
	if _, err := b.command(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(a.dir, "app"), program); err != nil {
		return nil, err
	}
	if err := b.user.Repository(ctx, a.dir, files); err != nil {
		return nil, err
	}
	if err := a.deis(ctx, "create", a.name, "--no-remote"); err != nil {
		return nil, err
	}
	if _, err := b.user.Push(ctx, a.dir, a.name); err != nil {
		return nil, errors.Join(err, a.destroy())
	}
	return a, errors.Join(a.settled(ctx, 1))
}

// deis runs the users' client.
func (a *app) deis(ctx context.Context, args ...string) error {
	_, err := a.user.Deis(ctx, a.dir, args...)
	return err
}

// destroy removes the app, so that the next row finds a quiet platform.
func (a *app) destroy() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return a.deis(ctx, "destroy", "-a", a.name, "--confirm="+a.name)
}

// body is what the app answers through the router, empty if not with 200.
func (a *app) body(ctx context.Context) string {
	_, body := fetch(ctx, a.router, "http://"+a.name+".localhost/")
	return body
}

// settled waits until the app has so many containers in the Engine, all of
// them running: what is drained and stopped after a change is gone.
func (a *app) settled(ctx context.Context, want int) error {
	_, err := when(ctx, 100*time.Millisecond, fmt.Sprintf("%s has %d containers", a.name, want), func(ctx context.Context) bool {
		all, err := a.containers(ctx)
		running := 0
		for _, c := range all {
			if c.State == "running" {
				running++
			}
		}
		return err == nil && len(all) == want && running == want
	})
	return err
}

// during runs a command and waits beside it for what it brings about; it gives
// the seconds until that and until the command returned.
func during(ctx context.Context, command func(context.Context) error, wait func(context.Context) (time.Time, error)) (until, returned float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	done := make(chan struct{})
	var end time.Time
	go func() {
		defer close(done)
		err := command(ctx)
		end = time.Now()
		if err != nil {
			cancel(err)
		}
	}()
	at, err := wait(ctx)
	<-done
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return at.Sub(began).Seconds(), end.Sub(began).Seconds(), err
}

// when asks until the answer is yes, and says when that was.
func when(ctx context.Context, pause time.Duration, what string, ask func(context.Context) bool) (time.Time, error) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var at time.Time
	err := retry.Until(wait, pause, func(ctx context.Context) (bool, error) {
		yes := ask(ctx)
		at = time.Now()
		return yes, nil
	})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: not after %s", what, patience)
	}
	return at, err
}

// interleave measures the limit and ours in turns, each first in every second
// round, after one round of both that does not count.
func interleave(ctx context.Context, rounds int, unit Unit, limit, ours func(context.Context) (float64, error)) (l, o Series, err error) {
	var ls, os []float64
	for i := range rounds + 1 {
		var lv, ov float64
		both := []func() error{
			func() (err error) { lv, err = limit(ctx); return err },
			func() (err error) { ov, err = ours(ctx); return err },
		}
		for turn := range both {
			if err := both[(i+turn)%2](); err != nil {
				return l, o, fmt.Errorf("round %d: %w", i, err)
			}
		}
		if i > 0 {
			ls, os = append(ls, lv), append(os, ov)
		}
	}
	return NewSeries(unit, ls), NewSeries(unit, os), nil
}
