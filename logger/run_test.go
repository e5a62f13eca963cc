package logger

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/syslog"
)

type fixture struct {
	t       *testing.T
	kv      *etcd.KV
	etcd    []string
	root    string
	syslog  string
	web     string
	conn    net.Conn
	stop    func()
	started time.Time
}

func start(t *testing.T) *fixture {
	t.Helper()
	srv := etcdtest.Start(t)
	f := &fixture{t: t, kv: srv.Dial(), etcd: srv.Endpoints, root: filepath.Join(t.TempDir(), "logs"), started: time.Now()}
	f.run()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) run() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cfg := Settings{
		Runtime: process.NewRuntime(slog.New(slog.DiscardHandler)), Listen: "127.0.0.1:0", WebListen: "127.0.0.1:0", Root: f.root,
		AppBytes: 1 << 20, TotalBytes: 8 << 20, MaxApps: 100, Etcd: f.etcd, TTL: 5 * time.Second, Host: "127.0.0.1",
	}
	addrs := make(chan string, 2)
	cfg.OnWeb = func(a net.Addr) { addrs <- a.String() }
	cfg.OnReady = func(a net.Addr) { addrs <- a.String() }
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	f.stop = func() {
		if cancel != nil {
			cancel()
			cancel = nil
			<-done
		}
	}
	for _, to := range []*string{&f.web, &f.syslog} {
		select {
		case *to = <-addrs:
		case err := <-done:
			f.t.Fatalf("Run: %v", err)
		case <-time.After(30 * time.Second):
			f.t.Fatal("not ready")
		}
	}
	conn, err := net.Dial("tcp", f.syslog)
	if err != nil {
		f.t.Fatal(err)
	}
	f.conn = conn
	f.t.Cleanup(func() { conn.Close() })
}

func (f *fixture) send(app, text string, at time.Time) {
	f.t.Helper()
	m := syslog.Message{Time: at, App: app, Process: "web.1", Text: text, Stream: "stdout", Release: "v2", Seq: 1}
	if err := m.Write(f.conn); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) request(method, path string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequest(method, "http://"+f.web+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := retry.Until(ctx, 10*time.Millisecond, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		f.t.Fatalf("never: %s", what)
	}
}

func (f *fixture) set(adapter string) {
	f.t.Helper()
	if _, err := f.kv.Put(context.Background(), "/deis/logs/storageAdapterType", adapter); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) key(k string) string {
	f.t.Helper()
	e, _, err := f.kv.Get(context.Background(), k)
	if err != nil {
		f.t.Fatal(err)
	}
	return e.Value
}

func TestLinesComeBack(t *testing.T) {
	f := start(t)
	_, port, _ := net.SplitHostPort(f.syslog)
	f.eventually("announced", func() bool { return f.key("/deis/logs/host") == "127.0.0.1" && f.key("/deis/logs/port") == port })
	if status, body := f.request("GET", "/demo/"); status != 204 || body != "" {
		t.Errorf("before any line: %d %q", status, body)
	}
	at := time.Date(2015, 5, 7, 1, 13, 53, 0, time.UTC)
	for i := range 150 {
		f.send("demo", fmt.Sprintf("line %d", i), at)
	}
	u, err := net.Dial("udp", f.syslog)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if _, err := u.Write([]byte("2015-05-07T01:13:53UTC old[cmd.1]: by datagram\n")); err != nil {
		t.Fatal(err)
	}
	f.eventually("all lines", func() bool {
		_, body := f.request("GET", "/demo?log_lines=150")
		return strings.Count(body, "\n") == 150
	})
	if status, body := f.request("GET", "/demo"); status != 200 || strings.Count(body, "\n") != 100 {
		t.Errorf("%d, %d lines", status, strings.Count(body, "\n"))
	}
	if _, body := f.request("GET", "/demo?log_lines=1"); body != "2015-05-07T01:13:53UTC demo[web.1]: line 149\n" {
		t.Errorf("%q", body)
	}
	f.eventually("the datagram", func() bool {
		_, body := f.request("GET", "/old")
		return body == "2015-05-07T01:13:53UTC old[cmd.1]: by datagram\n"
	})
	f.stop()
	f.eventually("withdrawn", func() bool { return f.key("/deis/logs/host") == "" })
	f.run()
	if _, body := f.request("GET", "/demo?log_lines=1000"); strings.Count(body, "\n") != 150 {
		t.Errorf("%d lines after a restart", strings.Count(body, "\n"))
	}
}

// Destroyed after a restart, with lines still under way: a new app of the name
// sees nothing old, and what it says itself.
func TestDestroy(t *testing.T) {
	f := start(t)
	f.send("demo", "a secret", f.started)
	f.eventually("stored", func() bool { status, _ := f.request("GET", "/demo"); return status == 200 })
	f.stop()
	f.run()
	for range 2 {
		if status, body := f.request("DELETE", "/demo/"); status != 200 || body != "" {
			t.Fatalf("%d %q", status, body)
		}
	}
	if files, err := filepath.Glob(filepath.Join(f.root, "demo*")); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
	f.send("demo", "a late secret", f.started)
	f.send("demo", "hello", time.Now().Add(time.Second))
	f.eventually("the new app", func() bool { status, _ := f.request("GET", "/demo"); return status == 200 })
	if _, body := f.request("GET", "/demo"); strings.Contains(body, "secret") || strings.Count(body, "\n") != 1 {
		t.Errorf("%q", body)
	}
}

func TestAdapterIsFollowed(t *testing.T) {
	f := start(t)
	f.send("demo", "in a file", time.Now())
	f.eventually("stored", func() bool { status, _ := f.request("GET", "/demo"); return status == 200 })
	f.set("memory:2")
	f.eventually("in memory", func() bool { status, _ := f.request("GET", "/demo"); return status == 204 })
	f.set("bogus") // leaves it as it is
	for i := range 5 {
		f.send("demo", fmt.Sprintf("line %d", i), time.Now())
	}
	f.eventually("two lines", func() bool {
		_, body := f.request("GET", "/demo")
		return strings.Count(body, "\n") == 2 && strings.HasSuffix(body, "line 4\n")
	})
	f.set("file")
	f.eventually("the file again", func() bool { _, body := f.request("GET", "/demo"); return strings.HasSuffix(body, "in a file\n") })
	if _, err := os.Stat(filepath.Join(f.root, "demo.log")); err != nil {
		t.Error(err)
	}
}

// A value that is wrong from the start leaves files.
func TestStartsWithBadAdapter(t *testing.T) {
	srv := etcdtest.Start(t)
	f := &fixture{t: t, kv: srv.Dial(), etcd: srv.Endpoints, root: filepath.Join(t.TempDir(), "logs")}
	f.set("memory:foo")
	f.run()
	defer f.stop()
	f.send("demo", "in a file", time.Now())
	f.eventually("stored", func() bool { _, err := os.Stat(filepath.Join(f.root, "demo.log")); return err == nil })
	f.set("memory")
	f.eventually("in memory", func() bool { status, _ := f.request("GET", "/demo"); return status == 204 })
}
