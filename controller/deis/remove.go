package deis

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/jobid"
)

const (
	removeTimeout = 3 * time.Minute // for removals in the background
	registryKeeps = 20              // release images of an app in the registry
)

// retire takes Leaving containers out of the routers and returns; they are
// stopped and forgotten in the background.
func (c *Controller) retire(ctx context.Context, app string, rows []Container) {
	if len(rows) == 0 {
		return
	}
	if err := c.withdraw(ctx, app, rows); err != nil {
		c.Log.Warn("containers not withdrawn yet", "app", app, "err", err)
	}
	c.hit(ctx, afterWithdraw)
	c.removeLater(app, rows)
}

// removeLater removes Leaving containers in the background, but for those that
// a removal is at already. It needs no lock: nobody else wants them back, and a
// lock held while they drain would keep the app's users waiting.
func (c *Controller) removeLater(app string, rows []Container) {
	rows = c.claim(rows)
	if len(rows) == 0 {
		return
	}
	c.background(func(ctx context.Context) {
		err := c.remove(ctx, rows, c.Drain)
		c.disclaim(rows)
		if err != nil {
			c.Log.Warn("containers not removed yet", "app", app, "err", err)
			time.AfterFunc(retryPause, func() { c.queue.add(app) })
			return
		}
		c.keepImages(ctx, app) // now that nothing runs from them
	})
}

// claim gives the rows that no removal is at, and notes that one is now.
func (c *Controller) claim(rows []Container) []Container {
	c.mu.Lock()
	defer c.mu.Unlock()
	var free []Container
	for _, row := range rows {
		if !c.leaving[row.UUID] {
			c.leaving[row.UUID] = true
			free = append(free, row)
		}
	}
	return free
}

func (c *Controller) disclaim(rows []Container) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		delete(c.leaving, row.UUID)
	}
}

// background runs fn apart from the request that caused it; Converge waits for it.
func (c *Controller) background(fn func(context.Context)) {
	c.removals.Add(1)
	go func() {
		defer c.removals.Done()
		ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
		defer cancel()
		fn(ctx)
	}()
}

// withdraw takes containers out of the routers.
func (c *Controller) withdraw(ctx context.Context, app string, rows []Container) error {
	statuses, err := c.Scheduler.States(ctx, app)
	if err != nil {
		return err
	}
	known := make(map[string]string, len(statuses))
	for _, s := range statuses {
		known[s.UUID] = s.Container
	}
	jobs := make(map[jobid.ID]string, len(rows))
	for _, row := range rows {
		if id := known[row.UUID]; id != "" && row.Job().Routable() {
			jobs[row.Job()] = id
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return c.Routes.Withdraw(ctx, jobs)
}

// remove clears containers away and deletes their rows. It may be repeated.
func (c *Controller) remove(ctx context.Context, rows []Container, drain time.Duration) error {
	if len(rows) == 0 {
		return nil
	}
	if err := c.clear(ctx, rows, drain); err != nil {
		return err
	}
	if err := c.Records.DeleteContainers(ctx, uuids(rows)); err != nil {
		return err
	}
	c.hit(ctx, afterRowsDeleted)
	return nil
}

// clear withdraws containers of one app, lets requests end for the drain, stops
// and destroys them.
func (c *Controller) clear(ctx context.Context, rows []Container, drain time.Duration) error {
	app := rows[0].App
	if err := c.withdraw(ctx, app, rows); err != nil {
		return err
	}
	c.hit(ctx, afterRemovalWithdraw)
	sleep(ctx, drain)
	var running, there atomic.Bool // still, which the log is told now
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, row := range rows {
		g.Go(func() error {
			if err := c.Scheduler.Stop(gctx, row.UUID); err != nil {
				if c.troubled(row.Job(), row.UUID, "stop", err) {
					running.Store(true)
				}
				return err
			}
			c.hit(gctx, afterStop)
			if err := c.Scheduler.Destroy(gctx, row.UUID); err != nil {
				if c.troubled(row.Job(), row.UUID, "destroy", err) {
					there.Store(true)
				}
				return err
			}
			c.untroubled(row.UUID)
			c.hit(gctx, afterDestroy)
			return nil
		})
	}
	err := g.Wait()
	if running.Load() {
		c.tellTroubles(app, "stop")
	}
	if there.Load() {
		c.tellTroubles(app, "destroy")
	}
	if err != nil {
		return err
	}
	if err := c.Routes.Forget(ctx, jobsOf(rows)); err != nil {
		return err
	}
	c.hit(ctx, afterForget)
	return nil
}

// keepImages removes from the Engine the app's images that nothing needs. It
// may run while another operation is at the app.
func (c *Controller) keepImages(ctx context.Context, app string) {
	err := c.Scheduler.RemoveImages(ctx, app, func(ctx context.Context) ([]string, error) { return c.neededImages(ctx, app) })
	c.hit(ctx, afterEngineImages)
	if err != nil {
		c.Log.Warn("engine images not cleaned", "app", app, "err", err)
	}
}

// neededImages are those of the current release and the previous one, of the
// release that an operation is about to make, and of all containers that there
// are or should be.
func (c *Controller) neededImages(ctx context.Context, app string) ([]string, error) {
	pending, err := c.Records.PendingReleases(ctx, app) // first: it becomes the current one
	if err != nil {
		return nil, err
	}
	releases, _, err := c.Records.Releases(ctx, app, Page{Size: 2, Number: 1})
	if err != nil {
		return nil, err
	}
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return nil, err
	}
	statuses, err := c.Scheduler.States(ctx, app)
	if err != nil {
		return nil, err
	}
	images := map[int]string{}
	for _, r := range append(pending, releases...) {
		images[r.Version] = r.Image
	}
	versions := make([]int, 0, len(rows)+len(statuses))
	for _, row := range rows {
		versions = append(versions, row.Version)
	}
	for _, s := range statuses {
		versions = append(versions, s.Job.Version)
	}
	for _, version := range versions {
		if _, known := images[version]; known {
			continue
		}
		r, err := c.Records.Release(ctx, app, version)
		if err != nil && KindOf(err) != NotFound { // of a release that failed
			return nil, err
		}
		images[version] = r.Image
	}
	return slices.Collect(maps.Values(images)), nil
}

// cleanImages removes, in the background, images that no release needs: from
// the Engine all but the current and the previous, from the registry all but
// the last twenty.
func (c *Controller) cleanImages(app string) {
	c.background(func(ctx context.Context) {
		c.keepImages(ctx, app)
		if err := c.Images.Prune(ctx, app, registryKeeps); err != nil {
			c.Log.Warn("registry images not cleaned", "app", app, "err", err)
		}
		c.hit(ctx, afterRegistryPrune)
	})
}

// DestroyApp ends an app: its containers, images, logs, routes and rows. It
// may be repeated; a controller that dies in between finishes it at its next
// start.
func (c *Controller) DestroyApp(ctx context.Context, by User, id string) error {
	app, err := c.authorize(ctx, by, id, Own)
	if err != nil {
		return err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	ctx, unlock, err := c.lock(ctx, id, lockWait)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.sameApp(ctx, app); err != nil {
		return err
	}
	if err := c.Records.MarkDestroyed(ctx, id); err != nil {
		return err
	}
	c.hit(ctx, afterMarkDestroyed)
	if err := c.destroy(ctx, id); err != nil {
		c.queue.add(id)
		return &Error{Kind: Unavailable, Detail: "The app is being destroyed, which goes on in the background.", Err: err}
	}
	c.hit(ctx, beforeAnswer)
	return nil
}

// destroy does what MarkDestroyed promised. Its caller holds the app's lock.
func (c *Controller) destroy(ctx context.Context, app string) error {
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return err
	}
	if err := c.Records.SetPhase(ctx, uuids(rows), Leaving); err != nil {
		return err
	}
	c.hit(ctx, afterAllLeave)
	if err := c.remove(ctx, rows, 0); err != nil {
		return err
	}
	c.hit(ctx, afterAllRemoved)
	statuses, err := c.Scheduler.States(ctx, app)
	if err != nil {
		return err
	}
	for _, s := range statuses { // one-off containers, and what no row knows
		if err := c.Scheduler.Destroy(ctx, s.UUID); err != nil {
			c.troubledOnly(s.Job, s.UUID, "destroy", err)
			return err
		}
		c.untroubled(s.UUID)
	}
	c.hit(ctx, afterStrays)
	if err := c.Scheduler.RemoveImages(ctx, app, nil); err != nil {
		return err
	}
	c.hit(ctx, afterAppEngineImages)
	if err := c.Images.Delete(ctx, app); err != nil {
		return err
	}
	c.hit(ctx, afterAppImages)
	if err := c.AppLogs.Delete(ctx, app); err != nil {
		if c.firstTime(app, "logs") {
			c.fail(app, "Error deleting existing application logs: "+sentence(err))
		}
		return err
	}
	c.untroubled(app)
	c.hit(ctx, afterAppLogs)
	if err := c.Mirror.Update(ctx); err != nil {
		return err
	}
	c.hit(ctx, afterAppMirror)
	if err := c.Records.DeleteApp(ctx, app); err != nil {
		return err
	}
	c.hit(ctx, afterAppRows)
	return nil
}
