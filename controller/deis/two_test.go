package deis_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
)

// other makes a controller with connections of its own to the database, as in
// another process.
func (p *platform) other() (*deis.Controller, *postgres.DB) {
	p.Helper()
	db, err := postgres.Connect(p.Context(), quiet, p.place)
	p.must(err)
	p.Cleanup(db.Close)
	n := p.needs()
	n.Records = db
	return deis.New(n), db
}

// Two controllers on one database, both asked for all kinds of things and both
// converging, do not fight: no call fails but for the other's being at it, each
// release stands once, and in the end what should run does, once.
func TestTwoControllers(t *testing.T) {
	p := newPlatform(t)
	apps := []string{"demo", "second"}
	for _, app := range apps {
		p.app(p.controller(), app, map[string]int{"web": 1})
	}
	one, _ := p.other()
	two, _ := p.other()
	p.converge(one)
	p.converge(two)
	var mu sync.Mutex
	released := map[string][]int{}
	note := func(app string, version int, err error) error {
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			released[app] = append(released[app], version)
		}
		return err
	}
	ctx := context.WithoutCancel(t.Context())
	ops := []func(c *deis.Controller, app string, i int) error{
		func(c *deis.Controller, app string, i int) error {
			_, v, err := c.CreateBuild(ctx, p.by, app, build(i))
			return note(app, v, err)
		},
		func(c *deis.Controller, app string, i int) error {
			_, v, err := c.SetConfig(ctx, p.by, app, deis.ConfigChange{Values: map[string]any{fmt.Sprintf("K%d", i): "1"}})
			return note(app, v, err)
		},
		func(c *deis.Controller, app string, _ int) error {
			v, err := c.Rollback(ctx, p.by, app, 2)
			return note(app, v, err)
		},
		func(c *deis.Controller, app string, i int) error {
			return c.Scale(ctx, p.by, app, map[string]any{"web": fmt.Sprint(1 + i%3), "worker": fmt.Sprint(i % 2)})
		},
		func(c *deis.Controller, app string, _ int) error {
			_, err := c.Restart(ctx, p.by, app, "", 0)
			return err
		},
	}
	var all sync.WaitGroup
	for i := range 40 {
		c, app := []*deis.Controller{one, two}[i%2], apps[i/2%2]
		op := ops[rand.IntN(len(ops))]
		all.Go(func() {
			if err := op(c, app, i); err != nil && deis.KindOf(err) != deis.Conflict {
				t.Errorf("operation %d on %s: %v", i, app, err)
			}
		})
	}
	all.Wait()
	for _, app := range apps {
		seen := map[int]bool{}
		for _, v := range released[app] {
			if seen[v] {
				t.Errorf("%s: v%d was given twice", app, v)
			}
			seen[v] = true
		}
		if v := p.latest(app).Version; v != 2+len(released[app]) {
			t.Errorf("%s is at v%d after %d releases", app, v, len(released[app]))
		}
		p.eventually(func() string {
			a, err := p.db.App(t.Context(), app)
			if err != nil {
				return err.Error()
			}
			return p.problem(app, a.Structure)
		})
	}
	if bad := p.routes.violations(); len(bad) > 0 {
		t.Errorf("ended while routers knew them: %v", bad)
	}
}

// A controller that loses the app's lock in the middle of a deploy stops there;
// the other one, which has it then, undoes what it left and goes on.
func TestLockThatAnotherControllerGets(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 2})
	one, db := p.other()
	two, _ := p.other()
	begun := make(chan struct{})
	var once sync.Once
	p.started = func(st deis.Status) { // nobody announces v3
		if st.Job.Version == 3 && st.Job.Num == 2 {
			once.Do(func() { close(begun) })
			return
		}
		p.routes.announce(st)
	}
	failed := make(chan error, 1)
	go func() {
		_, _, err := one.CreateBuild(context.WithoutCancel(t.Context()), p.by, "demo", build(2))
		failed <- err
	}()
	<-begun
	db.HandOver() // or its connection breaks
	err := <-failed
	p.kind(err, deis.Unavailable, "The controller is being stopped; ask again.")
	p.started = nil
	if _, v, err := two.CreateBuild(t.Context(), p.by, "demo", build(3)); v != 3 || err != nil {
		t.Error("at version", v, err)
	}
	p.settle(one)
	p.settle(two)
	p.consistent("demo", 3, map[string]int{"web": 2})
}
