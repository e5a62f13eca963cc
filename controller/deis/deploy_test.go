package deis_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

// all is a page with everything.
var all = deis.Page{Size: 1000, Number: 1}

func TestDeploy(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	if _, v, err := c.SetConfig(t.Context(), p.by, "demo", deis.ConfigChange{Values: map[string]any{"COLOR": "blue"}}); v != 2 || err != nil {
		t.Fatal(v, err)
	}
	b, v, err := c.CreateBuild(t.Context(), p.by, "demo", build(1))
	if err != nil || v != 3 || b.UUID == "" {
		t.Fatal(b, v, err)
	}
	p.consistent("demo", 3, map[string]int{"web": 1})
	want := map[string]string{"COLOR": "blue", "DEIS_APP": "demo", "DEIS_RELEASE": "v3"}
	if in := p.images.last; !maps.Equal(in.Env, want) || in.Build != b.UUID || in.SHA != b.SHA || in.Version != 3 {
		t.Error(in)
	}
	p.must(c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "3", "worker": "2"}))

	p.routes.watch("demo")
	if _, v, err = c.SetConfig(t.Context(), p.by, "demo", deis.ConfigChange{Values: map[string]any{"COLOR": nil}}); v != 4 || err != nil {
		t.Fatal(v, err)
	}
	p.settle(c)
	p.consistent("demo", 4, map[string]int{"web": 3, "worker": 2})
	if n := p.routes.fewest("demo"); n < 3 {
		t.Errorf("routers knew only %d containers meanwhile", n)
	}
	if !p.logs.said("INFO [demo]: ann deleted COLOR") {
		t.Error(p.logs.lines)
	}
}

// Whatever makes a deploy fail, it leaves no trace.
func TestFailedDeployLeavesNoTrace(t *testing.T) {
	broken := errors.New("broken")
	silent := func(p *platform) { p.started = func(deis.Status) {} }
	for name, test := range map[string]struct {
		prepare func(*platform)
		says    string
	}{
		"not ready":      {silent, "was not ready in time: nothing answers on its port. It printed nothing."},
		"check fails":    {func(p *platform) { silent(p); p.routes.detail = "GET / got 500" }, "was not ready in time: GET / got 500."},
		"ends by itself": {func(p *platform) { p.started = func(st deis.Status) { crash(p, st) } }, "ended with exit status 3 before it was ready."},
		"no image": {func(p *platform) {
			p.images.release = func(context.Context, deis.ReleaseImage) error { return deis.Errorf(deis.Unavailable, "no image") }
		}, "no image"},
		"not created": {func(p *platform) { p.fail = failing(mock.Create, broken) }, "could not be created: broken"},
		"not started": {func(p *platform) { p.fail = failing(mock.Start, broken) }, "could not be started: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			structure := map[string]int{"web": 2, "worker": 1}
			c := p.controller()
			p.app(c, "demo", structure)
			before := p.jobs("demo")
			p.deployTimeout = 300 * time.Millisecond
			c = p.controller()
			test.prepare(p)
			p.routes.watch("demo")
			_, _, err := c.CreateBuild(t.Context(), p.by, "demo", build(2))
			p.kind(err, deis.Unavailable, test.says)
			_, _, err = c.SetConfig(t.Context(), p.by, "demo", deis.ConfigChange{Values: map[string]any{"A": "1"}})
			p.kind(err, deis.Unavailable, test.says)
			p.fail, p.started, p.images.release = nil, nil, nil
			p.settle(c)
			p.consistent("demo", 2, structure)
			if now := p.jobs("demo"); !slices.Equal(now, before) {
				t.Errorf("%v serve, before %v", now, before)
			}
			if n := p.routes.fewest("demo"); n != 2 {
				t.Errorf("routers knew only %d containers meanwhile", n)
			}
			if _, n, err := p.db.Builds(t.Context(), "demo", all); n != 1 || err != nil {
				t.Error("builds:", n, err)
			}
			if cfg, err := c.Config(t.Context(), p.by, "demo"); err != nil || len(cfg.Values) != 0 {
				t.Error(cfg, err)
			}
			if _, v, err := c.CreateBuild(t.Context(), p.by, "demo", build(3)); v != 3 || err != nil {
				t.Error("the number was not given back:", v, err)
			}
			p.settle(c)
			p.consistent("demo", 3, structure)
		})
	}
}

// crash ends a container once, as soon as it has started.
func crash(p *platform, st deis.Status) {
	if st.Restarts == 0 {
		p.engine.End(st.UUID, 3)
	}
}

func failing(op mock.Op, err error) func(mock.Op, jobid.ID) error {
	return func(o mock.Op, _ jobid.ID) error {
		if o == op {
			return err
		}
		return nil
	}
}

func TestScale(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	for _, step := range []struct {
		in   map[string]any
		want []string
	}{
		{map[string]any{"web": "3"}, []string{"demo_v2.web.1", "demo_v2.web.2", "demo_v2.web.3"}},
		{map[string]any{"worker": "2", "web": "1"}, []string{"demo_v2.web.1", "demo_v2.worker.1", "demo_v2.worker.2"}},
		{map[string]any{"web": "2"}, []string{"demo_v2.web.1", "demo_v2.web.2", "demo_v2.worker.1", "demo_v2.worker.2"}},
		{map[string]any{"web": "0", "worker": "0"}, nil},
		{map[string]any{"web": "1"}, []string{"demo_v2.web.1"}},
	} {
		p.must(c.Scale(t.Context(), p.by, "demo", step.in))
		if got := p.jobs("demo"); !slices.Equal(got, step.want) {
			t.Errorf("%v: %v, want %v", step.in, got, step.want)
		}
	}
	p.settle(c)
	p.consistent("demo", 2, map[string]int{"web": 1, "worker": 0})

	p.fail = failing(mock.Start, errors.New("full"))
	p.kind(c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "9"}), deis.Unavailable, "full")
	p.fail = nil
	p.settle(c)
	p.consistent("demo", 2, map[string]int{"web": 1, "worker": 0})
	p.kind(c.Scale(t.Context(), p.by, "demo", map[string]any{"clock": "1"}), deis.Invalid, "Container type clock does not exist in application")
}

func TestRollback(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	structure := map[string]int{"web": 2}
	p.app(c, "demo", structure)
	first := p.latest("demo")
	if _, _, err := c.CreateBuild(t.Context(), p.by, "demo", build(2)); err != nil {
		t.Fatal(err)
	}
	p.routes.watch("demo")
	if v, err := c.Rollback(t.Context(), p.by, "demo", 0); v != 4 || err != nil {
		t.Fatal(v, err)
	}
	p.settle(c)
	p.consistent("demo", 4, structure)
	if now := p.latest("demo"); now.Build != first.Build || now.Config != first.Config || now.Summary != "ann rolled back to v2" {
		t.Errorf("%+v", now)
	}
	if n := p.routes.fewest("demo"); n < 2 {
		t.Errorf("routers knew only %d containers meanwhile", n)
	}
	_, err := c.Rollback(t.Context(), p.by, "demo", 1)
	p.kind(err, deis.Invalid, "v1 has no build")
	_, err = c.Rollback(t.Context(), p.by, "demo", 99)
	p.kind(err, deis.NotFound)
}

func TestRestart(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	structure := map[string]int{"web": 3}
	p.app(c, "demo", structure)
	ids := func() map[string]string {
		all, err := p.engine.States(t.Context(), "demo")
		p.must(err)
		out := map[string]string{}
		for _, st := range all {
			out[st.UUID] = st.Container
		}
		return out
	}
	before := ids()
	p.routes.watch("demo")
	got, err := c.Restart(t.Context(), p.by, "demo", "web", 2)
	if err != nil || len(got) != 1 || got[0].Num != 2 || got[0].State != deis.StateUp {
		t.Fatal(got, err)
	}
	changed := 0
	for uuid, id := range ids() {
		if before[uuid] != id {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d containers were replaced", changed)
	}
	if got, err := c.Restart(t.Context(), p.by, "demo", "", 0); err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	p.consistent("demo", 2, structure)
	if n := p.routes.fewest("demo"); n < 2 {
		t.Errorf("routers knew only %d containers meanwhile", n)
	}
	if got, err := c.Restart(t.Context(), p.by, "demo", "clock", 0); err != nil || got == nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestDestroyApp(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 2})
	p.app(c, "other", map[string]int{"web": 1})
	p.must(c.DestroyApp(t.Context(), p.by, "demo"))
	if problem := p.left("demo"); problem != "" {
		t.Error(problem)
	}
	p.consistent("other", 2, map[string]int{"web": 1})
	p.kind(c.DestroyApp(t.Context(), p.by, "demo"), deis.NotFound)
	p.app(c, "demo", map[string]int{"web": 1}) // the id is free again
}

// left says what is left of a destroyed app, empty if nothing is.
func (p *platform) left(app string) string {
	if _, err := p.db.App(p.Context(), app); deis.KindOf(err) != deis.NotFound {
		return "the app is there"
	}
	if apps, err := p.db.DestroyedApps(p.Context()); err != nil || len(apps) > 0 {
		return "it is still being destroyed"
	}
	if states, err := p.engine.States(p.Context(), app); err != nil || len(states) > 0 {
		return "containers are left"
	}
	if !p.images.gone(app) || !p.logs.gone(app) {
		return "images or logs are left"
	}
	return p.routes.problem(app, nil)
}

// The builder asks again when it lost the answer.
func TestPushIsAnsweredOnce(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	in := build(2)
	in.Image, in.Push = "demo", "push-1"
	versions := make(chan int, 3)
	var g sync.WaitGroup
	for range cap(versions) {
		g.Go(func() {
			v, domains, err := c.BuildHook(context.WithoutCancel(t.Context()), "ann", "demo", in)
			if err != nil || !slices.Equal(domains, []string{"demo.example.com"}) {
				t.Error(domains, err)
			}
			versions <- v
		})
	}
	g.Wait()
	for range cap(versions) {
		if v := <-versions; v != 3 {
			t.Error("version", v)
		}
	}
	p.settle(c)
	p.consistent("demo", 3, map[string]int{"web": 1})
	if _, n, err := p.db.Builds(t.Context(), "demo", all); n != 2 || err != nil {
		t.Error("builds:", n, err)
	}
}

// ahead lets something happen while an operation waits for the app's lock.
type ahead struct {
	deis.Records
	do func()
}

func (a ahead) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	a.do()
	return a.Records.Lock(ctx, app, wait)
}

// What an operation read before it had the app to itself does not count.
func TestOperationsThatWaited(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	n := p.needs()
	n.Records = ahead{p.db, func() { p.must(c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "3"})) }}
	if _, v, err := deis.New(n).CreateBuild(t.Context(), p.by, "demo", build(2)); v != 3 || err != nil {
		t.Fatal(v, err)
	}
	p.eventually(func() string { return p.problem("demo", map[string]int{"web": 3}) })

	n.Records = ahead{p.db, func() { p.must(c.DestroyApp(t.Context(), p.by, "demo")) }}
	c2 := deis.New(n)
	_, _, err := c2.SetConfig(t.Context(), p.by, "demo", deis.ConfigChange{Values: map[string]any{"A": "1"}})
	p.kind(err, deis.NotFound)
	if problem := p.left("demo"); problem != "" {
		t.Error(problem)
	}
}
