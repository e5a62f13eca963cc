package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/logs"
	"github.com/deis/deis/controller/mirror"
	"github.com/deis/deis/controller/options"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/rest"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/controller/scheduler/routes"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/pgtest"
	"github.com/deis/deis/internal/retry"
)

// stack is a whole controller but for the Engine and the registry: real etcd,
// real PostgreSQL behind a proxy, containers in memory, and a publisher that
// announces at once.
type stack struct {
	testing.TB
	etcd   *etcdtest.Server
	kv     *etcd.KV
	proxy  *proxy
	engine *mock.Scheduler
	images *stackImages
	token  string
}

// node is one controller of a stack.
type node struct {
	*stack
	url    string
	cancel context.CancelFunc
	ended  chan error
}

// stackImages are images of which nothing is stored.
type stackImages struct {
	mu      sync.Mutex
	release func(context.Context) error
}

func (i *stackImages) set(release func(context.Context) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.release = release
}

func (i *stackImages) Release(ctx context.Context, in deis.ReleaseImage) (string, error) {
	i.mu.Lock()
	release := i.release
	i.mu.Unlock()
	if release != nil {
		if err := release(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("sha256:%064x", in.Version), nil
}

func (*stackImages) Ours(string) bool                         { return false }
func (*stackImages) Prune(context.Context, string, int) error { return nil }

func (*stackImages) Withdraw(context.Context, string, int) error { return nil }
func (*stackImages) Delete(context.Context, string) error        { return nil }

func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{TB: t, etcd: etcdtest.Start(t), images: &stackImages{}}
	s.kv = s.etcd.Dial()
	place, err := postgres.Parse(pgtest.New(t))
	must(t, err)
	s.proxy, place = through(t, place)
	announceDatabase(t, s.kv, place)
	for key, value := range map[string]string{keys.PlatformDomain: "example.com", keys.BuilderKey: "builder-key"} {
		_, err := s.kv.Put(t.Context(), key, value)
		must(t, err)
	}
	s.engine = mock.New(mock.Options{Started: func(st deis.Status) {
		// A test may have stopped etcd: then nobody announces.
		_, _ = s.kv.Put(context.WithoutCancel(t.Context()), keys.Service(st.Job.App, st.Job.String()), "10.0.0.1:5000")
	}})
	t.Cleanup(s.engine.Close)
	s.publish()
	return s
}

// publish withdraws what the scheduler wants withdrawn, until the test ends.
func (s *stack) publish() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = retry.Steadily(ctx, quiet, "publish", 100*time.Millisecond, func(ctx context.Context) error {
			return etcd.Follow(ctx, s.kv, []string{keys.Withdrawals}, func(ctx context.Context, st etcd.State) error {
				for key := range st.Keys {
					app, job, _ := keys.SplitWithdraw(key)
					if _, _, err := s.kv.Delete(ctx, keys.Service(app, job)); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}()
	s.Cleanup(func() { cancel(); <-done })
}

// start starts a controller, which lets operations in flight go on for the
// patience when it ends.
func (s *stack) start(patience time.Duration) *node {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{stack: s, cancel: cancel, ended: make(chan error, 1)}
	opts, err := options.Open(ctx, s.kv, quiet)
	must(s, err)
	db, err := postgres.Connect(ctx, quiet, postgres.FromEtcd(s.kv))
	must(s, err)
	metrics := prometheus.NewRegistry()
	appLogs := logs.New(s.kv, io.Discard)
	mirrored, routed := mirror.New(db, s.kv, quiet, metrics), routes.New(s.kv, quiet, metrics)
	c := deis.New(deis.Needs{
		Log: quiet, Platform: "test", Records: db, Scheduler: s.engine, Routes: routed, Images: s.images, Mirror: mirrored, AppLogs: appLogs,
		Settings: opts, BuilderKey: opts.BuilderKey, DeployTimeout: 30 * time.Second, Drain: time.Millisecond, Parallel: 4,
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(s, err)
	n.url = "http://" + ln.Addr().String()
	loops := []func(context.Context) error{
		opts.Run, func(ctx context.Context) error { return db.Run(ctx, s.kv) }, mirrored.Run, routed.Run, c.Converge,
	}
	go func() {
		err := attend(ctx, loops, db.HandOver, patience, func(ctx context.Context) error {
			return rest.Serve(ctx, quiet, ln, rest.New(rest.Config{Log: quiet, Metrics: metrics, Controller: c}))
		})
		appLogs.Close()
		db.Close()
		n.ended <- err
	}()
	s.Cleanup(func() { n.stop() })
	return n
}

// stop ends the controller as SIGTERM does, and waits for it.
func (n *node) stop() {
	n.cancel()
	if n.ended != nil {
		<-n.ended
		n.ended = nil
	}
}

// call sends a request and returns the status and the body.
func (n *node) call(method, path, body string) (int, string) {
	status, text, err := n.try(method, path, body)
	if err != nil {
		n.Errorf("%s %s: %v", method, path, err)
	}
	return status, text
}

func (n *node) try(method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	switch {
	case strings.HasPrefix(path, "/v1/hooks/"):
		req.Header.Set("X-Deis-Builder-Auth", "builder-key")
	case n.token != "" && !strings.HasPrefix(path, "/v1/auth/register"):
		req.Header.Set("Authorization", "token "+n.token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// expect calls, and fails the test unless the status is that.
func (n *node) expect(status int, method, path, body string) string {
	n.Helper()
	got, text := n.call(method, path, body)
	if got != status {
		n.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	return text
}

// login makes the first user, whose token later calls show.
func (n *node) login() {
	n.Helper()
	n.expect(201, "POST", "/v1/auth/register", `{"username":"ann","password":"pw","email":"a@b.org"}`)
	var answer struct{ Token string }
	must(n, json.Unmarshal([]byte(n.expect(200, "POST", "/v1/auth/login/", `{"username":"ann","password":"pw"}`)), &answer))
	n.token = answer.Token
}

// deployed makes an app that runs.
func (n *node) deployed(app string) {
	n.Helper()
	n.expect(201, "POST", "/v1/apps", `{"id":"`+app+`"}`)
	n.expect(201, "POST", "/v1/apps/"+app+"/builds", buildOf(app, 1))
}

// buildOf is a pushed build.
func buildOf(app string, num int) string {
	return fmt.Sprintf(`{"image":%q,"sha":"%040x","procfile":{"web":"serve"}}`, app, num)
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if retry.Until(ctx, 10*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }) != nil {
		t.Fatalf("not in 30 s: %s", what)
	}
}

// proxy stands before PostgreSQL and can go away.
type proxy struct {
	t      testing.TB
	target string
	addr   string

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// through is c by way of a new proxy.
func through(t testing.TB, c postgres.Config) (*proxy, postgres.Config) {
	t.Helper()
	p := &proxy{t: t, target: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	p.listen()
	t.Cleanup(func() { p.stop(); p.wg.Wait() })
	host, port, err := net.SplitHostPort(p.addr)
	must(t, err)
	c.Host = host
	c.Port, err = strconv.Atoi(port)
	must(t, err)
	return p, c
}

// listen lets connections through, at the same address as before.
func (p *proxy) listen() {
	p.t.Helper()
	ln, err := net.Listen("tcp", p.addr)
	must(p.t, err)
	p.mu.Lock()
	p.ln, p.addr = ln, ln.Addr().String()
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns[in], p.conns[out] = true, true
			p.mu.Unlock()
			p.wg.Go(func() { p.copy(in, out) })
			p.wg.Go(func() { p.copy(out, in) })
		}
	})
}

func (p *proxy) copy(dst, src net.Conn) {
	_, _ = io.Copy(dst, src)
	_, _ = dst.Close(), src.Close()
}

// stop breaks all connections and takes no new ones.
func (p *proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.ln.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
}
