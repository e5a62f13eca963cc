package deis

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	passInterval     = time.Minute
	reconcileWorkers = 4
	reconcileTimeout = 5 * time.Minute
	retryPause       = 5 * time.Second
	shutdownWait     = 20 * time.Second // for removals, when the controller ends
)

// Converge keeps what runs equal to what should run until ctx ends: at the start
// and once a minute for all apps, and for one app when one of its containers
// started or ended by itself.
func (c *Controller) Converge(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.observe(ctx) })
	g.Go(func() error { return c.beatForever(ctx) })
	for range reconcileWorkers {
		g.Go(func() error {
			for {
				app, ok := c.queue.next(ctx)
				if !ok {
					return ctx.Err()
				}
				if err := c.reconcile(ctx, app); err != nil && ctx.Err() == nil {
					if KindOf(err) != Conflict { // another operation is at it
						c.Log.Warn("reconcile failed, trying again", "app", app, "err", err)
					}
					c.queue.addLater(ctx, app, retryPause)
				}
			}
		})
	}
	err := g.Wait()
	c.awaitRemovals()
	return err
}

// awaitRemovals lets containers leave that were on their way out; what does
// not end in time is left to the next start.
func (c *Controller) awaitRemovals() {
	done := make(chan struct{})
	go func() {
		c.removals.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(shutdownWait):
	}
}

// observe fills the queue.
func (c *Controller) observe(ctx context.Context) error {
	changes := c.Scheduler.Changes(ctx)
	tick := time.NewTicker(passInterval)
	defer tick.Stop()
	c.pass(ctx)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			c.pass(ctx)
		case app, ok := <-changes:
			switch {
			case !ok:
				changes = nil // ctx ends
			case app == "":
				c.pass(ctx)
			default:
				c.queue.add(app)
			}
		}
	}
}

// pass queues the apps whose containers are not as they should be. What is in
// order costs a few queries of records and one of the scheduler, and no write.
func (c *Controller) pass(ctx context.Context) {
	apps, err := c.Divergent(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.Log.Warn("pass over all apps failed", "err", err)
			c.forgetBeats(nil)
			time.AfterFunc(retryPause, func() { c.queue.add("") })
		}
		return
	}
	for _, app := range apps {
		c.queue.add(app)
	}
}

// Divergent lists the apps that reconcile has something to do for.
func (c *Controller) Divergent(ctx context.Context) ([]string, error) {
	rows, err := c.Records.Containers(ctx, "")
	if err != nil {
		return nil, err
	}
	pending, err := c.Records.PendingReleases(ctx, "")
	if err != nil {
		return nil, err
	}
	destroyed, err := c.Records.DestroyedApps(ctx)
	if err != nil {
		return nil, err
	}
	statuses, err := c.Scheduler.States(ctx, "")
	if err != nil {
		return nil, err
	}
	runs, err := c.Records.Runs(ctx, "")
	if err != nil {
		return nil, err
	}
	var apps []string
	seen := map[string]bool{}
	add := func(app string) {
		if !seen[app] {
			seen[app] = true
			apps = append(apps, app)
		}
	}
	for _, r := range pending {
		add(r.App)
	}
	for _, a := range destroyed {
		add(a.ID)
	}
	now := time.Now()
	for _, one := range c.crashes(rows, statuses, now) {
		add(one.row.App)
	}
	c.forgetExits(rows)
	c.forgetBeats(runs)
	lost := c.lostRuns(runs, now)
	for _, r := range lost {
		add(r.App)
	}
	p := plan(rows, c.withoutRuns(statuses, runs, lost, now))
	for _, set := range [][]Container{p.create, p.start, p.leaving, p.unfinished} {
		for _, row := range set {
			add(row.App)
		}
	}
	for _, s := range p.orphans {
		add(s.Job.App)
	}
	return apps, nil
}

// steps are what must be done so that the scheduler's containers equal the
// rows.
type steps struct {
	create     []Container // serving, and the scheduler has none
	start      []Container // serving, and stopped by somebody
	leaving    []Container
	unfinished []Container // of an operation that is under way, or was cut off
	orphans    []Status    // containers without a row
}

// plan compares rows with what the scheduler sees.
func plan(rows []Container, statuses []Status) steps {
	var s steps
	seen := make(map[string]Status, len(statuses))
	for _, st := range statuses {
		seen[st.UUID] = st
	}
	known := make(map[string]bool, len(rows))
	for _, row := range rows {
		known[row.UUID] = true
		st, exists := seen[row.UUID]
		switch {
		case row.Phase == Starting || row.Phase == Replacing:
			s.unfinished = append(s.unfinished, row)
		case row.Phase == Leaving:
			s.leaving = append(s.leaving, row)
		case !exists || st.State == StateDestroyed:
			s.create = append(s.create, row)
		case st.State == StateCreated || st.State == StateDown:
			s.start = append(s.start, row)
		}
	}
	for _, st := range statuses {
		if !known[st.UUID] {
			s.orphans = append(s.orphans, st)
		}
	}
	return s
}

// reconcile makes one app's containers what its rows say. An empty app asks
// for a pass over all.
func (c *Controller) reconcile(ctx context.Context, app string) error {
	if app == "" {
		c.pass(ctx)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	ctx, unlock, err := c.lock(ctx, app, 0)
	if err != nil {
		return err
	}
	defer unlock()
	destroyed, err := c.Records.DestroyedApps(ctx)
	if err != nil {
		return err
	}
	for _, a := range destroyed {
		if a.ID == app {
			return c.destroy(ctx, app)
		}
	}
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return err
	}
	statuses, err := c.Scheduler.States(ctx, app)
	if err != nil {
		return err
	}
	runs, err := c.Records.Runs(ctx, app)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := c.tellCrashes(ctx, c.crashes(rows, statuses, now)); err != nil {
		return err
	}
	lost := c.lostRuns(runs, now)
	if err := c.apply(ctx, app, plan(rows, c.withoutRuns(statuses, runs, lost, now))); err != nil {
		return err
	}
	ids := make([]string, len(lost))
	for i, r := range lost {
		ids[i] = r.UUID
	}
	return c.Records.DeleteRuns(ctx, ids) // their containers are gone now
}

func (c *Controller) apply(ctx context.Context, app string, p steps) error {
	for _, row := range p.start {
		if !c.inTrouble(row.UUID) {
			c.event(app, row.Job().Process()+" was stopped and is started again")
		}
		if err := c.Scheduler.Start(ctx, row.UUID); err != nil {
			c.troubledOnly(row.Job(), row.UUID, "start", err)
			return err
		}
		c.untroubled(row.UUID)
		c.hit(ctx, afterHealStart)
	}
	for _, row := range p.create {
		s, err := c.snapshot(ctx, c.Records, app, row.Version)
		if err != nil {
			return fmt.Errorf("release v%d of %s: %w", row.Version, app, err)
		}
		if !c.inTrouble(row.UUID) {
			c.event(app, row.Job().Process()+" was missing and is created again")
		}
		if err := c.Scheduler.Create(ctx, c.spec(row, s)); err != nil {
			c.troubledOnly(row.Job(), row.UUID, "create", err)
			return err
		}
		c.hit(ctx, afterHealCreate)
		if err := c.Scheduler.Start(ctx, row.UUID); err != nil {
			c.troubledOnly(row.Job(), row.UUID, "start", err)
			return err
		}
		c.untroubled(row.UUID)
		c.hit(ctx, afterHealCreated)
	}
	for _, st := range p.orphans {
		c.Log.Warn("container without a row is removed", "app", app, "container", st.Container)
		if err := c.Scheduler.Destroy(ctx, st.UUID); err != nil {
			c.troubledOnly(st.Job, st.UUID, "destroy", err)
			return err
		}
		c.untroubled(st.UUID)
		c.hit(ctx, afterOrphan)
	}
	c.removeLater(app, p.leaving)
	return nil
}
