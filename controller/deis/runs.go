package deis

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	runBeat = 30 * time.Second // between two signs of life of the runs that this controller is at
	// runGone is how long another's run must show none until it is a leftover.
	// Users that are attached notice earlier that the database is away from
	// their controller (rest: streams.uncertain).
	runGone     = 6 * time.Minute
	runLeftover = 25 * time.Minute // the age of leftovers that no record knows
	runEndTime  = 10 * time.Second // to forget a run
)

// beat is how a run of another controller showed that it is alive, and when
// this controller first saw that.
type beat struct {
	count int64
	seen  time.Time
}

// beginRun notes that this controller is at a one-off container, before that
// exists; end must be called when it is gone.
func (c *Controller) beginRun(ctx context.Context, s Spec) (end func(), err error) {
	id, app := s.Identity.UUID, s.Identity.ID.App
	c.hit(ctx, beforeRun)
	c.mu.Lock()
	c.runs[id] = true // first: to this controller it is never a leftover
	c.mu.Unlock()
	forget := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.runs, id)
	}
	if err := c.Records.CreateRun(ctx, app, id); err != nil {
		forget()
		return nil, err
	}
	c.hit(ctx, afterRunRow)
	return func() {
		defer forget()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runEndTime)
		defer cancel()
		if err := c.Records.DeleteRuns(ctx, []string{id}); err != nil {
			c.Log.Warn("run not forgotten yet", "app", app, "err", err) // it shows no more signs of life
		}
		c.hit(ctx, afterRunRowDeleted)
	}, nil
}

// beatForever shows signs of life of the runs that this controller is at.
func (c *Controller) beatForever(ctx context.Context) error {
	tick := time.NewTicker(c.runBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := c.beatRuns(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("runs show no sign of life", "err", err)
		}
	}
}

func (c *Controller) beatRuns(ctx context.Context) error {
	c.mu.Lock()
	ids := slices.Collect(maps.Keys(c.runs))
	c.mu.Unlock()
	return c.Records.BeatRuns(ctx, ids)
}

// lostRuns are the runs whose controller is gone: all the while that this one
// has looked they showed no sign of life. How they are noted depends on nobody's
// clock but this controller's.
func (c *Controller) lostRuns(runs []Run, now time.Time) (lost []Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range runs {
		if c.runs[r.UUID] {
			continue
		}
		b, ok := c.beats[r.UUID]
		if !ok || b.count != r.Beats {
			b = beat{r.Beats, now}
			c.beats[r.UUID] = b
		}
		if now.Sub(b.seen) >= c.runGone {
			lost = append(lost, r)
		}
	}
	return lost
}

// forgetBeats forgets the signs of life of runs that have ended, of all if no
// runs are given: while the database is away nobody can show any.
func (c *Controller) forgetBeats(runs []Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.beats, func(id string, _ beat) bool {
		return !slices.ContainsFunc(runs, func(r Run) bool { return r.UUID == id })
	})
}

// withoutRuns are the statuses without the one-off containers that a controller
// is at. The runs must have been read after them: a container that is there has
// its record, unless it is one of before there were records, or one that could
// not be removed at its end.
func (c *Controller) withoutRuns(statuses []Status, runs, lost []Run, now time.Time) []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, gone := map[string]bool{}, map[string]bool{}
	for _, r := range runs {
		known[r.UUID] = true
	}
	for _, r := range lost {
		gone[r.UUID] = true
	}
	return slices.DeleteFunc(statuses, func(st Status) bool {
		switch {
		case st.Job.Type != runType:
			return false
		case c.runs[st.UUID]:
			return true
		case known[st.UUID]:
			return !gone[st.UUID]
		}
		return now.Sub(st.Started) < runLeftover
	})
}
