package deis

import (
	"context"
	"fmt"
	"time"
)

// A container has crashed when it ended by itself this often in this time; it
// has recovered when it has been up for as long. The scheduler goes on starting
// it, after longer and longer pauses.
const (
	crashExits  = 5
	crashWindow = time.Minute
)

// exits are what was seen of a container's ends.
type exits struct {
	container string      // the scheduler's id: a container that is made anew begins anew
	restarts  int         // as last told
	at        []time.Time // when the last ends were noticed, at most crashExits
	settled   bool        // it was up for long enough when last seen
	crashed   bool
}

// steady says whether a container has been up for long enough to have
// recovered.
func steady(st Status, now time.Time) bool {
	return st.State == StateUp && now.Sub(st.Started) >= crashWindow
}

// see adds to prev what the scheduler tells now. Of a container that was never
// seen before all ends count: it is new, or the controller is.
func see(prev exits, known bool, row Container, st Status, now time.Time) exits {
	switch {
	case !known:
		prev = exits{container: st.Container, crashed: row.Crashed}
	case prev.container != st.Container:
		prev = exits{container: st.Container}
	}
	if steady(st, now) {
		return exits{container: st.Container, settled: true}
	}
	next := exits{container: st.Container, restarts: st.Restarts, at: prev.at, crashed: prev.crashed}
	ended := st.Restarts - prev.restarts
	switch {
	case prev.settled: // what the scheduler counted before is not known
		ended = min(st.Restarts, 1)
	case ended < 0: // it was started by hand
		ended, next.at = st.Restarts, nil
	}
	for range min(ended, crashExits) {
		next.at = append(next.at[max(0, len(next.at)-crashExits+1):len(next.at):len(next.at)], now)
	}
	if ended > 0 && len(next.at) == crashExits && now.Sub(next.at[0]) <= crashWindow {
		next.crashed = true
	}
	return next
}

// crash is a container whose row does not say yet what has become of it.
type crash struct {
	row     Container
	status  Status
	crashed bool // else it has recovered
}

// crashes looks at how often containers ended.
func (c *Controller) crashes(rows []Container, statuses []Status, now time.Time) []crash {
	seen := make(map[string]Status, len(statuses))
	for _, st := range statuses {
		seen[st.UUID] = st
	}
	var out []crash
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		st, ok := seen[row.UUID]
		if !ok || row.Phase != Serving {
			continue
		}
		prev, known := c.exits[row.UUID]
		next := see(prev, known, row, st, now)
		c.exits[row.UUID] = next
		if next.crashed != row.Crashed {
			out = append(out, crash{row, st, next.crashed})
		}
	}
	return out
}

// forgetExits forgets containers that are not among all rows.
func (c *Controller) forgetExits(rows []Container) {
	there := make(map[string]bool, len(rows))
	for _, row := range rows {
		there[row.UUID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for uuid := range c.exits {
		if !there[uuid] {
			delete(c.exits, uuid)
		}
	}
}

// tellCrashes notes crashes and recoveries, and tells the app's log of each
// once: also when there are two controllers, or a new one.
func (c *Controller) tellCrashes(ctx context.Context, all []crash) error {
	for _, one := range all {
		n, err := c.Records.SetCrashed(ctx, []string{one.row.UUID}, one.crashed)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		name := one.row.Job().Process()
		if !one.crashed {
			c.event(one.row.App, name+" is up again")
			continue
		}
		how := ""
		if one.status.ExitCode != 0 {
			how = fmt.Sprintf(", the last time with exit status %d", one.status.ExitCode)
		}
		c.fail(one.row.App, fmt.Sprintf("%s crashed: it ended %d times within a minute%s", name, crashExits, how))
		lines, err := c.Scheduler.LastLines(ctx, one.row.UUID, lastLines)
		if err != nil {
			c.Log.Warn("last lines of a crashed container not read", "app", one.row.App, "container", one.row.Job().String(), "err", err)
		}
		for _, line := range lines {
			c.fail(one.row.App, name+": "+line)
		}
	}
	return nil
}

// forgive takes back that a container crashed, because it is made anew.
func (c *Controller) forgive(ctx context.Context, rows []Container) error {
	var crashed []Container
	for _, row := range rows {
		if row.Crashed {
			crashed = append(crashed, row)
		}
	}
	_, err := c.Records.SetCrashed(ctx, uuids(crashed), false)
	return err
}

// shownState is what `deis ps` says of a container that runs or is between two
// starts.
func shownState(row Container, st Status, now time.Time) State {
	if row.Crashed && st.State == StateUp && !steady(st, now) {
		return StateCrashed
	}
	return st.State
}
