package controller_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller"
	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/mirror"
	"github.com/deis/deis/controller/options"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/rest"
	"github.com/deis/deis/controller/scheduler/routes"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

// ann is who asks nodes.
const ann = "ann"

// node is one controller of a stack, as ann sees it, who knows the builder's
// key too.
type node struct {
	*stack
	client
	cancel context.CancelFunc
	ended  chan struct{} // closed when it has, with err
	err    error
}

// announceDatabase writes into etcd where a database is.
func announceDatabase(t testing.TB, kv *etcd.KV, c postgres.Config) {
	t.Helper()
	_, err := kv.Apply(t.Context(),
		etcd.Set(keys.Database+"host", c.Host), etcd.Set(keys.Database+"port", strconv.Itoa(c.Port)),
		etcd.Set(keys.Database+"user", c.User), etcd.Set(keys.DatabasePass, c.Password), etcd.Set(keys.Database+"name", c.Name))
	must(t, err)
}

// start starts a controller, which lets operations in flight go on for the
// patience when it ends.
func (s *stack) start(patience time.Duration) *node {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	opening, opened := context.WithTimeout(ctx, 30*time.Second)
	defer opened()
	opts, err := options.Open(opening, s.kv, quiet)
	s.must(err)
	db, err := postgres.Connect(opening, quiet, postgres.FromEtcd(s.kv))
	s.must(err)
	metrics := prometheus.NewRegistry()
	mirrored, routed := mirror.New(db, s.kv, quiet, metrics), routes.New(s.kv, quiet, metrics)
	needs := deis.Needs{
		Log: quiet, Platform: "test", Records: db, Scheduler: aged{s.engine}, Routes: routed, Images: s.images, Mirror: mirrored,
		AppLogs: s.logs, Settings: opts, BuilderKey: opts.BuilderKey,
		DeployTimeout: 20 * time.Second, Drain: time.Millisecond, Parallel: 4,
	}
	if s.change != nil {
		s.change(&needs)
	}
	c := deis.New(needs)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	n := &node{stack: s, cancel: cancel, ended: make(chan struct{}), client: s.as("http://"+ln.Addr().String(), "")}
	n.key, n.token = builderKey, s.tokens[ann]
	loops := []func(context.Context) error{
		opts.Run, func(ctx context.Context) error { return db.Run(ctx, s.kv) }, mirrored.Run, routed.Run, c.Converge,
	}
	go func() {
		defer close(n.ended)
		n.err = controller.Attend(ctx, loops, db.HandOver, patience, func(ctx context.Context) error {
			return rest.Serve(ctx, quiet, ln, rest.New(rest.Config{Log: quiet, Metrics: metrics, Controller: c}))
		})
		db.Close()
	}()
	s.Cleanup(n.stop)
	return n
}

// stop ends the controller as SIGTERM does, and waits for it.
func (n *node) stop() {
	n.cancel()
	<-n.ended
}

// ask sends a request and returns the status and the body.
func (n *node) ask(method, path, body string) (int, string) {
	a, err := n.do(context.Background(), method, path, body)
	if err != nil {
		n.Errorf("%s %s: %v", method, path, err)
	}
	return a.code, a.body
}

// expect asks, and fails the test unless the status is that.
func (n *node) expect(status int, method, path, body string) string {
	n.Helper()
	got, text := n.ask(method, path, body)
	if got != status {
		n.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	return text
}

// login makes the first user, ann.
func (n *node) login() {
	n.Helper()
	n.token = n.as(n.url, ann).token
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
