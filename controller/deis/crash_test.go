package deis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

// life is a controller's: it ends before one of the steps by which it changes
// anything, and nothing it does from then on has an effect.
type life struct {
	mu    sync.Mutex
	until int // the step before which it ends
	count int
	dead  bool
	last  string // the step that was not made
}

var errKilled = errors.New("killed")

func (l *life) step(what string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if l.count == l.until {
		l.dead, l.last = true, what
	}
	if l.dead {
		return errKilled
	}
	return nil
}

func (l *life) ended() (dead bool, last string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead, l.last
}

// mortal makes a controller that lives only until the step.
func (p *platform) mortal(l *life) *deis.Controller {
	n := p.needs()
	n.Records = mortalRecords{n.Records, l}
	n.Scheduler = mortalScheduler{n.Scheduler, l}
	n.Routes = mortalRoutes{n.Routes, l}
	n.Images = mortalImages{n.Images, l}
	n.Mirror = mortalMirror{n.Mirror, l}
	n.AppLogs = mortalLogs{n.AppLogs, l}
	return deis.New(n)
}

type mortalRecords struct {
	deis.Records
	life *life
}

func (m mortalRecords) InTx(ctx context.Context, fn func(deis.Tx) error) error {
	if err := m.life.step("transaction"); err != nil {
		return err
	}
	return m.Records.InTx(ctx, fn)
}

func (m mortalRecords) SetReleaseImage(ctx context.Context, uuid, digest string) error {
	if err := m.life.step("SetReleaseImage"); err != nil {
		return err
	}
	return m.Records.SetReleaseImage(ctx, uuid, digest)
}

func (m mortalRecords) CreateContainers(ctx context.Context, cs []deis.Container) ([]deis.Container, error) {
	if err := m.life.step("CreateContainers"); err != nil {
		return nil, err
	}
	return m.Records.CreateContainers(ctx, cs)
}

func (m mortalRecords) SetPhase(ctx context.Context, uuids []string, phase deis.Phase) error {
	if err := m.life.step("SetPhase"); err != nil {
		return err
	}
	return m.Records.SetPhase(ctx, uuids, phase)
}

func (m mortalRecords) DeleteContainers(ctx context.Context, uuids []string) error {
	if err := m.life.step("DeleteContainers"); err != nil {
		return err
	}
	return m.Records.DeleteContainers(ctx, uuids)
}

func (m mortalRecords) MarkDestroyed(ctx context.Context, app string) error {
	if err := m.life.step("MarkDestroyed"); err != nil {
		return err
	}
	return m.Records.MarkDestroyed(ctx, app)
}

func (m mortalRecords) DeleteApp(ctx context.Context, app string) error {
	if err := m.life.step("DeleteApp"); err != nil {
		return err
	}
	return m.Records.DeleteApp(ctx, app)
}

func (m mortalRecords) CreateRun(ctx context.Context, app, uuid string) error {
	if err := m.life.step("CreateRun"); err != nil {
		return err
	}
	return m.Records.CreateRun(ctx, app, uuid)
}

func (m mortalRecords) DeleteRuns(ctx context.Context, uuids []string) error {
	if err := m.life.step("DeleteRuns"); err != nil {
		return err
	}
	return m.Records.DeleteRuns(ctx, uuids)
}

type mortalScheduler struct {
	deis.Scheduler
	life *life
}

func (m mortalScheduler) Create(ctx context.Context, s deis.Spec) error {
	if err := m.life.step("Create"); err != nil {
		return err
	}
	return m.Scheduler.Create(ctx, s)
}

func (m mortalScheduler) Start(ctx context.Context, uuid string) error {
	if err := m.life.step("Start"); err != nil {
		return err
	}
	return m.Scheduler.Start(ctx, uuid)
}

func (m mortalScheduler) Stop(ctx context.Context, uuid string) error {
	if err := m.life.step("Stop"); err != nil {
		return err
	}
	return m.Scheduler.Stop(ctx, uuid)
}

func (m mortalScheduler) Destroy(ctx context.Context, uuid string) error {
	if err := m.life.step("Destroy"); err != nil {
		return err
	}
	return m.Scheduler.Destroy(ctx, uuid)
}

func (m mortalScheduler) RemoveImages(ctx context.Context, app string, keep func(context.Context) ([]string, error)) error {
	if err := m.life.step("RemoveImages"); err != nil {
		return err
	}
	return m.Scheduler.RemoveImages(ctx, app, keep)
}

// Run leaves its container behind if the controller ends meanwhile.
func (m mortalScheduler) Run(ctx context.Context, s deis.Spec, out io.Writer) (int, error) {
	if err := m.Create(ctx, s); err != nil {
		return 0, err
	}
	if err := m.Start(ctx, s.Identity.UUID); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(out, "hello"); err != nil {
		return 0, err
	}
	return 0, m.Destroy(ctx, s.Identity.UUID)
}

// Attach does as Run, with the input before the container starts, as a backend
// does it.
func (m mortalScheduler) Attach(ctx context.Context, s deis.Spec, session deis.Session) (int, error) {
	if err := m.Create(ctx, s); err != nil {
		return 0, err
	}
	if _, err := session.Stdin.Read(make([]byte, 8)); err != nil {
		return 0, err
	}
	if err := m.Start(ctx, s.Identity.UUID); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(session.Stdout, "hello"); err != nil {
		return 0, err
	}
	session.Stdin.Close()
	return 0, m.Destroy(ctx, s.Identity.UUID)
}

type mortalRoutes struct {
	deis.Routes
	life *life
}

func (m mortalRoutes) Withdraw(ctx context.Context, containers map[jobid.ID]string) error {
	if err := m.life.step("Withdraw"); err != nil {
		return err
	}
	return m.Routes.Withdraw(ctx, containers)
}

func (m mortalRoutes) Forget(ctx context.Context, jobs []jobid.ID) error {
	if err := m.life.step("Forget"); err != nil {
		return err
	}
	return m.Routes.Forget(ctx, jobs)
}

type mortalImages struct {
	deis.Images
	life *life
}

func (m mortalImages) Release(ctx context.Context, in deis.ReleaseImage) (string, error) {
	if err := m.life.step("Release"); err != nil {
		return "", err
	}
	return m.Images.Release(ctx, in)
}

func (m mortalImages) Withdraw(ctx context.Context, app string, version int) error {
	if err := m.life.step("Withdraw image"); err != nil {
		return err
	}
	return m.Images.Withdraw(ctx, app, version)
}

func (m mortalImages) Prune(ctx context.Context, app string, keep int) error {
	if err := m.life.step("Prune"); err != nil {
		return err
	}
	return m.Images.Prune(ctx, app, keep)
}

func (m mortalImages) Delete(ctx context.Context, app string) error {
	if err := m.life.step("Delete images"); err != nil {
		return err
	}
	return m.Images.Delete(ctx, app)
}

type mortalMirror struct {
	deis.Mirror
	life *life
}

func (m mortalMirror) Update(ctx context.Context, parts ...deis.Part) error {
	if err := m.life.step("Update"); err != nil {
		return err
	}
	return m.Mirror.Update(ctx, parts...)
}

type mortalLogs struct {
	deis.AppLogs
	life *life
}

func (m mortalLogs) Event(level, app, message string) {
	if dead, _ := m.life.ended(); !dead {
		m.AppLogs.Event(level, app, message)
	}
}

func (m mortalLogs) Delete(ctx context.Context, app string) error {
	if err := m.life.step("Delete logs"); err != nil {
		return err
	}
	return m.AppLogs.Delete(ctx, app)
}

// A controller is killed before each single step of each operation in turn;
// the next one must bring the app to the state before or after the operation,
// and nothing else.
func TestKilledAnywhere(t *testing.T) {
	p := newPlatform(t)
	before, bigger, smaller := map[string]int{"web": 2}, map[string]int{"web": 4}, map[string]int{"web": 1}
	apps := 0
	for name, op := range map[string]struct {
		run      func(c *deis.Controller, app string) error
		releases bool           // makes a release
		after    map[string]int // structure
		fewest   int            // that routers must know at any time
		gone     bool           // the app is, after it
	}{
		"deploy": {func(c *deis.Controller, app string) error {
			_, _, err := c.CreateBuild(t.Context(), p.by, app, build(2))
			return err
		}, true, before, 2, false},
		"failing deploy": {func(c *deis.Controller, app string) error {
			p.fail = func(op mock.Op, job jobid.ID) error {
				if op == mock.Start && job.Version == 3 && job.Num == 2 {
					return errors.New("full")
				}
				return nil
			}
			defer func() { p.fail = nil }()
			if _, _, err := c.CreateBuild(t.Context(), p.by, app, build(2)); err == nil {
				t.Error("a container that did not start was deployed")
			}
			return nil
		}, false, before, 2, false},
		"config": {func(c *deis.Controller, app string) error {
			_, _, err := c.SetConfig(t.Context(), p.by, app, deis.ConfigChange{Values: map[string]any{"A": "1"}})
			return err
		}, true, before, 2, false},
		"rollback": {func(c *deis.Controller, app string) error {
			_, err := c.Rollback(t.Context(), p.by, app, 2)
			return err
		}, true, before, 2, false},
		"scale up": {func(c *deis.Controller, app string) error {
			return c.Scale(t.Context(), p.by, app, map[string]any{"web": "4"})
		}, false, bigger, 2, false},
		"scale down": {func(c *deis.Controller, app string) error {
			return c.Scale(t.Context(), p.by, app, map[string]any{"web": "1"})
		}, false, smaller, 1, false},
		"restart": {func(c *deis.Controller, app string) error {
			_, err := c.Restart(t.Context(), p.by, app, "", 0)
			return err
		}, false, before, 1, false},
		"destroy": {func(c *deis.Controller, app string) error {
			return c.DestroyApp(t.Context(), p.by, app)
		}, false, before, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.T = t
			for step := 1; ; step++ {
				apps++
				app := fmt.Sprintf("demo-%d", apps)
				p.app(p.controller(), app, before)
				p.routes.watch(app)
				l := &life{until: step}
				c := p.mortal(l)
				err := op.run(c, app)
				p.settle(c)
				dead, last := l.ended()
				if !dead {
					p.must(err)
					t.Logf("%d steps", step-1)
				}
				stop := p.converge(p.controller())
				p.eventually(func() string { return p.either(app, before, op.after, op.gone) })
				stop()
				if n := p.routes.fewest(app); n < op.fewest {
					t.Errorf("routers knew only %d containers meanwhile", n)
				}
				if bad := p.routes.violations(); len(bad) > 0 {
					t.Errorf("ended while routers knew them: %v", bad)
				}
				if !op.gone || p.left(app) != "" {
					want := 2
					if op.releases && err == nil {
						want = 3
					}
					if v := p.latest(app).Version; v != want {
						t.Errorf("at v%d, the operation said %v", v, err)
					}
				}
				if t.Failed() {
					t.Fatalf("killed before step %d, %s", step, last)
				}
				if !dead {
					return
				}
			}
		})
	}
}

// either says what keeps the app from being as before or as after an
// operation.
func (p *platform) either(app string, before, after map[string]int, gone bool) string {
	if todo, err := p.controller().Divergent(p.Context()); err != nil || len(todo) > 0 {
		return fmt.Sprintf("still to do: %v %v", todo, err)
	}
	if gone && p.left(app) == "" {
		return ""
	}
	if problem := p.problem(app, before); problem != "" {
		if problem2 := p.problem(app, after); problem2 != "" {
			return problem + "; " + problem2
		}
	}
	return ""
}
