//go:build integration

package logspout

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/syslog"
)

const image = "deis/base:latest"

// fixture is a logspout on the real Engine, with a platform name of its own
// and a logger that remembers.
type fixture struct {
	t         *testing.T
	platform  string
	etcd      []string
	kv        *etcd.KV
	positions string
	stop      func()

	mu  sync.Mutex
	got []syslog.Message
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	srv := etcdtest.Start(t)
	f := &fixture{t: t, platform: "t" + strings.ToLower(rand.Text()[:10]), etcd: srv.Endpoints, kv: srv.Dial(), positions: t.TempDir()}
	t.Cleanup(func() {
		f.eventually("all removed", func() bool { // some remove themselves meanwhile
			ids := strings.Fields(f.docker("ps", "-aq", "--filter", "label="+labels.Platform+"="+f.platform))
			_ = exec.Command("docker", append([]string{"rm", "-fv"}, ids...)...).Run()
			return len(ids) == 0
		})
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.read(conn) })
		}
	})
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	for k, v := range map[string]string{"host": host, "port": port} {
		if _, err := f.kv.Put(context.Background(), "/deis/logs/"+k, v); err != nil {
			t.Fatal(err)
		}
	}
	f.run()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := Settings{Runtime: process.NewRuntime(slog.New(slog.DiscardHandler)), Platform: f.platform,
		Docker: "unix:///var/run/docker.sock", Positions: f.positions, Etcd: f.etcd, Host: "test"}
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	f.stop = sync.OnceFunc(func() { cancel(); <-done })
}

func (f *fixture) read(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		frame, err := syslog.ReadFrame(in)
		if err != nil {
			return
		}
		m, err := syslog.Parse(frame)
		if err != nil {
			f.t.Errorf("%q: %v", frame, err)
		}
		f.mu.Lock()
		f.got = append(f.got, m)
		f.mu.Unlock()
	}
}

// texts are what an app's process has printed.
func (f *fixture) texts(app, process string) (texts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.got {
		if m.App == app && m.Process == process {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

func (f *fixture) docker(args ...string) string {
	f.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("docker %v: %v\n%s (the images come from `make images`)", args, err, out)
	}
	return string(out)
}

// job starts a container of an app.
func (f *fixture) job(app string, num int, script string, flags ...string) (name string) {
	f.t.Helper()
	id := labels.Identity{Platform: f.platform, ID: jobid.ID{App: app, Version: 1, Type: "web", Num: num}, UUID: "u"}
	args := []string{"run", "-d", "--name", id.Name(), "--log-opt", "max-size=16m", "--log-opt", "max-file=3"}
	for k, v := range id.Labels() {
		args = append(args, "--label", k+"="+v)
	}
	args = append(append(args, flags...), image, "/bin/sh", "-c", script)
	f.docker(args...)
	return id.Name()
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := retry.Until(ctx, 20*time.Millisecond, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.t.Fatalf("never: %s; got %+v", what, f.got)
	}
}

// A container that lives for a moment has its lines in the log, if it is removed
// the next; one that is not, also a last line without an end.
func TestShortLives(t *testing.T) {
	f := newFixture(t)
	app := f.platform + "-short"
	const n = 10
	for i := 1; i <= n; i++ {
		if i%2 == 0 {
			f.job(app, i, "echo one; echo two >&2; sleep 0.05; echo three", "--rm")
		} else {
			f.job(app, i, "echo one; echo two >&2; printf three")
		}
	}
	for i := 1; i <= n; i++ {
		process := fmt.Sprintf("web.%d", i)
		f.eventually(process, func() bool { return len(f.texts(app, process)) == 3 })
		if all := strings.Join(f.texts(app, process), " "); !strings.Contains(all, "one") || !strings.Contains(all, "two") || !strings.Contains(all, "three") {
			t.Errorf("%s: %q", process, all)
		}
	}
}

func TestLinesOfTheEngine(t *testing.T) {
	f := newFixture(t)
	app := f.platform + "-lines"
	f.job(app, 1, `printf 'windows\r\n'; head -c 1000000 /dev/zero | tr '\0' x; echo; printf 'bin\001\377\n'; echo; echo end`)
	f.job(app, 2, `echo terminal; head -c 40000 /dev/zero | tr '\0' y; echo; echo end`, "-t")
	f.eventually("both", func() bool { return len(f.texts(app, "web.1")) == 5 && len(f.texts(app, "web.2")) == 3 })
	one, two := f.texts(app, "web.1"), f.texts(app, "web.2")
	if one[0] != "windows" || len(one[1]) != syslog.MaxText || !strings.HasSuffix(one[1], "x...") || one[3] != "" || one[4] != "end" {
		t.Errorf("%.300q", one)
	}
	if two[0] != "terminal" || two[1] != strings.Repeat("y", 40000) || two[2] != "end" {
		t.Errorf("%d bytes of %.300q", len(two[1]), two)
	}
}

// Many lines, with logspout stopped and started again in the middle: none is
// lost, and at most one comes twice.
func TestRestart(t *testing.T) {
	f := newFixture(t)
	app := f.platform + "-restart"
	// slower than what can be shipped, also while it starts: what comes faster is dropped, and told
	f.job(app, 1, `i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); [ $((i%100)) -gt 0 ] || sleep 0.02; done; sleep 600`)
	for i := 1; i <= 3; i++ {
		f.eventually("more lines", func() bool { return len(f.texts(app, "web.1")) >= i*2000 })
		f.stop()
		f.run()
	}
	f.eventually("the last line", func() bool {
		texts := f.texts(app, "web.1")
		return len(texts) > 0 && texts[len(texts)-1] == "line 19999"
	})
	texts := f.texts(app, "web.1")
	next, twice := 0, 0
	for _, text := range texts {
		switch text {
		case fmt.Sprintf("line %d", next):
			next++
		case fmt.Sprintf("line %d", next-1):
			twice++
		default:
			t.Fatalf("%q instead of line %d", text, next)
		}
	}
	if next != 20000 || twice > 3 {
		t.Errorf("%d lines, %d twice", next, twice)
	}
}

// The platform's containers are told by their names; labels that a user could
// give to a build are believed by nobody.
func TestPlatformContainers(t *testing.T) {
	f := newFixture(t)
	app := f.platform + "-app"
	for component, script := range map[string]string{
		"controller": "echo 'INFO [" + app + "]: scaled'; echo '{}' >&2",
		"router":     "echo 'INFO [" + app + "]: mine'",
		"logger":     "echo loop",
		"stranger":   "echo 'INFO [" + app + "]: forged'",
	} {
		f.docker("run", "-d", "--name", f.platform+"-"+component, "--label", labels.Platform+"="+f.platform, "--label", labels.Component+"=controller", image, "/bin/sh", "-c", script)
	}
	f.eventually("three", func() bool {
		return len(f.texts(app, "deis-controller")) == 1 && len(f.texts(f.platform+"-controller", "1")) == 1 && len(f.texts(f.platform+"-router", "1")) == 1
	})
	if got := f.texts(app, "deis-controller"); got[0] != "scaled" {
		t.Errorf("%q", got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.got) != 3 {
		t.Errorf("%+v", f.got)
	}
}
