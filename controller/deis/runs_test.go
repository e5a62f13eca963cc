package deis_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

// attending lets a controller attend a command until it is let go.
func (p *platform) attending(change func(*deis.Needs)) (c *deis.Controller, uuid string, letGo func()) {
	p.Helper()
	n := p.needs()
	h := held{n.Scheduler, make(chan deis.Spec, 1), make(chan int)}
	n.Scheduler = h
	if change != nil {
		change(&n)
	}
	c = deis.New(n)
	ended := make(chan error, 1)
	go func() {
		s, _ := session()
		_, err := c.Attach(context.WithoutCancel(p.Context()), p.by, "demo", "bash", s)
		ended <- err
	}()
	spec := <-h.begun
	return c, spec.Identity.UUID, func() {
		h.letGo <- 0
		p.must(<-ended)
	}
}

// restless are records that are away for a while.
type restless struct {
	deis.Records
	away atomic.Bool
}

func (f *restless) Containers(ctx context.Context, app string) ([]deis.Container, error) {
	if f.away.Load() {
		return nil, deis.Errorf(deis.Unavailable, "The database is not available.")
	}
	return f.Records.Containers(ctx, app)
}

// unheard are records into which no sign of life of a run gets.
type unheard struct{ deis.Records }

func (unheard) BeatRuns(context.Context, []string) error {
	return deis.Errorf(deis.Unavailable, "The database is not available.")
}

// A command that one controller attends is no leftover to another on the same
// database, whatever its age, as long as the first shows signs of life.
func TestRunOfAnotherController(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 1})
	one, uuid, letGo := p.attending(nil)
	_, db := p.other()
	n := p.needs()
	n.Records, n.Scheduler = db, ancient{n.Scheduler}
	two := deis.New(n)
	two.RunsGoneAfter(1) // of two looks without a sign between, the second finds it lost
	todo := func(want ...string) {
		t.Helper()
		if apps, err := two.Divergent(t.Context()); err != nil || !slices.Equal(apps, want) {
			t.Fatal(apps, err)
		}
	}
	there := func() bool {
		all, err := p.engine.States(t.Context(), "demo")
		p.must(err)
		return slices.ContainsFunc(all, func(st deis.Status) bool { return st.UUID == uuid })
	}
	for range 5 {
		todo()
		p.must(one.BeatRuns(t.Context()))
	}
	todo()
	if !there() {
		t.Fatal("it was removed")
	}
	letGo()
	todo()
	if runs, err := db.Runs(t.Context(), ""); err != nil || len(runs) > 0 {
		t.Error("a record is left:", runs, err)
	}

	_, uuid, letGo = p.attending(nil) // now without any sign
	todo()
	todo("demo")
	stop := p.converge(two)
	p.eventually(func() string {
		if runs, err := db.Runs(t.Context(), ""); err != nil || len(runs) > 0 || there() {
			return fmt.Sprint("still there: ", runs, err)
		}
		return ""
	})
	stop()
	letGo()
	p.consistent("demo", 2, map[string]int{"web": 1})
}

// Signs of life are shown while a controller converges, and it is no matter if
// one does not get through.
func TestRunsShowSignsOfLife(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 0})
	c, uuid, letGo := p.attending(nil)
	c.RunsBeatEvery(time.Millisecond)
	stop := p.converge(c)
	p.eventually(func() string {
		runs, err := p.db.Runs(t.Context(), "demo")
		if err != nil || len(runs) != 1 || runs[0].UUID != uuid || runs[0].Beats < 2 {
			return fmt.Sprint(runs, err)
		}
		return ""
	})
	stop()
	letGo()
	lonely, _, letGo := p.attending(func(n *deis.Needs) { n.Records = unheard{n.Records} })
	p.kind(lonely.BeatRuns(t.Context()), deis.Unavailable)
	letGo()
}

// While the database is away from who looks, nobody is found lost afterwards
// for the silence meanwhile.
func TestNoRunIsLostByAnOutage(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 0})
	_, _, letGo := p.attending(nil)
	defer letGo()
	n := p.needs()
	records := &restless{Records: n.Records}
	n.Records = records
	two := deis.New(n)
	two.RunsGoneAfter(1)
	look := func() {
		t.Helper()
		if apps, err := two.Divergent(t.Context()); err != nil || len(apps) > 0 {
			t.Fatal(apps, err)
		}
	}
	look()
	records.away.Store(true)
	two.Pass(t.Context())
	records.away.Store(false)
	look()
}
