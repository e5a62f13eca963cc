//go:build integration

package scripts

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/deis/deis/tests/platform"
)

// load is requests that go on until it is stopped, and what went wrong.
type load struct {
	sent   atomic.Int64
	mu     sync.Mutex
	faults []string
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// startLoad sends about rate requests a second to a host, in equal parts GET and
// POST, over fresh and kept connections; every fourth answer takes 300 ms.
func startLoad(ctx context.Context, p *platform.Platform, host string, rate int) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{stop: cancel}
	clients := []*http.Client{p.Client(true), p.Client(false)}
	const senders = 16
	for i := range senders {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			tick := time.NewTicker(time.Second * senders / time.Duration(rate))
			defer tick.Stop()
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				l.request(clients[n/2%2], host, n%2 == 1, n%4 == 3)
			}
		}()
	}
	return l
}

func (l *load) request(c *http.Client, host string, post, slow bool) {
	path, method, want := "/?ms=0", http.MethodGet, "Powered by"
	var body io.Reader
	if post {
		path, method, want = "/echo?ms=0", http.MethodPost, "POST hello"
		body = strings.NewReader("hello")
	}
	if slow {
		path = strings.Replace(path, "ms=0", "ms=300", 1)
	}
	l.sent.Add(1)
	started := time.Now()
	// Not the load's context: a request that has begun must end.
	req, err := http.NewRequest(method, "http://"+host+path, body)
	if err != nil {
		l.fault("%v", err)
		return
	}
	resp, err := c.Do(req)
	if err != nil {
		l.fault("%s %s %s: %v", started.Format("15:04:05.000"), method, path, err)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
		l.fault("%s %s %s: %d %v %.80q", started.Format("15:04:05.000"), method, path, resp.StatusCode, err, b)
	}
}

func (l *load) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// end stops the load, waits for what is under way, and returns what went wrong.
func (l *load) end() []string {
	l.stop()
	l.done.Wait()
	return l.faults
}

// served HOST COMMAND... runs a command while a host is asked: no request may
// fail before, meanwhile or after.
func served(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: served host command...")
	}
	ctx := context.Background()
	l := startLoad(ctx, stage.Platform, args[0], 50)
	defer l.stop()
	more := func(n int64) func() (bool, error) { return func() (bool, error) { return l.sent.Load() > n, nil } }
	ts.Check(eventually("requests before", more(25)))
	out, err := stage.Existing("", ts.Getenv("HOME")).Command(ctx, ts.MkAbs("."), args[1], args[2:]...)
	ts.Logf("%s", out)
	ts.Check(err)
	ts.Check(eventually("requests after", more(l.sent.Load()+25)))
	if faults := l.end(); len(faults) > 0 {
		ts.Fatalf("%d of %d requests failed:\n%s", len(faults), l.sent.Load(), strings.Join(faults, "\n"))
	}
}

// TestNoRequestLost changes an app in every way that replaces containers, with
// apps that end at once on SIGTERM and apps that ignore it, and counts the
// requests that did not get their answer.
func TestNoRequestLost(t *testing.T) {
	for _, onTerm := range []string{"exit", "ignore"} {
		t.Run(onTerm, func(t *testing.T) { noRequestLost(t, onTerm) })
	}
}

func noRequestLost(t *testing.T, onTerm string) {
	ctx := t.Context()
	app := "traffic-" + platform.Random(3)
	dir := t.TempDir()
	user := stage.root
	must(t, user.Deploy(ctx, dir, stage.app, app))
	deis := func(args ...string) {
		t.Helper()
		if out, err := user.Deis(ctx, dir, append(args, "-a", app)...); err != nil {
			t.Fatal(out, err)
		}
	}
	deis("config:set", "ON_TERM="+onTerm)
	deis("scale", "cmd=2")

	l := startLoad(ctx, stage.Platform, app+".localhost", 50)
	for i := range 20 {
		deis("config:set", fmt.Sprintf("ROUND=%d", i))
		if i%4 == 0 {
			must(t, user.Commit(ctx, dir, nil))
			if out, err := user.Push(ctx, dir, app); err != nil {
				t.Fatal(out, err)
			}
			deis("scale", fmt.Sprintf("cmd=%d", 1+i%3))
		}
	}
	must(t, eventually("2,000 requests", func() (bool, error) { return l.sent.Load() >= 2000, nil }))
	faults := l.end()
	t.Logf("%d requests", l.sent.Load())
	for _, f := range faults {
		t.Error(f)
	}
	deis("destroy", "--confirm="+app)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
