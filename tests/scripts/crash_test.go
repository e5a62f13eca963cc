//go:build integration

package scripts

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/deis/deis/tests/platform"
)

// TestCrashPoints kills the controller inside a push, at each place where a
// crash would hurt. Afterwards containers, routes and rows must equal one
// release, and git must have said the truth about it.
func TestCrashPoints(t *testing.T) {
	ctx := t.Context()
	p, err := platform.Start(ctx, true)
	must(t, err)
	t.Cleanup(func() {
		if err := p.Clean(); err != nil {
			t.Error(err)
		}
	})
	home := t.TempDir()
	user, err := p.NewUser(ctx, "ann", home)
	must(t, err)
	for _, point := range []string{
		"after-release-row", "after-image-push", "after-container-create", "after-first-announcement", "after-commit", "after-withdraw",
	} {
		t.Run(point, func(t *testing.T) { crashAt(t, p, user, point) })
	}
}

func crashAt(t *testing.T, p *platform.Platform, user *platform.User, point string) {
	ctx := t.Context()
	app, dir := "crash-"+platform.Random(3), t.TempDir()
	must(t, user.Deploy(ctx, dir, stage.app, app))
	if out, err := user.Deis(ctx, dir, "scale", "cmd=2", "-a", app); err != nil {
		t.Fatal(out, err)
	}
	before := restarts(t, p)
	_, err := p.Etcdctl(ctx, "put", "/deis/controller/failpoint", point)
	must(t, err)
	must(t, user.Commit(ctx, dir, nil))
	out, pushErr := user.Push(ctx, dir, app)
	if restarts(t, p) == before {
		t.Fatalf("the controller was never killed at %s: %s %v", point, out, pushErr)
	}
	if left, err := p.Etcdctl(ctx, "get", "--keys-only", "/deis/controller/failpoint"); err != nil || left != "" {
		t.Fatalf("the failpoint is still set: %q %v", left, err)
	}
	must(t, eventually("one release everywhere", func() (bool, error) {
		problem, err := divergence(ctx, p, user, dir, app)
		if problem != "" {
			err = errors.New(problem)
		}
		return err == nil, err
	}))
	releases, err := user.Deis(ctx, dir, "releases", "-a", app)
	must(t, err)
	if succeeded := strings.Contains(releases, "v3\t"); succeeded != (pushErr == nil) {
		t.Errorf("git said %v, but the releases are\n%s", pushErr, releases)
	}
	// and the app is not stuck
	must(t, user.Commit(ctx, dir, nil))
	if out, err := user.Push(ctx, dir, app); err != nil {
		t.Error(out, err)
	}
	if _, err := user.Deis(ctx, dir, "destroy", "-a", app, "--confirm="+app); err != nil {
		t.Error(err)
	}
}

func restarts(t *testing.T, p *platform.Platform) string {
	t.Helper()
	out, err := platform.Docker(t.Context(), "inspect", "--format", "{{.RestartCount}}", p.Container("controller"))
	must(t, err)
	return out
}

// divergence says in what the platform disagrees about the app's release; empty
// if in nothing.
func divergence(ctx context.Context, p *platform.Platform, user *platform.User, dir, app string) (string, error) {
	releases, err := user.Deis(ctx, dir, "releases", "-a", app)
	if err != nil {
		return "", err
	}
	lines := strings.Split(releases, "\n")
	if len(lines) < 2 {
		return "no releases", nil
	}
	version, _, _ := strings.Cut(lines[1], "\t")
	containers, err := platform.Docker(ctx, "ps", "-a", "--filter", "label=deis.platform="+p.Name, "--filter", "label=deis.app="+app, "--format", `{{.Label "deis.job"}} {{.State}}`)
	if err != nil {
		return "", err
	}
	job1, job2 := app+"_"+version+".cmd.1", app+"_"+version+".cmd.2"
	if !strings.Contains(containers, job1+" running") || !strings.Contains(containers, job2+" running") || strings.Count(containers, "\n") != 1 {
		return "of " + version + " the Engine has " + containers, nil
	}
	keys, err := p.Etcdctl(ctx, "get", "--prefix", "--keys-only", "/deis/services/"+app+"/")
	if err != nil {
		return "", err
	}
	if !strings.Contains(keys, job1) || !strings.Contains(keys, job2) || strings.Count(keys, "/deis/services/") != 2 {
		return "of " + version + " etcd has " + keys, nil
	}
	ps, err := user.Deis(ctx, dir, "ps", "-a", app)
	if err != nil {
		return "", err
	}
	if strings.Count(ps, "up ("+version+")") != 2 || strings.Count(ps, "cmd.") != 2 {
		return "of " + version + " the rows are " + ps, nil
	}
	status, body, err := p.Get(ctx, app+".localhost", "/")
	if err != nil {
		return "", err
	}
	if status != 200 || !strings.Contains(body, "release "+version+"\n") {
		return "the router answers " + body, nil
	}
	return "", nil
}
