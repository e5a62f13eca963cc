package deis

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// undoTimeout bounds what is done after an operation's own time is over.
const undoTimeout = 30 * time.Second

// lock holds the app's lock, after undoing what a controller left that died
// while it had the lock.
func (c *Controller) lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	ctx, unlock, err := c.Records.Lock(ctx, app, wait)
	if err != nil {
		return nil, nil, err
	}
	if err := c.repair(ctx, app); err != nil {
		unlock()
		return nil, nil, err
	}
	c.hit(ctx, afterLock)
	return ctx, unlock, nil
}

// repair withdraws what an operation left unfinished. Whoever calls it holds
// the app's lock, so nobody is still at it.
func (c *Controller) repair(ctx context.Context, app string) error {
	pending, err := c.Records.PendingReleases(ctx, app)
	if err != nil {
		return err
	}
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return err
	}
	unfinished, replacing := inPhase(rows, Starting), inPhase(rows, Replacing)
	if len(replacing) > 0 {
		if err := c.clear(ctx, replacing, 0); err != nil {
			return err
		}
		c.hit(ctx, afterReplacingCleared)
		if err := c.forgive(ctx, replacing); err != nil {
			return err
		}
		if err := c.Records.SetPhase(ctx, uuids(replacing), Serving); err != nil {
			return err
		}
		c.hit(ctx, afterReplacingServing)
		c.queue.add(app) // creates them
	}
	if len(pending) == 0 && len(unfinished) == 0 {
		return nil
	}
	for _, r := range pending { // first, as later nobody knows of it
		if err := c.Images.Withdraw(ctx, app, r.Version); err != nil {
			// The next release has the same version, and takes its place.
			c.Log.Warn("image of a failed release left", "app", app, "release", r.Version, "err", err)
		}
		c.hit(ctx, afterImageWithdrawn)
	}
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if err := tx.SetPhase(ctx, uuids(unfinished), Leaving); err != nil {
			return err
		}
		for _, r := range pending {
			if err := tx.WithdrawRelease(ctx, r.UUID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.hit(ctx, afterUndoRows)
	// At once rather than in the background: the version is used again, and
	// with it the containers' names.
	if err := c.remove(ctx, unfinished, 0); err != nil {
		return err
	}
	c.hit(ctx, afterUndo)
	return nil
}

// undo is repair after a failure. If it fails too, the next operation or
// Reconcile does it. So it is when the operation's context is over: that may be
// because the lock was lost, and what is unfinished now be somebody else's.
func (c *Controller) undo(ctx context.Context, app string) {
	if ctx.Err() != nil {
		c.queue.add(app)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := c.repair(ctx, app); err != nil {
		c.Log.Error("operation left to be undone later", "app", app, "err", err)
		c.queue.add(app)
	}
}

// deploy brings the app to a pending release. When it returns nil the release
// is live and routers know its containers only.
func (c *Controller) deploy(ctx context.Context, app App, next *snapshot) error {
	if err := c.publish(ctx, next); err != nil {
		return err
	}
	rows, err := c.Records.Containers(ctx, app.ID)
	if err != nil {
		return err
	}
	old := inPhase(rows, Serving)
	structure, wanted := planDeploy(app, old, next)
	started, err := c.start(ctx, app.ID, wanted, *next)
	if err != nil {
		return err
	}
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if err := tx.CommitRelease(ctx, next.release.UUID); err != nil {
			return err
		}
		if err := tx.SetPhase(ctx, uuids(started), Serving); err != nil {
			return err
		}
		if err := tx.SetPhase(ctx, uuids(old), Leaving); err != nil {
			return err
		}
		return tx.SetStructure(ctx, app.ID, structure)
	})
	if err != nil {
		return err
	}
	next.release.Pending = false
	c.hit(ctx, afterCommit)
	// From here on the release stands. What fails now is finished by the
	// background, and must not be told as a failed deploy.
	if err := c.Mirror.Update(ctx, Part{Kind: PartConfig, Name: app.ID}); err != nil {
		c.Log.Warn("etcd is behind the records", "app", app.ID, "err", err)
	}
	c.hit(ctx, afterMirror)
	c.retire(ctx, app.ID, old)
	c.cleanImages(app.ID)
	return nil
}

// planDeploy says what should run after a deploy: what runs now, but on the
// new release and without types that the new build lacks; after the first
// build, its defaults.
func planDeploy(app App, old []Container, next *snapshot) (structure map[string]int, wanted []Container) {
	structure = map[string]int{}
	if len(app.Structure) == 0 && len(old) == 0 {
		structure = next.build.defaultStructure()
		for _, t := range sortedTypes(structure) {
			for num := 1; num <= structure[t]; num++ {
				wanted = append(wanted, newContainer(app, next.release, t, num))
			}
		}
		return structure, wanted
	}
	for t, n := range app.Structure {
		if next.build.has(t) {
			structure[t] = n
		}
	}
	for _, o := range old {
		if next.build.has(o.Type) {
			wanted = append(wanted, newContainer(app, next.release, o.Type, o.Num))
		}
	}
	return structure, wanted
}

func newContainer(app App, r Release, processType string, num int) Container {
	return Container{App: app.ID, Owner: app.Owner, Version: r.Version, Type: processType, Num: num, Phase: Starting}
}

// start stores new containers, starts them and waits until all are ready. On
// failure the rows stay in phase Starting, for undo.
func (c *Controller) start(ctx context.Context, app string, wanted []Container, s snapshot) ([]Container, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	if err := c.freeNames(ctx, app, wanted); err != nil {
		return nil, err
	}
	rows, err := c.Records.CreateContainers(ctx, wanted)
	if err != nil {
		return nil, err
	}
	c.hit(ctx, afterContainerRows)
	return rows, c.launch(ctx, app, rows, s)
}

// launch creates and starts containers that have rows, and waits until they
// are ready.
func (c *Controller) launch(ctx context.Context, app string, rows []Container, s snapshot) error {
	if _, err := hostname(c.Settings.UnitHostname(), rows[0].Job()); err != nil {
		return err
	}
	revision, err := c.Routes.Revision(ctx)
	if err != nil {
		return err
	}
	timeout, check := c.DeployTimeout, s.config.healthCheck()
	if check != nil {
		timeout += check.Delay()
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, row := range rows {
		g.Go(func() error {
			if err := c.Scheduler.Create(gctx, c.spec(row, s)); err != nil {
				return c.startError(row, "create", err)
			}
			c.hit(gctx, afterCreate)
			if err := c.Scheduler.Start(gctx, row.UUID); err != nil {
				return c.startError(row, "start", err)
			}
			c.hit(gctx, afterStart)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		c.tellStartError(err)
		return err
	}
	if err := c.awaitReady(ctx, app, rows, revision, timeout, check != nil); err != nil {
		return err
	}
	c.hit(ctx, afterReady)
	return nil
}

// startError makes a scheduler's failure fit for users.
func (c *Controller) startError(row Container, verb string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Kind: Unavailable, Detail: row.Job().Process() + " could not be " + past(verb) + ": " + err.Error(), Err: err}
	}
	return startFailure{e, row, verb}
}

// startFailure is an Error that knows what it is about.
type startFailure struct {
	err  *Error
	row  Container
	verb string
}

func (f startFailure) Error() string { return f.err.Error() }

func (f startFailure) Unwrap() error { return f.err }

// tellStartError writes a scheduler's failure into the app's log.
func (c *Controller) tellStartError(err error) {
	var f startFailure
	if errors.As(err, &f) {
		c.troubledOnly(f.row.Job(), f.row.UUID, f.verb, f.err)
	}
}

func past(verb string) string {
	if verb == "create" {
		return "created"
	}
	return "started"
}

// freeNames finishes the removal of containers that still have a name which is
// wanted again, as after scaling down and up.
func (c *Controller) freeNames(ctx context.Context, app string, wanted []Container) error {
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return err
	}
	var inTheWay []Container
	for _, row := range inPhase(rows, Leaving) {
		if slices.ContainsFunc(wanted, func(w Container) bool { return w.Job() == row.Job() }) {
			inTheWay = append(inTheWay, row)
		}
	}
	return c.remove(ctx, inTheWay, c.Drain)
}

// spec is the container that a row asks for.
func (c *Controller) spec(row Container, s snapshot) Spec {
	spec := Spec{
		Image:   s.release.Image,
		Command: s.build.command(row.Type),
		CPU:     int64(s.config.CPU[row.Type]),
		Tags:    s.config.Tags,
	}
	spec.Memory, _ = ParseMemory(s.config.Memory[row.Type])
	spec.Identity.Platform = c.Platform
	spec.Identity.ID = row.Job()
	spec.Identity.UUID = row.UUID
	if row.Type != runType {
		spec.Hostname, _ = hostname(c.Settings.UnitHostname(), row.Job()) // checked by launch
	}
	if row.Job().Routable() {
		spec.Identity.Health = s.config.healthCheck()
	}
	return spec
}

func inPhase(rows []Container, p Phase) []Container {
	var out []Container
	for _, r := range rows {
		if r.Phase == p {
			out = append(out, r)
		}
	}
	return out
}

func uuids(rows []Container) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.UUID
	}
	return out
}

func sortedTypes(structure map[string]int) []string {
	types := make([]string, 0, len(structure))
	for t := range structure {
		types = append(types, t)
	}
	slices.SortFunc(types, cmp.Compare[string])
	return types
}
