package deis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/retry"
)

const (
	stable      = 3 * time.Second // a container nobody announces is ready when it has lived this long
	watchStates = 250 * time.Millisecond
	lastLines   = 20 // of a container that failed, shown to the user
)

// awaitReady returns when all containers are ready: those that can be routed
// to when they were announced after the revision, others when they have lived
// for 3 s. It fails when one of them ends, or after the timeout. checked says
// that the release has a health check.
func (c *Controller) awaitReady(ctx context.Context, app string, rows []Container, revision int64, timeout time.Duration, checked bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errNotReady)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	// Each container's announcement ends its wait; the watch over the states
	// sees the others live, and all of them die.
	ready := make(chan string, len(rows))
	for _, row := range rows {
		if row.Job().Routable() {
			g.Go(func() error {
				if err := c.Routes.Announced(ctx, row.Job(), revision); err != nil {
					return nil // told by the watch: time is over, or another container failed
				}
				c.hit(ctx, afterAnnouncement)
				ready <- row.UUID
				return nil
			})
		}
	}
	g.Go(func() error {
		defer cancel() // ends the waits for announcements that will not come
		return c.watch(ctx, app, rows, ready, checked)
	})
	return g.Wait()
}

var errNotReady = errors.New("containers were not ready in time")

// watch looks at the containers' states until all are ready or one failed. It
// asks the scheduler now and then only: most are announced before the first look.
func (c *Controller) watch(ctx context.Context, app string, rows []Container, announced <-chan string, checked bool) error {
	failures := checkFailures{began: time.Now(), told: map[string]bool{}}
	waiting := make(map[string]Container, len(rows))
	for _, row := range rows {
		waiting[row.UUID] = row
	}
	tick := time.NewTicker(watchStates)
	defer tick.Stop()
	for len(waiting) > 0 {
		select {
		case uuid := <-announced:
			delete(waiting, uuid)
			continue
		case <-ctx.Done():
			return c.overdue(ctx, waiting, checked)
		case <-tick.C:
		}
		if checked {
			c.tellFailures(ctx, &failures, waiting)
		}
		statuses, err := c.Scheduler.States(ctx, app)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, s := range statuses {
			row, ok := waiting[s.UUID]
			if !ok {
				continue
			}
			if s.Restarts > 0 || s.State == StateDown || s.State == StateCrashed || s.State == StateError {
				return c.died(ctx, row, s)
			}
			if s.State == StateUp && !(row.Job().Routable() && s.Exposed) && time.Since(s.Started) >= stable {
				delete(waiting, s.UUID)
			}
		}
	}
	return nil
}

// died says how a container ended before it was ready.
func (c *Controller) died(ctx context.Context, row Container, s Status) error {
	how := fmt.Sprintf("ended with exit status %d", s.ExitCode)
	if s.State == StateUp && s.ExitCode == 0 { // started again by now, and the status gone with it
		how = "ended"
	}
	return &Error{Kind: Unavailable, Detail: fmt.Sprintf("%s %s before it was ready.%s", row.Job().Process(), how, c.lastWords(ctx, row))}
}

// overdue says why containers are not ready after the whole time.
func (c *Controller) overdue(ctx context.Context, waiting map[string]Container, checked bool) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, errNotReady) {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, row := range waiting { // one is enough
		why := "nothing answers on its port"
		if !row.Job().Routable() {
			why = "it did not run for long enough"
		}
		if detail, err := c.Routes.CheckDetail(ctx, row.Job()); err == nil && detail != "" {
			why = detail
		}
		abort := ""
		if checked && row.Job().Routable() {
			abort = textCheckFailed + ": "
		}
		return &Error{Kind: Unavailable, Detail: fmt.Sprintf("%s%s was not ready in time: %s.%s", abort, row.Job().Process(), why, c.lastWords(ctx, row))}
	}
	return cause
}

// lastWords are the last lines of a container, as text to append to a detail
// and as lines of the app's log.
func (c *Controller) lastWords(ctx context.Context, row Container) string {
	lines, err := c.Scheduler.LastLines(ctx, row.UUID, lastLines)
	if err != nil || len(lines) == 0 {
		return " It printed nothing."
	}
	return " It last printed:\n" + strings.Join(lines, "\n")
}

// sentence is the first line of what a user would read of err.
func sentence(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "something went wrong on the server"
	}
	text := e.Detail
	if text == "" {
		text = fmt.Sprint(e.Fields)
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// sleep waits for d, or less if ctx ends.
func sleep(ctx context.Context, d time.Duration) { _ = retry.Sleep(ctx, d) }
