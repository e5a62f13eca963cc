//go:build integration

package publisher_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/publisher"
)

// app is the program that the containers run.
var app string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "publisher")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		app = filepath.Join(dir, "app")
		cmd := exec.Command("go", "build", "-o", app, "./testdata/app")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the app: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// platform is a network of apps, an etcd, and publishers that a test starts.
type platform struct {
	t    *testing.T
	name string
	etcd *etcdtest.Server
	kv   *etcd.KV
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	id := make([]byte, 4)
	_, _ = rand.Read(id) // never fails
	p := &platform{t: t, name: "deis-test-" + hex.EncodeToString(id), etcd: etcdtest.Start(t)}
	p.kv = p.etcd.Dial()
	p.docker("network", "create", "--label", "deis.platform="+p.name, p.name+"-apps")
	t.Cleanup(func() {
		out, _ := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "label=deis.platform="+p.name).Output()
		if ids := strings.Fields(string(out)); len(ids) > 0 {
			_ = exec.Command("docker", append([]string{"rm", "--force", "--volumes"}, ids...)...).Run()
		}
		if out, err := exec.Command("docker", "network", "rm", p.name+"-apps").CombinedOutput(); err != nil {
			t.Errorf("%s", out)
		}
	})
	return p
}

// publish runs a publisher until the test ends or stop is called.
func (p *platform) publish() (stop func()) {
	p.t.Helper()
	env := map[string]string{"ETCD": p.etcd.Endpoints[0], "DEIS_NAME": p.name, "HOST": "10.1.1.1"}
	cfg, err := publisher.SettingsFromEnv(func(k string) string { return env[k] })
	if err != nil {
		p.t.Fatal(err)
	}
	cfg.Runtime = process.NewRuntime(slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- publisher.Run(ctx, cfg) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			p.t.Error(err)
		}
	}
	p.t.Cleanup(stop)
	return stop
}

func (p *platform) docker(args ...string) string {
	p.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("docker %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// start runs a container as the scheduler would and returns its id.
func (p *platform) start(job string, health *labels.HealthCheck, args ...string) string {
	p.t.Helper()
	id, err := jobid.Parse(job)
	if err != nil {
		p.t.Fatal(err)
	}
	run := []string{"run", "--detach", "--network", p.name + "-apps", "--volume", app + ":/app:ro", "--name", p.name + "_" + job,
		"--env", "ADDR=:5000", "--expose", "5000", "--expose", "9999", "--entrypoint", "/app"}
	for k, v := range (labels.Identity{Platform: p.name, ID: id, Health: health}).Labels() {
		run = append(run, "--label", k+"="+v)
	}
	return p.docker(append(append(run, args...), "deis/base:latest")...)
}

func (p *platform) eventually(what string, cond func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	if retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }) != nil {
		p.t.Fatalf("never: %s", what)
	}
}

func (p *platform) value(key string) string {
	e, _, err := p.kv.Get(p.t.Context(), key)
	if err != nil {
		return "?"
	}
	return e.Value
}

func (p *platform) address(id string) string {
	p.t.Helper()
	return p.docker("inspect", "--format", "{{(index .NetworkSettings.Networks \""+p.name+"-apps\").IPAddress}}", id) + ":5000"
}

func TestContainers(t *testing.T) {
	p := newPlatform(t)
	p.start("demo_v1.worker.1", nil)
	early := p.start("demo_v1.web.1", nil)
	p.publish()
	first, second := keys.Service("demo", "demo_v1.web.1"), keys.Service("demo", "demo_v1.web.2")
	p.eventually("the one that ran before", func() bool { return p.value(first) == p.address(early) })
	p.eventually("presence", func() bool { return p.value(keys.PublisherHost("10.1.1.1")) != "" })

	late := p.start("demo_v1.web.2", nil, "--env", "DELAY=300ms")
	if p.value(second) != "" {
		t.Error("announced before it listens")
	}
	p.eventually("a later one", func() bool { return p.value(second) == p.address(late) })
	if p.value(keys.Service("demo", "demo_v1.worker.1")) != "" {
		t.Error("a worker was announced")
	}

	var pid int
	if _, err := fmt.Sscan(p.docker("inspect", "--format", "{{.State.Pid}}", late), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("gone after kill -9", func() bool { return p.value(second) == "" })
	p.docker("start", late)
	p.eventually("back after its start", func() bool { return p.value(second) == p.address(late) })
	p.docker("pause", late)
	p.eventually("gone while paused", func() bool { return p.value(second) == "" })
	p.docker("unpause", late)
	p.eventually("back after the pause", func() bool { return p.value(second) == p.address(late) })
	before, _, err := p.kv.Get(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	p.docker("restart", "--time", "1", late)
	p.eventually("announced anew after a restart", func() bool {
		now, _, err := p.kv.Get(t.Context(), second)
		return err == nil && now.Mod > before.Mod && now.Value == p.address(late)
	})
	p.docker("stop", "--time", "1", late)
	p.eventually("gone after its stop", func() bool { return p.value(second) == "" })
	p.docker("rm", "--force", early)
	p.eventually("gone after its removal", func() bool { return p.value(first) == "" })
}

func TestWithdrawAndSuccessor(t *testing.T) {
	p := newPlatform(t)
	stop := p.publish()
	stays, leaves := p.start("demo_v1.web.1", nil), p.start("demo_v1.web.2", nil)
	first, second := keys.Service("demo", "demo_v1.web.1"), keys.Service("demo", "demo_v1.web.2")
	p.eventually("both", func() bool { return p.value(first) != "" && p.value(second) != "" })
	if _, err := p.kv.Put(t.Context(), keys.Withdraw("demo", "demo_v1.web.2"), leaves); err != nil {
		t.Fatal(err)
	}
	p.eventually("withdrawn", func() bool { return p.value(second) == "" })
	p.docker("exec", leaves, "true") // it still runs

	before, _, err := p.kv.Get(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if p.value(first) == "" {
		t.Fatal("the keys went with the publisher")
	}
	p.publish()
	p.eventually("taken over", func() bool {
		now, _, err := p.kv.Get(t.Context(), first)
		if err == nil && now.Value != p.address(stays) {
			t.Fatal("the key was away")
		}
		return err == nil && now.Lease != before.Lease
	})
	p.eventually("presence", func() bool {
		now, _, err := p.kv.Get(t.Context(), keys.PublisherHost("10.1.1.1"))
		return err == nil && now.Lease != 0 && now.Lease != before.Lease
	})
	if p.value(second) != "" {
		t.Error("a withdrawn container came back with the next publisher")
	}

	p.etcd.Stop()
	p.docker("rm", "--force", stays)
	p.etcd.Restart()
	p.eventually("seen after etcd was away", func() bool { return p.value(first) == "" })
}

func TestHealthChecks(t *testing.T) {
	p := newPlatform(t)
	p.publish()
	p.start("demo_v1.web.1", &labels.HealthCheck{URL: "/health", Timeout: 1}, "--env", "DELAY=200ms")
	p.start("demo_v1.web.2", &labels.HealthCheck{URL: "/health", Timeout: 1}, "--env", "HEALTH=503")
	result := func(job string) (r struct {
		OK     bool
		Detail string
	}) {
		_ = json.Unmarshal([]byte(p.value(keys.Check("demo", job))), &r) // empty before the first
		return r
	}
	p.eventually("the healthy one", func() bool {
		return p.value(keys.Service("demo", "demo_v1.web.1")) != "" && result("demo_v1.web.1").OK
	})
	p.eventually("the other's reason", func() bool { return strings.Contains(result("demo_v1.web.2").Detail, "503") })
	if v := p.value(keys.Service("demo", "demo_v1.web.2")); v != "" {
		t.Error("announced although it fails:", v)
	}
}
