//go:build failpoint

package deis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

// end ends it here.
func (l *life) end(where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead {
		l.dead, l.last = true, where
	}
}

// versions are those that there are images of.
func (i *images) versions(app string) []int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(slices.Values(i.tags[app]))
}

// state is what an app is like at rest.
type state struct {
	version   int
	structure map[string]int
	gone      bool
}

// action is what a controller does with an app, while it lives.
type action func(p *platform, c *deis.Controller, l *life, app string)

// operation is an action between two states.
type operation struct {
	prepare func(p *platform, app string) // brings the app to before
	before  state
	run     action
	after   state
}

var operations = func() map[string]operation {
	none, one, two := map[string]int{}, map[string]int{"web": 1}, map[string]int{"web": 2}
	three, four := map[string]int{"web": 3}, map[string]int{"web": 4}
	bare := func(p *platform, app string) { p.app(p.controller(), app, nil) }
	serves := func(p *platform, app string) { p.app(p.controller(), app, two) }
	// An app in the middle of an operation whose controller has died.
	cutOff := func(point string, run action) func(*platform, string) {
		return func(p *platform, app string) {
			serves(p, app)
			if dead, _ := p.die(point, 1, app, run); !dead {
				p.Fatalf("%s was not met", point)
			}
		}
	}
	v1, v2, v3 := state{1, none, false}, state{2, two, false}, state{3, two, false}
	return map[string]operation{
		"first-deploy": {bare, v1, pushes(1), state{2, one, false}},
		"bare-config":  {bare, v1, configures, state{2, none, false}},
		"deploy":       {serves, v2, pushes(2), v3},
		"config":       {serves, v2, configures, v3},
		"rollback":     {serves, v2, rollsBack, v3},
		"scale-up":     {serves, v2, scales("4"), state{2, four, false}},
		"scale-down":   {serves, v2, scales("1"), state{2, one, false}},
		// to containers with names of those that have not left yet
		"scale-back":      {cutOff("after-scale-commit", scales("1")), state{2, one, false}, scales("3"), state{2, three, false}},
		"restart":         {serves, v2, restarts, v2},
		"run":             {serves, v2, runs, v2},
		"attended-run":    {serves, v2, attends, v2},
		"destroy":         {func(p *platform, app string) { serves(p, app); p.stray(app, "run") }, v2, destroys, state{gone: true}},
		"failing-deploy":  {serves, v2, refused(pushes(2)), v2},
		"failing-scale":   {serves, v2, refused(scales("4")), v2},
		"recover-deploy":  {cutOff("after-first-announcement", pushes(2)), v2, converges, v2},
		"recover-restart": {cutOff("after-replacing", restarts), v2, converges, v2},
		"heal":            {func(p *platform, app string) { serves(p, app); p.disturb(app) }, v2, converges, v2},
	}
}()

func pushes(n int) action {
	return func(p *platform, c *deis.Controller, _ *life, app string) {
		_, _, _ = c.CreateBuild(p.Context(), p.by, app, build(n))
	}
}

func configures(p *platform, c *deis.Controller, _ *life, app string) {
	_, _, _ = c.SetConfig(p.Context(), p.by, app, deis.ConfigChange{Values: map[string]any{"A": "1"}})
}

func rollsBack(p *platform, c *deis.Controller, _ *life, app string) {
	_, _ = c.Rollback(p.Context(), p.by, app, 2)
}

func scales(web string) action {
	return func(p *platform, c *deis.Controller, _ *life, app string) {
		_ = c.Scale(p.Context(), p.by, app, map[string]any{"web": web})
	}
}

func restarts(p *platform, c *deis.Controller, _ *life, app string) {
	_, _ = c.Restart(p.Context(), p.by, app, "", 0)
}

func runs(p *platform, c *deis.Controller, _ *life, app string) {
	_, _, _ = c.Run(p.Context(), p.by, app, "true")
}

func attends(p *platform, c *deis.Controller, _ *life, app string) {
	_, _ = c.Attach(p.Context(), p.by, app, "true", deis.Session{Stdin: io.NopCloser(strings.NewReader("ls")), Stdout: io.Discard, Stderr: io.Discard})
}

func destroys(p *platform, c *deis.Controller, _ *life, app string) {
	_ = c.DestroyApp(p.Context(), p.by, app)
}

// refused is an action of whose new containers one does not start.
func refused(run action) action {
	return func(p *platform, c *deis.Controller, l *life, app string) {
		p.fail = func(op mock.Op, job jobid.ID) error {
			if op == mock.Start && (job.Version == 3 && job.Num == 2 || job.Num == 4) {
				return errors.New("full")
			}
			return nil
		}
		defer func() { p.fail = nil }()
		run(p, c, l, app)
	}
}

// converges lets a controller find what is to be done.
func converges(p *platform, c *deis.Controller, l *life, app string) {
	stop := p.converge(c)
	p.eventually(func() string {
		if dead, _ := l.ended(); dead {
			return ""
		}
		return p.todo()
	})
	stop()
}

// disturb does behind the controller's back what it can make good.
func (p *platform) disturb(app string) {
	p.Helper()
	rows, err := p.db.Containers(p.Context(), app)
	p.must(err)
	p.must(p.engine.Stop(p.Context(), rows[0].UUID))
	p.must(p.engine.Destroy(p.Context(), rows[1].UUID))
	p.routes.violations()
	p.stray(app, "worker")
}

// die runs an action in a controller that ends when it meets a failpoint for
// the nth time. met counts the failpoints until then.
func (p *platform) die(point string, nth int, app string, run action) (dead bool, met map[string]int) {
	p.Helper()
	l := &life{}
	c := p.mortal(l)
	met = map[string]int{}
	var mu sync.Mutex
	c.Hit = func(_ context.Context, name string) {
		mu.Lock()
		defer mu.Unlock()
		if dead, _ := l.ended(); dead {
			return
		}
		met[name]++
		if name == point && met[name] == nth {
			l.end(name)
		}
	}
	run(p, c, l, app)
	p.settle(c)
	dead, _ = l.ended()
	return dead, met
}

// difference says in what the app is not as it should be, or what it left that
// nobody knows of.
func (p *platform) difference(app string, want state) string {
	ctx := p.Context()
	if todo := p.todo(); todo != "" {
		return todo
	}
	if runs, err := p.db.Runs(ctx, app); err != nil || len(runs) > 0 {
		return fmt.Sprintf("runs are left: %v %v", runs, err)
	}
	images := p.images.versions(app)
	if want.gone {
		if len(images) > 0 {
			return fmt.Sprintf("images are left: %v", images)
		}
		return p.left(app)
	}
	if problem := p.problem(app, want.structure); problem != "" {
		return problem
	}
	releases, _, err := p.db.Releases(ctx, app, deis.Page{Size: 100, Number: 1})
	if err != nil || len(releases) != want.version {
		return fmt.Sprintf("%d releases, want %d: %v", len(releases), want.version, err)
	}
	var published []int
	used := map[string]bool{}
	for _, r := range releases {
		if r.Build != "" {
			published = append(published, r.Version)
			used[r.Build] = true
		}
	}
	slices.Sort(published)
	if !slices.Equal(images, published) {
		return fmt.Sprintf("images of %v, want those of %v", images, published)
	}
	builds, _, err := p.db.Builds(ctx, app, deis.Page{Size: 100, Number: 1})
	if err != nil || len(builds) != len(used) {
		return fmt.Sprintf("%d builds, of which releases have %d: %v", len(builds), len(used), err)
	}
	return ""
}

// old is a scheduler whose one-off containers belong to nobody any more.
type old struct{ deis.Scheduler }

func (o old) States(ctx context.Context, app string) ([]deis.Status, error) {
	all, err := o.Scheduler.States(ctx, app)
	for i := range all {
		all[i].Started = all[i].Started.Add(-time.Hour)
	}
	return all, err
}

// successor is the next controller after one that died, half an hour later.
func (p *platform) successor() *deis.Controller {
	n := p.needs()
	n.Scheduler = old{n.Scheduler}
	c := deis.New(n)
	c.RunsGoneAfter(0)
	return c
}

// points are the table's failpoints that an operation meets, with what must be
// true after a restart.
func points(operation string) (names []string, want map[string]string) {
	want = map[string]string{}
	for _, f := range deis.Failpoints() {
		for outcome, operations := range map[string]string{"old": f.Old, "new": f.New} {
			if slices.Contains(strings.Fields(operations), operation) {
				names = append(names, f.Name)
				want[f.Name] = outcome
			}
		}
	}
	return names, want
}

// A controller dies at each failpoint of each operation that meets it, each time
// that it does; the next one must bring the app to the state that the
// table says, and leave nothing behind.
func TestFailpoints(t *testing.T) {
	p := newPlatform(t)
	apps, deaths := 0, map[string]int{}
	app := func() string { apps++; return fmt.Sprintf("demo-%d", apps) }
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		op := operations[name]
		names, want := points(name)
		t.Run(name, func(t *testing.T) {
			p.T = t
			id := app()
			op.prepare(p, id)
			_, met := p.die("", 0, id, op.run)
			if got := slices.Sorted(maps.Keys(met)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
				t.Fatalf("met %v, but the table says %v", got, names)
			}
			stop := p.converge(p.successor())
			p.eventually(func() string { return p.difference(id, op.after) })
			stop()
			if t.Failed() {
				return
			}
			for _, point := range names {
				for nth := 1; nth <= met[point]; nth++ {
					ok := t.Run(fmt.Sprintf("%s-%d", point, nth), func(t *testing.T) {
						p.T = t
						id := app()
						op.prepare(p, id)
						dead, _ := p.die(point, nth, id, op.run)
						if !dead && nth == 1 {
							t.Fatal("it was not met")
						}
						deaths[point]++
						stop := p.converge(p.successor())
						p.eventually(func() string {
							if want[point] == "new" || !dead { // a loop may come by more often, or less
								return p.difference(id, op.after)
							}
							return p.difference(id, op.before)
						})
						stop()
						if bad := p.routes.violations(); len(bad) > 0 {
							t.Errorf("ended while routers knew them: %v", bad)
						}
					})
					if !ok {
						return // the others would wait as long for the same
					}
				}
			}
		})
	}
	p.T = t
	if t.Failed() {
		return
	}
	seen := map[string]bool{}
	for _, f := range deis.Failpoints() {
		if f.Name == "" || seen[f.Name] || f.Where == "" || deaths[f.Name] == 0 {
			t.Errorf("%q in %q: nobody died there, or it is in the table twice", f.Name, f.Where)
		}
		seen[f.Name] = true
		for _, op := range strings.Fields(f.Old + " " + f.New) {
			if _, ok := operations[op]; !ok {
				t.Errorf("%s: there is no operation %s", f.Name, op)
			}
		}
	}
	t.Logf("%d failpoints in %d operations, %d apps", len(seen), len(operations), apps)
}
