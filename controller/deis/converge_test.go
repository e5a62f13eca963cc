package deis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

// What somebody does to containers behind the controller's back is made good.
func TestConvergeHeals(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	structure := map[string]int{"web": 3, "worker": 1}
	p.app(c, "demo", structure)
	p.app(c, "other", map[string]int{"web": 1})
	rows, err := p.db.Containers(t.Context(), "demo")
	p.must(err)
	stray := deis.Spec{Identity: labels.Identity{UUID: uuid.NewString(), ID: jobid.ID{App: "demo", Version: 1, Type: "web", Num: 9}}}
	gone := deis.Spec{Identity: labels.Identity{UUID: uuid.NewString(), ID: jobid.ID{App: "no-app", Version: 1, Type: "web", Num: 1}}}
	for _, s := range []deis.Spec{stray, gone} {
		p.must(p.engine.Create(t.Context(), s))
		p.must(p.engine.Start(t.Context(), s.Identity.UUID))
	}
	p.must(p.engine.Stop(t.Context(), rows[0].UUID))
	p.must(p.engine.Destroy(t.Context(), rows[1].UUID))
	p.routes.violations()

	stop := p.converge(c)
	healed := func() string {
		if left, err := p.engine.States(t.Context(), "no-app"); err != nil || len(left) > 0 {
			return fmt.Sprintf("of no app: %v %v", left, err)
		}
		return p.problem("demo", structure)
	}
	p.eventually(healed)
	// From here on by the scheduler's changes alone.
	p.must(p.engine.Stop(t.Context(), rows[2].UUID))
	p.eventually(healed)
	p.must(p.engine.Destroy(t.Context(), rows[3].UUID))
	p.eventually(healed)
	stop()
	for _, line := range []string{"INFO [demo]: web.1 was stopped and is started again", "INFO [demo]: web.2 was missing and is created again"} {
		if !p.logs.said(line) {
			t.Errorf("%q is not in %v", line, p.logs.lines)
		}
	}
}

// An operation whose lock was lost fails, and changes nothing from then on.
func TestLostLock(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	structure := map[string]int{"web": 1}
	p.app(c, "demo", structure)
	lost := errors.New("lost")
	n := p.needs()
	n.Records = losing{n.Records, lost}
	_, _, err := deis.New(n).CreateBuild(t.Context(), p.by, "demo", build(2))
	if !errors.Is(err, lost) && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.converge(c)
	p.eventually(func() string { return p.problem("demo", structure) })
	p.consistent("demo", 2, structure)
}

// losing loses each lock when the release's image is stored.
type losing struct {
	deis.Records
	cause error
}

type loseKey struct{}

func (l losing) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	ctx, unlock, err := l.Records.Lock(ctx, app, wait)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return context.WithValue(ctx, loseKey{}, cancel), func() { cancel(nil); unlock() }, nil
}

func (l losing) SetReleaseImage(ctx context.Context, uuid, digest string) error {
	ctx.Value(loseKey{}).(context.CancelCauseFunc)(l.cause)
	return l.Records.SetReleaseImage(ctx, uuid, digest)
}

// reading is records of which only those that a pass reads exist.
type reading struct {
	deis.Records
	from deis.Records
}

func (r reading) Containers(ctx context.Context, app string) ([]deis.Container, error) {
	return r.from.Containers(ctx, app)
}

func (r reading) PendingReleases(ctx context.Context, app string) ([]deis.Release, error) {
	return r.from.PendingReleases(ctx, app)
}

func (r reading) Runs(ctx context.Context, app string) ([]deis.Run, error) {
	return r.from.Runs(ctx, app)
}

func (r reading) DestroyedApps(ctx context.Context) ([]deis.App, error) {
	return r.from.DestroyedApps(ctx)
}

// A pass over containers that are in order only reads, and finds the one that
// is not.
func TestDivergentOfTenThousandContainers(t *testing.T) {
	p := newPlatform(t)
	const apps, each = 200, 50
	var last deis.Container
	for i := range apps {
		app := fmt.Sprintf("app-%d", i)
		_, err := p.db.CreateApp(t.Context(), deis.App{ID: app, Owner: "ann"})
		p.must(err)
		rows := make([]deis.Container, each)
		for n := range rows {
			rows[n] = deis.Container{App: app, Owner: "ann", Version: 2, Type: "web", Num: n + 1, Phase: deis.Serving}
		}
		rows, err = p.db.CreateContainers(t.Context(), rows)
		p.must(err)
		for _, row := range rows {
			p.must(p.engine.Create(t.Context(), deis.Spec{Identity: labels.Identity{UUID: row.UUID, ID: row.Job()}}))
			p.must(p.engine.Start(t.Context(), row.UUID))
			last = row
		}
	}
	before := p.engine.Calls()
	n := p.needs()
	n.Records = reading{from: p.db} // any write would be a nil dereference
	c := deis.New(n)
	began := time.Now()
	todo, err := c.Divergent(t.Context())
	if err != nil || len(todo) != 0 {
		t.Fatal(todo, err)
	}
	t.Logf("a pass over %d containers took %v", apps*each, time.Since(began))
	after := p.engine.Calls()
	before[mock.States]++
	for op, n := range after {
		if n != before[op] {
			t.Errorf("%s: %d calls", op, n-before[op])
		}
	}
	p.must(p.engine.Stop(t.Context(), last.UUID))
	if todo, err = c.Divergent(t.Context()); err != nil || !slices.Equal(todo, []string{last.App}) {
		t.Error(todo, err)
	}
}

// A worker, which nobody announces, is ready when it has lived for a while.
func TestWorkerMustLive(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	p.young = true
	p.must(c.Scale(t.Context(), p.by, "demo", map[string]any{"worker": "1"}))
	p.started = func(st deis.Status) {
		p.routes.announce(st)
		if st.Job.Type == "worker" {
			crash(p, st)
		}
	}
	p.kind(c.Scale(t.Context(), p.by, "demo", map[string]any{"worker": "2", "web": "2"}), deis.Unavailable, "worker.2 ended with exit status 3")
	p.settle(c)
	p.consistent("demo", 2, map[string]int{"web": 1, "worker": 1})
}

func TestRun(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	_, _, err := c.Run(t.Context(), p.by, "demo", "env")
	p.kind(err, deis.Invalid, "No build associated with this release to run this command")
	p.app(c, "other", map[string]int{"web": 1})
	code, out, err := c.Run(t.Context(), p.by, "other", "env | sort")
	if err != nil || code != 0 || !strings.Contains(out, "/runner/init") || !strings.Contains(out, "env | sort") {
		t.Error(code, out, err)
	}
	p.fail = failing(mock.Run, errors.New("engine: secret detail"))
	_, _, err = c.Run(t.Context(), p.by, "other", "env")
	p.kind(err, deis.Unavailable, "The command could not be run.")
	p.consistent("other", 2, map[string]int{"web": 1})
}

// While containers drain, the app is not locked: who changes it next does not
// wait for them.
func TestDrainHoldsNoLock(t *testing.T) {
	p := newPlatform(t)
	n := p.needs()
	n.Drain = 8 * time.Second // longer than a change of config waits for the lock
	c := deis.New(n)
	structure := map[string]int{"web": 1}
	p.app(c, "demo", structure)
	if _, _, err := c.CreateBuild(t.Context(), p.by, "demo", build(2)); err != nil {
		t.Fatal(err)
	}
	rows, err := p.db.Containers(t.Context(), "demo")
	p.must(err)
	for _, row := range rows {
		if row.Phase == deis.Serving {
			p.must(p.engine.Stop(t.Context(), row.UUID))
		}
	}
	p.converge(c) // sees the one that is stopped, and the one that leaves
	p.eventually(func() string {
		if !p.logs.said("INFO [demo]: web.1 was stopped and is started again") {
			return "not healed"
		}
		return ""
	})
	if _, _, err := c.SetConfig(t.Context(), p.by, "demo", deis.ConfigChange{Values: map[string]any{"A": "1"}}); err != nil {
		t.Error(err)
	}
	p.eventually(func() string { return p.problem("demo", structure) })
}
