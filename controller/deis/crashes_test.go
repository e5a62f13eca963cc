package deis_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
)

// shaky is a scheduler whose containers have last words, and are as old as they
// are until they count as an hour older.
type shaky struct {
	deis.Scheduler
	old *atomic.Bool
}

func (s shaky) States(ctx context.Context, app string) ([]deis.Status, error) {
	all, err := s.Scheduler.States(ctx, app)
	for i := range all {
		if s.old.Load() {
			all[i].Started = all[i].Started.Add(-time.Hour)
		}
	}
	return all, err
}

func (shaky) LastLines(context.Context, string, int) ([]string, error) {
	return []string{"connecting to the database", "panic: no such host"}, nil
}

// lines counts the lines of the log that begin so.
func (l *logs) count(prefix string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func TestCrashedContainer(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 2})
	var old atomic.Bool
	next := func() *deis.Controller {
		n := p.needs()
		n.Scheduler = shaky{p.engine, &old}
		return deis.New(n)
	}
	c := next()
	bad, err := c.Container(t.Context(), p.by, "demo", "web", 1)
	p.must(err)
	ps := func() string {
		all, _, err := c.Containers(t.Context(), p.by, "demo", "", all)
		p.must(err)
		var states []string
		for _, one := range all {
			states = append(states, fmt.Sprintf("%s.%d=%s", one.Type, one.Num, one.State))
		}
		return strings.Join(states, " ")
	}
	says := func(want string) func() string {
		return func() string {
			if got := ps(); got != want {
				return got
			}
			return ""
		}
	}
	const line = "ERROR [demo]: web.1 crashed: it ended 5 times within a minute, the last time with exit status 3"
	stops := []func(){p.converge(c), p.converge(next())} // two controllers make no difference
	for i := range 4 {
		p.engine.End(bad.UUID, 3)
		if got := ps(); got != "web.1=up web.2=up" {
			t.Errorf("after %d ends: %s", i+1, got)
		}
	}
	p.engine.End(bad.UUID, 3)
	p.eventually(says("web.1=crashed web.2=up"))
	for range 7 { // it may end as often as it likes
		p.engine.End(bad.UUID, 3)
	}
	p.eventually(func() string {
		if p.logs.count(line) != 1 || !p.logs.said("ERROR [demo]: web.1: panic: no such host") {
			return "not told"
		}
		return ""
	})
	for _, stop := range stops {
		stop()
	}

	// The next controller knows, and says nothing again.
	before := p.engine.Calls()
	c = next()
	if got := ps(); got != "web.1=crashed web.2=up" {
		t.Error(got)
	}
	if n := p.engine.Calls()[mock.States] - before[mock.States]; n != 1 {
		t.Errorf("ps asked for states %d times", n)
	}
	stop := p.converge(c)
	p.engine.End(bad.UUID, 3)
	p.eventually(says("web.1=crashed web.2=up"))
	stop()

	// Once it has been up for a while it has recovered: at once for users, for
	// good with the next look.
	old.Store(true)
	if got := ps(); got != "web.1=up web.2=up" {
		t.Error(got)
	}
	stop = p.converge(next())
	p.eventually(func() string {
		if row, err := p.db.Containers(t.Context(), "demo"); err != nil || row[0].Crashed || row[1].Crashed {
			return fmt.Sprint(row, err)
		}
		return ""
	})
	stop()
	if n := p.logs.count("INFO [demo]: web.1 is up again"); n != 1 {
		t.Errorf("%d lines about the recovery", n)
	}
	if n := p.logs.count("ERROR [demo]: web."); n != 3 {
		t.Errorf("%d lines about the crash: %v", n, p.logs.lines)
	}
	p.consistent("demo", 2, map[string]int{"web": 2})
	if st, err := p.engine.States(t.Context(), "demo"); err != nil || st[0].Container == st[1].Container {
		t.Error(st, err)
	}
}

// Whoever restarts a crashed container sees what the new one does.
func TestRestartOfACrashedContainer(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 1})
	var old atomic.Bool
	n := p.needs()
	n.Scheduler = shaky{p.engine, &old}
	c := deis.New(n)
	bad, err := c.Container(t.Context(), p.by, "demo", "web", 1)
	p.must(err)
	stop := p.converge(c)
	for range 5 {
		p.engine.End(bad.UUID, 1)
	}
	p.eventually(func() string {
		now, err := c.Container(t.Context(), p.by, "demo", "web", 1)
		if err != nil || now.State != deis.StateCrashed {
			return fmt.Sprint(now.State, err)
		}
		return ""
	})
	all, err := c.Restart(t.Context(), p.by, "demo", "", 0)
	if err != nil || len(all) != 1 || all[0].State != deis.StateUp {
		t.Error(all, err)
	}
	stop()
	p.consistent("demo", 2, map[string]int{"web": 1})
}
