package controller_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

// Tests named after what Deis v1 never solved. Unless they say otherwise, two
// controllers work on one database.

// all waits for the end of calls that are made at once.
func all(calls ...func()) {
	var g sync.WaitGroup
	for _, call := range calls {
		g.Go(call)
	}
	g.Wait()
}

// ok makes a call that must succeed.
func (s *stack) ok(c client, method, path string, body any) answer {
	s.Helper()
	a := s.call(c, method, path, body)
	if a.code >= 300 {
		s.Errorf("%s %s: %s %s", method, path, a.line, a.body)
	}
	return a
}

// pushed is what the builder posts.
func pushed(app, sha string) map[string]any {
	return map[string]any{
		"receive_user": by, "receive_repo": app, "image": app, "sha": sha, "dockerfile": "",
		"procfile": map[string]string{"web": "serve", "worker": "work"},
	}
}

// versions are the numbers of an app's releases, newest first, with their summaries.
func (s *stack) versions(c client, app string) (versions []int, summaries map[int]string) {
	s.Helper()
	var list struct {
		Results []struct {
			Version int
			Summary string
		}
	}
	s.ok(c, "GET", "/v1/apps/"+app+"/releases?page_size=1000", nil).decode(s.T, &list)
	summaries = map[int]string{}
	for _, r := range list.Results {
		versions = append(versions, r.Version)
		summaries[r.Version] = r.Summary
	}
	return versions, summaries
}

func TestDuplicateContainersAfterPushConfigAndScaleAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	url, _ := s.controller()
	other, _ := s.controller()
	here, there, builder := s.as(url, by), s.as(other, by), s.builder(other)
	s.deploy(here, "demo")
	for round := 1; round <= 5; round++ {
		all(
			func() { s.ok(builder, "POST", "/v1/hooks/build", pushed("demo", fmt.Sprintf("%08d", round))) },
			func() {
				s.ok(here, "POST", "/v1/apps/demo/config", map[string]any{"values": map[string]int{"ROUND": round}})
			},
			func() {
				s.ok(there, "POST", "/v1/apps/demo/scale", map[string]int{"web": 1 + round%3, "worker": round % 2})
			},
		)
		s.eventually(func() string { return s.unsettled(url, "demo") })
	}
	if versions, _ := s.versions(here, "demo"); len(versions) != 12 || versions[0] != 12 {
		t.Errorf("releases are %v", versions)
	}
}

func TestConfigChangesOfTwoUsersAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	url, _ := s.controller()
	other, _ := s.controller()
	ann, bob := s.as(url, by), s.as(other, "bob")
	s.deploy(ann, "demo")
	s.ok(ann, "POST", "/v1/apps/demo/perms", map[string]string{"username": "bob"})
	set := func(c client, name string) func() {
		return func() {
			for i := range 10 {
				s.ok(c, "POST", "/v1/apps/demo/config", map[string]any{"values": map[string]int{fmt.Sprintf("%s_%d", name, i): i}})
			}
		}
	}
	all(set(ann, "ANN"), set(bob, "BOB"))
	var config struct{ Values map[string]string }
	s.ok(ann, "GET", "/v1/apps/demo/config", nil).decode(t, &config)
	if len(config.Values) != 20 {
		t.Errorf("%d values are left of 20: %v", len(config.Values), config.Values)
	}
	s.eventually(func() string { return s.unsettled(url, "demo") })
}

// everyCreate lets every so manieth creation of a container fail.
func everyCreate(n int64) func(mock.Op, jobid.ID) error {
	var created atomic.Int64
	return func(op mock.Op, _ jobid.ID) error {
		if op == mock.Create && created.Add(1)%n == 0 {
			return deis.Errorf(deis.Unavailable, told)
		}
		return nil
	}
}

// A deploy that fails gives its number back; a number that somebody was told
// stays what it was.
func TestVersionsAreNeitherDoubledNorChanged(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.fail = everyCreate(5)
	url, _ := s.controller()
	other, _ := s.controller()
	builders := []client{s.builder(url), s.builder(other)}
	root := s.as(url, by)
	s.deploy(root, "demo")
	var mu sync.Mutex
	promised, failed := map[int]string{}, 0
	var calls []func()
	for i := range 20 {
		sha := fmt.Sprintf("%07d", i)
		calls = append(calls, func() {
			a := s.call(builders[i%2], "POST", "/v1/hooks/build", pushed("demo", sha))
			mu.Lock()
			defer mu.Unlock()
			var answer struct{ Release struct{ Version int } }
			switch a.code {
			case 200:
				a.decode(t, &answer)
				if promised[answer.Release.Version] != "" {
					t.Errorf("v%d was told twice", answer.Release.Version)
				}
				promised[answer.Release.Version] = by + " deployed " + sha
			case 503:
				failed++
			default:
				t.Errorf("%s %s", a.line, a.body)
			}
		})
	}
	all(calls...)
	versions, summaries := s.versions(root, "demo")
	for i, v := range versions {
		if v != len(versions)-i {
			t.Fatalf("releases are %v", versions)
		}
	}
	for v, summary := range promised {
		if summaries[v] != summary {
			t.Errorf("v%d is %q, was told as %q", v, summaries[v], summary)
		}
	}
	if failed == 0 || len(promised)+failed != 20 || len(versions) != len(promised)+2 {
		t.Errorf("%d failed, %d did not, releases are %v", failed, len(promised), versions)
	}
	s.eventually(func() string { return s.unsettled(url, "demo") })
}

// busy is a platform with an app at v2, whose next release stops at its first
// container until it is let go.
type busy struct {
	*stack
	here, there client
	url         string
	entered     chan struct{} // closed when the release has stopped
	gate        chan struct{} // to be closed
	waits       chan time.Duration
}

func newBusy(t *testing.T) *busy {
	b := &busy{stack: newStack(t), entered: make(chan struct{}), gate: make(chan struct{}), waits: make(chan time.Duration, 100)}
	var once sync.Once
	b.fail = func(op mock.Op, job jobid.ID) error {
		if op == mock.Create && job.Version == 3 {
			once.Do(func() { close(b.entered); <-b.gate })
		}
		return nil
	}
	b.url, _ = b.controller()
	b.change = func(n *deis.Needs) { n.Records = watched{n.Records, b.waits} }
	other, _ := b.controller()
	b.here, b.there = b.as(b.url, by), b.as(other, by)
	b.deploy(b.here, "demo")
	b.ok(b.here, "POST", "/v1/apps/demo/scale", map[string]int{"web": 2, "worker": 1})
	return b
}

// during makes the second call while the first, of a release, is under way.
func (b *busy) during(first, second func()) {
	all(first, func() {
		await(b.stack, "the release stops", b.entered)
		all(second, func() {
			await(b.stack, "the second call asks for the lock", b.waits)
			close(b.gate)
		})
	})
	b.eventually(func() string { return b.unsettled(b.url, "demo") })
}

// await waits for what must happen soon.
func await[T any](s *stack, what string, happens <-chan T) {
	select {
	case <-happens:
	case <-time.After(20 * time.Second):
		s.Errorf("still not after 20 s: %s", what)
	}
}

// watched is records that tell who asks for a lock, for a user.
type watched struct {
	deis.Records
	waits chan time.Duration
}

func (w watched) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	if wait > 0 { // else it is the loop's
		w.waits <- wait
	}
	return w.Records.Lock(ctx, app, wait)
}

func TestRestartDuringDeploy(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	var restarted []struct{ Release string }
	b.during(
		func() { b.ok(b.here, "POST", "/v1/apps/demo/config", map[string]any{"values": map[string]int{"A": 1}}) },
		func() { b.ok(b.there, "POST", "/v1/apps/demo/containers/restart", nil).decode(t, &restarted) },
	)
	if len(restarted) != 3 || slices.ContainsFunc(restarted, func(c struct{ Release string }) bool { return c.Release != "v3" }) {
		t.Errorf("restarted %v", restarted)
	}
}

func TestDestroyDuringDeploy(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	b.during(
		func() { b.ok(b.here, "POST", "/v1/apps/demo/config", map[string]any{"values": map[string]int{"A": 1}}) },
		func() { b.ok(b.there, "DELETE", "/v1/apps/demo", nil) },
	)
	if a := b.call(b.here, "GET", "/v1/apps/demo", nil); a.line != "404 NOT FOUND" {
		t.Errorf("%s %s", a.line, a.body)
	}
	b.deploy(b.here, "demo") // its name is free
}

func TestScaleDuringRollback(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	b.during(
		func() { b.ok(b.here, "POST", "/v1/apps/demo/releases/rollback", map[string]int{"version": 2}) },
		func() { b.ok(b.there, "POST", "/v1/apps/demo/scale", map[string]int{"web": 4}) },
	)
	var list struct {
		Results []struct{ Release, Type string }
	}
	b.ok(b.here, "GET", "/v1/apps/demo/containers", nil).decode(t, &list)
	count := map[string]int{}
	for _, c := range list.Results {
		count[c.Release+" "+c.Type]++
	}
	if len(count) != 2 || count["v3 web"] != 4 || count["v3 worker"] != 1 {
		t.Errorf("containers are %v", count)
	}
}

// Whoever waits for an app that is destroyed and made anew by somebody else
// does not change the new one.
func TestWhoWaitedForAnAppGetsNoOther(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	arrived, gate := make(chan time.Duration, 100), make(chan struct{})
	url, _ := s.controller()
	s.change = func(n *deis.Needs) { n.Records = gated{n.Records, arrived, gate} }
	slow, _ := s.controller()
	s.as(url, by)
	ann, bob := s.as(slow, "ann"), s.as(url, "bob")
	s.deploy(s.as(url, "ann"), "demo")
	calls := []func() answer{
		func() answer {
			return s.call(ann, "POST", "/v1/apps/demo/config", map[string]any{"values": map[string]int{"A": 1}})
		},
		func() answer { return s.call(ann, "POST", "/v1/apps/demo/scale", map[string]int{"web": 3}) },
		func() answer { return s.call(ann, "POST", "/v1/apps/demo/containers/restart", nil) },
		func() answer { return s.call(ann, "DELETE", "/v1/apps/demo", nil) },
	}
	var g sync.WaitGroup
	for _, call := range calls {
		g.Go(func() {
			if a := call(); a.line != "404 NOT FOUND" {
				t.Errorf("%s %s", a.line, a.body)
			}
		})
	}
	for range calls {
		await(s, "all ask for the lock", arrived)
	}
	s.ok(s.as(url, "ann"), "DELETE", "/v1/apps/demo", nil)
	s.deploy(bob, "demo")
	close(gate)
	g.Wait()
	s.ok(bob, "GET", "/v1/apps/demo", nil)
	if versions, _ := s.versions(bob, "demo"); len(versions) != 2 {
		t.Errorf("releases are %v", versions)
	}
	s.eventually(func() string { return s.unsettled(url, "demo") })
}

// gated is records whose locks are not taken before the gate opens.
type gated struct {
	deis.Records
	arrived chan time.Duration
	gate    chan struct{}
}

func (g gated) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	if wait > 0 {
		g.arrived <- wait
		<-g.gate
	}
	return g.Records.Lock(ctx, app, wait)
}

// Whatever call of the engine fails once, whatever it was for, nothing is left
// over and nothing lacks.
func TestOrphansAfterFailures(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	var armed sync.Map // app to the call that is to fail
	s.fail = func(op mock.Op, job jobid.ID) error {
		if armed.CompareAndDelete(job.App, op) {
			return deis.Errorf(deis.Unavailable, told)
		}
		return nil
	}
	url, _ := s.controller()
	other, _ := s.controller()
	root := s.as(url, by)
	clients := []client{root, s.as(other, by)}
	builder := s.builder(other)
	var calls []func()
	for _, op := range []mock.Op{mock.Create, mock.Start, mock.Stop, mock.Destroy} {
		for name, do := range map[string]func(client, string) answer{
			"push": func(_ client, app string) answer {
				return s.call(builder, "POST", "/v1/hooks/build", pushed(app, "abcdef"))
			},
			"config": func(c client, app string) answer {
				return s.call(c, "POST", "/v1/apps/"+app+"/config", map[string]any{"values": map[string]int{"A": 1}})
			},
			"scale-up": func(c client, app string) answer {
				return s.call(c, "POST", "/v1/apps/"+app+"/scale", map[string]int{"web": 4})
			},
			"scale-down": func(c client, app string) answer {
				return s.call(c, "POST", "/v1/apps/"+app+"/scale", map[string]int{"web": 1})
			},
			"restart": func(c client, app string) answer {
				return s.call(c, "POST", "/v1/apps/"+app+"/containers/restart", nil)
			},
			"rollback": func(c client, app string) answer {
				return s.call(c, "POST", "/v1/apps/"+app+"/releases/rollback", map[string]int{"version": 2})
			},
			"destroy": func(c client, app string) answer { return s.call(c, "DELETE", "/v1/apps/"+app, nil) },
		} {
			app := string(op) + "-" + name
			calls = append(calls, func() {
				s.deploy(root, app)
				s.ok(root, "POST", "/v1/apps/"+app+"/scale", map[string]int{"web": 2, "worker": 1})
				s.eventually(func() string { return s.unsettled(url, app) })
				armed.Store(app, op)
				if a := do(clients[len(app)%2], app); a.code >= 300 && (a.code != 503 || !strings.Contains(a.body, "{\"detail\":\"")) {
					t.Errorf("%s: %s %s", app, a.line, a.body)
				}
				s.eventually(func() string {
					if _, waiting := armed.Load(app); waiting && slices.Contains(mayNotFail, app) {
						armed.Delete(app)
					} else if waiting {
						return app + " has not failed"
					}
					return s.unsettled(url, app)
				})
			})
		}
	}
	all(calls...)
	if rows, err := s.engine.States(t.Context(), ""); err != nil || slices.ContainsFunc(rows, func(st deis.Status) bool { return strings.HasSuffix(st.Job.App, "-destroy") }) {
		t.Errorf("%v %v", rows, err)
	}
}

// mayNotFail are calls that an operation does not need.
var mayNotFail = []string{
	"create-scale-down", "start-scale-down", "create-destroy", "start-destroy", // end containers only
	"stop-scale-up", "destroy-scale-up", // start containers only
}

// A change of config waits 5 s for others and is then refused in Deis v1's
// words, everything else up to a minute; who is refused changed nothing.
func TestWhoWaitsHowLong(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	waits := make(chan time.Duration, 100)
	s.change = func(n *deis.Needs) { n.Records = impatient{n.Records, waits} }
	url, _ := s.controller()
	root, builder := s.as(url, by), s.builder(url)
	s.deploy(root, "demo")
	s.eventually(func() string { return s.unsettled(url, "demo") })
	for len(waits) > 0 {
		<-waits
	}
	release := s.holdLock("demo")
	const sentence = `{"detail":"Another operation on demo is in progress."}`
	for _, test := range []struct {
		name   string
		call   func() answer
		waited time.Duration
		body   string
	}{
		{"config", func() answer {
			return s.call(root, "POST", "/v1/apps/demo/config", map[string]any{"values": map[string]int{"A": 1}})
		}, 5 * time.Second, configLocked},
		{"push", func() answer { return s.call(builder, "POST", "/v1/hooks/build", pushed("demo", "abcdef")) }, time.Minute, sentence},
		{"build", func() answer {
			return s.call(root, "POST", "/v1/apps/demo/builds", map[string]string{"image": "other"})
		}, time.Minute, sentence},
		{"rollback", func() answer { return s.call(root, "POST", "/v1/apps/demo/releases/rollback", nil) }, time.Minute, sentence},
		{"scale", func() answer { return s.call(root, "POST", "/v1/apps/demo/scale", map[string]int{"web": 2}) }, time.Minute, sentence},
		{"restart", func() answer { return s.call(root, "POST", "/v1/apps/demo/containers/restart", nil) }, time.Minute, sentence},
		{"destroy", func() answer { return s.call(root, "DELETE", "/v1/apps/demo", nil) }, time.Minute, sentence},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := test.call()
			if a.line != "409 CONFLICT" || a.body != test.body {
				t.Errorf("%s %s", a.line, a.body)
			}
			if waited := <-waits; waited != test.waited {
				t.Errorf("it would have waited %v, want %v", waited, test.waited)
			}
		})
	}
	release()
	if versions, _ := s.versions(root, "demo"); len(versions) != 2 {
		t.Errorf("releases are %v", versions)
	}
	if problem := s.unsettled(url, "demo"); problem != "" {
		t.Error(problem)
	}
}

// impatient is records that tell how long they should wait, and wait a
// hundredth of it.
type impatient struct {
	deis.Records
	waits chan time.Duration
}

func (i impatient) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	if wait > 0 {
		i.waits <- wait
	}
	return i.Records.Lock(ctx, app, wait/100)
}

// holdLock has an app's lock until release, as a controller that is busy.
func (s *stack) holdLock(app string) (release func()) {
	s.Helper()
	db, err := postgres.Connect(s.Context(), quiet, func(context.Context) (postgres.Config, error) { return s.database, nil })
	s.must(err)
	s.Cleanup(db.Close)
	_, unlock, err := db.Lock(s.Context(), app, time.Second)
	s.must(err)
	s.Cleanup(unlock)
	return unlock
}

// unsettled says what keeps an app from being at rest: its containers, those
// of the engine and those that are announced are the same, as many as the
// structure says. An app that does not exist has none.
func (s *stack) unsettled(url, app string) string {
	s.Helper()
	root := s.as(url, by)
	var shown struct{ Structure map[string]int }
	var list struct {
		Results []struct {
			Release, Type, State string
			Num                  int
		}
	}
	if a := s.call(root, "GET", "/v1/apps/"+app, nil); a.code == 200 {
		a.decode(s.T, &shown)
		s.call(root, "GET", "/v1/apps/"+app+"/containers?page_size=1000", nil).decode(s.T, &list)
	}
	rows, routable, counts := map[string]bool{}, map[string]bool{}, map[string]int{}
	for _, c := range list.Results {
		version, _ := strconv.Atoi(strings.TrimPrefix(c.Release, "v"))
		job := jobid.ID{App: app, Version: version, Type: c.Type, Num: c.Num}
		if rows[job.String()] || c.State != "up" {
			return fmt.Sprintf("%v is %s, or there twice", job, c.State)
		}
		rows[job.String()] = true
		counts[c.Type]++
		if job.Routable() {
			routable[job.String()] = true
		}
	}
	for t, n := range shown.Structure {
		if counts[t] != n {
			return fmt.Sprintf("%d of %s, want %d", counts[t], t, n)
		}
		delete(counts, t)
	}
	if len(counts) > 0 {
		return fmt.Sprintf("beside the structure: %v", counts)
	}
	statuses, err := s.engine.States(s.Context(), app)
	s.must(err)
	for _, st := range statuses {
		if !rows[st.Job.String()] || st.State != deis.StateUp {
			return fmt.Sprintf("the engine has %v, %s", st.Job, st.State)
		}
		delete(rows, st.Job.String())
	}
	if len(rows) > 0 {
		return fmt.Sprintf("the engine lacks %v", rows)
	}
	announced, err := s.kv.List(s.Context(), "/deis/services/"+app+"/")
	s.must(err)
	for key := range announced.Keys {
		_, job, _ := strings.Cut(strings.TrimPrefix(key, "/deis/services/"), "/")
		if !routable[job] {
			return "announced: " + key
		}
		delete(routable, job)
	}
	if len(routable) > 0 {
		return fmt.Sprintf("not announced: %v", routable)
	}
	return ""
}
