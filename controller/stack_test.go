package controller_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/pgtest"
	"github.com/deis/deis/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

const (
	domain     = "example.com" // of the platform
	builderKey = "the builder's key"
	password   = "correct horse"
)

// stack is a platform as the controller sees it: PostgreSQL and etcd are real,
// as is all of the controller but its process. Containers are in memory, images
// are digests, logs are lists, and the test plays the publisher. It outlives
// the controllers on it.
type stack struct {
	*testing.T
	etcd      *etcdtest.Server
	kv        *etcd.KV
	database  postgres.Config // direct; controllers reach it by the proxy
	proxy     *pgtest.Proxy
	engine    *mock.Scheduler
	images    *images
	logs      *appLogs
	publisher *publisher

	fail   func(op mock.Op, job jobid.ID) error // lets calls of the scheduler fail; set before controllers start
	change func(*deis.Needs)                    // changes what controllers are made of
	tokens map[string]string                    // by user
}

// newStack makes a platform without a controller.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{T: t, etcd: etcdtest.Start(t), images: &images{}, logs: &appLogs{lines: map[string][]string{}, more: make(chan struct{})}, tokens: map[string]string{}}
	s.kv = s.etcd.Dial()
	var err error
	s.database, err = postgres.Parse(pgtest.New(t))
	s.must(err)
	place := s.database
	s.proxy, place.Host, place.Port = pgtest.Through(t, place.Host, place.Port)
	announceDatabase(t, s.kv, place)
	s.put(keys.PlatformDomain, domain)
	s.put(keys.BuilderKey, builderKey)
	s.publisher = &publisher{kv: s.kv, announced: map[string]string{}, gone: map[string]string{}, silent: map[string]bool{}}
	s.engine = mock.New(mock.Options{
		Tags: map[string]string{"disk": "ssd"},
		Fail: func(op mock.Op, job jobid.ID) error {
			if s.fail != nil {
				return s.fail(op, job)
			}
			return nil
		},
		Started: s.publisher.announce,
	})
	t.Cleanup(s.engine.Close)
	s.background(func(ctx context.Context) { s.publisher.run(ctx) })
	return s
}

// background runs fn until the test ends.
func (s *stack) background(fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.Cleanup(stop)
	return stop
}

// controller starts a controller on the platform and returns the URL of its
// API; it ends with the test, or by stop.
func (s *stack) controller() (url string, stop func()) {
	s.Helper()
	n := s.start(30 * time.Second)
	return n.url, n.stop
}

// aged is a scheduler whose containers are a minute older than they are: those
// that nobody announces are ready without the wait.
type aged struct{ deis.Scheduler }

func (a aged) States(ctx context.Context, app string) ([]deis.Status, error) {
	all, err := a.Scheduler.States(ctx, app)
	for i := range all {
		all[i].Started = all[i].Started.Add(-time.Minute)
	}
	return all, err
}

func (s *stack) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// put sets a key in etcd.
func (s *stack) put(key, value string) {
	s.Helper()
	_, err := s.kv.Put(s.Context(), key, value)
	s.must(err)
}

// eventually waits until problem returns nothing.
func (s *stack) eventually(problem func() string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	var last string
	err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) {
		last = problem()
		return last == "", nil
	})
	if err != nil {
		s.Errorf("still after 20 s: %s", last)
	}
}

// publisher announces containers that have started, and withdraws those it is
// asked to.
type publisher struct {
	kv *etcd.KV

	mu        sync.Mutex
	announced map[string]string // service key to the container that it is of
	gone      map[string]string // service key to the container that is not announced again
	silent    map[string]bool   // apps whose containers nobody hears of
}

// silence lets an app's containers be unheard of, or ends that.
func (p *publisher) silence(app string, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent[app] = silent
}

func (p *publisher) announce(st deis.Status) {
	key := keys.Service(st.Job.App, st.Job.String())
	p.mu.Lock()
	defer p.mu.Unlock()
	if st.Job.Routable() && st.Exposed && p.gone[key] != st.Container && !p.silent[st.Job.App] {
		p.announced[key] = st.Container
		_, _ = p.kv.Put(context.Background(), key, "10.0.0.1:5000") // told by the deploy that waits for it
	}
}

func (p *publisher) run(ctx context.Context) {
	_ = retry.Steadily(ctx, quiet, "follow withdrawals", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, p.kv, []string{keys.Withdrawals}, func(ctx context.Context, s etcd.State) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			clear(p.gone)
			for key, e := range s.Keys {
				app, job, ok := keys.SplitWithdraw(key)
				if !ok {
					continue
				}
				p.gone[keys.Service(app, job)] = e.Value
				if p.announced[keys.Service(app, job)] != e.Value {
					continue
				}
				if _, _, err := p.kv.Delete(ctx, keys.Service(app, job)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// images makes digests of what an image would hold.
type images struct {
	mu   sync.Mutex
	fail func(context.Context, deis.ReleaseImage) error
	last map[string]deis.ReleaseImage // by app
}

// failing lets releases wait, or fail, until it is called with nil.
func (i *images) failing(fail func(context.Context, deis.ReleaseImage) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = fail
}

func (i *images) Release(ctx context.Context, in deis.ReleaseImage) (string, error) {
	i.mu.Lock()
	fail := i.fail
	i.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, in); err != nil {
			return "", err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.last == nil {
		i.last = map[string]deis.ReleaseImage{}
	}
	i.last[in.App] = in
	return fmt.Sprintf("sha256:%x", sha256.Sum256(fmt.Append(nil, in))), nil
}

// released is what the newest image of an app was made of.
func (i *images) released(app string) deis.ReleaseImage {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last[app]
}

func (i *images) Withdraw(context.Context, string, int) error { return nil }

func (i *images) Ours(registry string) bool { return registry == "127.0.0.1:5000" }

func (i *images) Prune(context.Context, string, int) error { return nil }

func (i *images) Delete(_ context.Context, app string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.last, app)
	return nil
}

// appLogs are the apps' logs.
type appLogs struct {
	mu    sync.Mutex
	fail  error
	lines map[string][]string
	more  chan struct{} // closed, and made anew, by the next line
}

func (l *appLogs) Tail(_ context.Context, app string, n int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	all := l.lines[app]
	var out bytes.Buffer
	for _, line := range all[max(0, len(all)-n):] {
		fmt.Fprintln(&out, line)
	}
	return out.Bytes(), nil
}

// logName is every app's log's, for positions in it.
const logName = "0123456789abcdef"

func (l *appLogs) Follow(ctx context.Context, app string, from deis.LogStart) (deis.FollowedLog, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return deis.FollowedLog{}, &deis.Error{Kind: deis.Internal, Detail: "Error accessing logs for " + app, Err: l.fail}
	}
	log := deis.FollowedLog{Position: api.LogPosition{Log: logName}}
	all, n := l.lines[app], max(0, len(l.lines[app])-from.Lines)
	if p := from.Position; p != nil && p.Log == logName {
		n = 0
		for at := 0; n < len(all) && int64(at) < p.Offset; n++ {
			at += len(all[n]) + 1
		}
	} else if p != nil {
		log.Gap = api.LogGapUnknown
	}
	for _, line := range all[:n] {
		log.Position = log.Position.Add(len(line) + 1)
	}
	log.ReadCloser = &followed{ctx: ctx, logs: l, app: app, next: n}
	return log, nil
}

// followed is an app's log from the next line on.
type followed struct {
	ctx  context.Context
	logs *appLogs
	app  string
	next int
	text []byte // of lines before it, not read yet
}

func (f *followed) Read(p []byte) (int, error) {
	for len(f.text) == 0 {
		f.logs.mu.Lock()
		all, more := f.logs.lines[f.app], f.logs.more
		for ; f.next < len(all); f.next++ {
			f.text = append(f.text, all[f.next]+"\n"...)
		}
		f.logs.mu.Unlock()
		if len(f.text) > 0 {
			break
		}
		select {
		case <-more:
		case <-f.ctx.Done():
			return 0, f.ctx.Err()
		}
	}
	n := copy(p, f.text)
	f.text = f.text[n:]
	return n, nil
}

func (f *followed) Close() error { return nil }

func (l *appLogs) Delete(_ context.Context, app string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lines, app)
	return nil
}

// failing lets the logs be away until it is called with nil.
func (l *appLogs) failing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *appLogs) Event(level, app, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[app] = append(l.lines[app], level+" ["+app+"]: "+message)
	close(l.more)
	l.more = make(chan struct{})
}

// answer is what the API said.
type answer struct {
	line   string // the status line without the protocol, 404 NOT FOUND
	code   int
	header http.Header
	body   string
}

// decode reads the body as JSON.
func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("%s: %v in %q", a.line, err, a.body)
	}
}

// client talks to a controller as somebody.
type client struct {
	url   string
	token string // empty: nobody
	key   string // the builder's, empty: none
	http  *http.Client
}

// as is the client of a user; a name that is not known yet is registered.
func (s *stack) as(url, username string) client {
	s.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	s.Cleanup(transport.CloseIdleConnections)
	c := client{url: url, http: &http.Client{Transport: transport, Timeout: 90 * time.Second}}
	if username == "" {
		return c
	}
	if c.token = s.tokens[username]; c.token != "" {
		return c
	}
	credentials := map[string]string{"username": username, "password": password, "email": username + "@example.com"}
	if a := s.call(c, "POST", "/v1/auth/register", credentials); a.code != http.StatusCreated {
		s.Fatalf("register %s: %s %s", username, a.line, a.body)
	}
	var login struct{ Token string }
	s.call(c, "POST", "/v1/auth/login/", credentials).decode(s.T, &login)
	c.token, s.tokens[username] = login.Token, login.Token
	return c
}

// builder is the client of the builder.
func (s *stack) builder(url string) client {
	c := s.as(url, "")
	c.key = builderKey
	return c
}

// call sends a request: a body that is a string as it is, any other as JSON, nil none.
func (s *stack) call(c client, method, path string, body any) answer {
	s.Helper()
	a, err := c.do(s.Context(), method, path, body)
	s.must(err)
	return a
}

func (c client) do(ctx context.Context, method, path string, body any) (answer, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, in)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "token "+c.token)
	}
	if c.key != "" {
		req.Header.Set("X-Deis-Builder-Auth", c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{line: resp.Status, code: resp.StatusCode, header: resp.Header, body: string(text)}, err
}

// deploy makes an app with a pushed build of web and worker processes.
func (s *stack) deploy(c client, app string) {
	s.Helper()
	if a := s.call(c, "POST", "/v1/apps", map[string]string{"id": app}); a.code != http.StatusCreated {
		s.Fatalf("create %s: %s %s", app, a.line, a.body)
	}
	build := map[string]any{"image": app, "sha": "0123456789", "procfile": map[string]string{"web": "serve", "worker": "work"}}
	if a := s.call(c, "POST", "/v1/apps/"+app+"/builds", build); a.code != http.StatusCreated {
		s.Fatalf("build %s: %s %s", app, a.line, a.body)
	}
}

func TestStack(t *testing.T) {
	s := newStack(t)
	url, _ := s.controller()
	root := s.as(url, "root")
	s.deploy(root, "demo")
	var list struct {
		Count   int
		Results []struct{ Type, State, Release string }
	}
	s.call(root, "GET", "/v1/apps/demo/containers", nil).decode(t, &list)
	if list.Count != 1 || list.Results[0].Type != "web" || list.Results[0].State != "up" || list.Results[0].Release != "v2" {
		t.Errorf("%+v", list)
	}
	key := keys.Service("demo", "demo_v2.web.1")
	if _, ok, err := s.kv.Get(t.Context(), key); !ok || err != nil {
		t.Errorf("%s: %v %v", key, ok, err)
	}
	if a := s.call(root, "DELETE", "/v1/apps/demo", nil); a.line != "204 NO CONTENT" {
		t.Errorf("%+v", a)
	}
	s.eventually(func() string {
		if _, ok, err := s.kv.Get(t.Context(), key); ok || err != nil {
			return key + " is still there"
		}
		return ""
	})
}
