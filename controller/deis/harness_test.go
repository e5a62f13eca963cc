package deis_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/pgtest"
	"github.com/deis/deis/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// platform is all that controllers work on: a real database, containers in
// memory, and fakes of what lies beyond. It outlives controllers.
type platform struct {
	*testing.T
	dsn    string // of db
	db     *postgres.DB
	place  postgres.Source
	engine *mock.Scheduler
	routes *routes
	images *images
	logs   *logs
	mirror *mirror
	by     deis.User

	deployTimeout time.Duration
	fail          func(op mock.Op, job jobid.ID) error // lets calls of the scheduler fail
	started       func(deis.Status)                    // instead of an announcement
	young         bool                                 // containers are as old as they are, not a minute older
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{T: t, images: &images{tags: map[string][]int{}, deleted: map[string]bool{}}, logs: &logs{deleted: map[string]bool{}}, mirror: &mirror{}, deployTimeout: 30 * time.Second}
	p.routes = &routes{announced: map[jobid.ID]int64{}, withdrawn: map[jobid.ID]string{}, changed: make(chan struct{})}
	p.dsn = pgtest.New(t)
	place, err := postgres.Parse(p.dsn)
	p.must(err)
	p.place = func(context.Context) (postgres.Config, error) { return place, nil }
	p.db, err = postgres.Connect(t.Context(), quiet, p.place)
	p.must(err)
	t.Cleanup(p.db.Close)
	p.engine = mock.New(mock.Options{
		Fail: func(op mock.Op, job jobid.ID) error {
			if p.fail != nil {
				if err := p.fail(op, job); err != nil {
					return err
				}
			}
			if op == mock.Stop || op == mock.Destroy {
				p.routes.ended(job)
			}
			return nil
		},
		Started: func(st deis.Status) {
			if p.started != nil {
				p.started(st)
			} else {
				p.routes.announce(st)
			}
		},
	})
	t.Cleanup(p.engine.Close)
	p.by, err = p.db.CreateUser(t.Context(), deis.User{Username: "ann"}, "hash")
	p.must(err)
	return p
}

// needs are what a controller on the platform is made of.
func (p *platform) needs() deis.Needs {
	return deis.Needs{
		Log: quiet, Platform: "test", Records: p.db, Scheduler: aged{p.engine, p}, Routes: p.routes, Images: p.images, Mirror: p.mirror,
		AppLogs: p.logs, Settings: settings("default"), BuilderKey: func() string { return "key" },
		DeployTimeout: p.deployTimeout, Drain: time.Millisecond, Parallel: 4,
	}
}

// aged is a scheduler whose containers are older than they are: nobody waits
// for those that are ready once they have lived for a while.
type aged struct {
	deis.Scheduler
	p *platform
}

func (a aged) States(ctx context.Context, app string) ([]deis.Status, error) {
	all, err := a.Scheduler.States(ctx, app)
	for i := range all {
		if !a.p.young {
			all[i].Started = all[i].Started.Add(-time.Minute)
		}
	}
	return all, err
}

// controller makes a controller that does nothing in the background until it
// is settled or converges.
func (p *platform) controller() *deis.Controller { return deis.New(p.needs()) }

// settle waits for what c does after its answers, and ends it.
func (p *platform) settle(c *deis.Controller) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.Context())
	cancel()
	_ = c.Converge(ctx)
}

// converge runs c in the background until the test ends.
func (p *platform) converge(c *deis.Controller) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Converge(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	p.Cleanup(stop)
	return stop
}

// exec does to the database what no rule does.
func (p *platform) exec(sql string) {
	p.Helper()
	db, err := pgx.Connect(p.Context(), p.dsn)
	p.must(err)
	defer db.Close(p.Context())
	_, err = db.Exec(p.Context(), sql)
	p.must(err)
}

func (p *platform) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// app makes an app; with a build of web and worker processes if it has types.
func (p *platform) app(c *deis.Controller, id string, structure map[string]int) {
	p.Helper()
	_, err := c.CreateApp(p.Context(), p.by, deis.NewApp{ID: &id})
	p.must(err)
	if structure == nil {
		return
	}
	_, _, err = c.CreateBuild(p.Context(), p.by, id, build(1))
	p.must(err)
	in := map[string]any{}
	for t, n := range structure {
		in[t] = fmt.Sprint(n)
	}
	p.must(c.Scale(p.Context(), p.by, id, in))
	p.settle(c)
	p.consistent(id, 2, structure)
}

// build is a pushed build.
func build(n int) deis.NewBuild {
	return deis.NewBuild{Image: "demo", SHA: fmt.Sprintf("%040d", n), Procfile: map[string]any{"web": "serve", "worker": "work"}}
}

// jobs are the containers that serve, as web.1.
func (p *platform) jobs(app string) []string {
	p.Helper()
	rows, err := p.db.Containers(p.Context(), app)
	p.must(err)
	var out []string
	for _, r := range rows {
		if r.Phase == deis.Serving {
			out = append(out, r.Job().String())
		}
	}
	slices.Sort(out)
	return out
}

func (p *platform) latest(app string) deis.Release {
	p.Helper()
	r, err := p.db.LatestRelease(p.Context(), app)
	p.must(err)
	return r
}

// consistent fails the test unless the app is at the version, with just the
// containers that the structure asks for, all running and announced.
func (p *platform) consistent(app string, version int, structure map[string]int) {
	p.Helper()
	if problem := p.problem(app, structure); problem != "" {
		p.Error(problem)
	}
	if v := p.latest(app).Version; v != version {
		p.Errorf("%s is at v%d, want v%d", app, v, version)
	}
	if bad := p.routes.violations(); len(bad) > 0 {
		p.Errorf("ended while routers knew them: %v", bad)
	}
}

// problem says what is wrong with the app, empty if nothing is.
func (p *platform) problem(app string, structure map[string]int) string {
	ctx := p.Context()
	latest, err := p.db.LatestRelease(ctx, app)
	if err != nil {
		return err.Error()
	}
	if pending, err := p.db.PendingReleases(ctx, app); err != nil || len(pending) > 0 {
		return fmt.Sprintf("pending: %v %v", pending, err)
	}
	a, err := p.db.App(ctx, app)
	if err != nil || !maps.Equal(a.Structure, structure) {
		return fmt.Sprintf("structure is %v, want %v: %v", a.Structure, structure, err)
	}
	rows, err := p.db.Containers(ctx, app)
	if err != nil {
		return err.Error()
	}
	statuses, err := p.engine.States(ctx, app)
	if err != nil {
		return err.Error()
	}
	up := map[string]bool{}
	for _, st := range statuses {
		if up[st.UUID] = st.State == deis.StateUp; !up[st.UUID] {
			return fmt.Sprintf("%v is %s", st.Job, st.State)
		}
	}
	count, routable := map[string]int{}, []jobid.ID{}
	for _, row := range rows {
		if row.Phase != deis.Serving || row.Version != latest.Version || !up[row.UUID] {
			return fmt.Sprintf("%v is %s, up: %v, latest is v%d", row.Job(), row.Phase, up[row.UUID], latest.Version)
		}
		delete(up, row.UUID)
		count[row.Type]++
		if row.Job().Routable() {
			routable = append(routable, row.Job())
		}
	}
	for t, n := range structure {
		if count[t] != n {
			return fmt.Sprintf("%d of %s, want %d", count[t], t, n)
		}
	}
	if len(up) > 0 || len(count) > len(structure) {
		return fmt.Sprintf("too many: %v %v", up, count)
	}
	return p.routes.problem(app, routable)
}

// eventually waits until problem returns nothing.
func (p *platform) eventually(problem func() string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 20*time.Second)
	defer cancel()
	var last string
	err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) {
		last = problem()
		return last == "", nil
	})
	if err != nil {
		p.Errorf("still after 20 s: %s", last)
	}
}

// kind fails the test unless err has the kind and says all the parts.
func (p *platform) kind(err error, want deis.Kind, parts ...string) {
	p.Helper()
	if err == nil || deis.KindOf(err) != want {
		p.Fatalf("error is %v of kind %d, want kind %d", err, deis.KindOf(err), want)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			p.Errorf("%q does not say %q", err, part)
		}
	}
}

// todo says what the loop has to do.
func (p *platform) todo() string {
	if todo, err := p.controller().Divergent(p.Context()); err != nil || len(todo) > 0 {
		return fmt.Sprintf("still to do: %v %v", todo, err)
	}
	return ""
}

// stray starts a container that no row knows.
func (p *platform) stray(app, processType string) {
	p.Helper()
	s := deis.Spec{Identity: labels.Identity{UUID: uuid.NewString(), ID: jobid.ID{App: app, Version: 1, Type: processType, Num: 9}}}
	p.must(p.engine.Create(p.Context(), s))
	p.must(p.engine.Start(p.Context(), s.Identity.UUID))
}
