package announce

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

// watched is one running container.
type watched struct {
	cancel context.CancelFunc
	began  time.Time // of the watching
	target *target   // nil until the Engine has told, and if it is not to be announced
	last   result    // that its check key tells
	told   bool      // there is a last
}

// CheckResult is the value of a check key, in JSON: what came of a health
// check, written when it changes.
type CheckResult struct {
	Container string    `json:"container"` // id
	OK        bool      `json:"ok"`
	Detail    string    `json:"detail"`            // why not, in one line, as Deis v1 said it in the app's log
	Waiting   bool      `json:"waiting,omitempty"` // it was not asked yet: its initial delay is not over
	At        time.Time `json:"at"`
}

// event acts on what happened to a container.
func (a *Announcer) event(m events.Message) {
	id := m.Actor.ID
	at := time.Unix(0, m.TimeNano)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch m.Action {
	case events.ActionStart, events.ActionUnPause:
		delete(a.held, id)
		a.watch(id, at, false)
	case events.ActionKill:
		if ends(m.Actor.Attributes["signal"]) && a.dropBefore(id, at) {
			a.held[id] = time.Now().Add(stopGrace)
		}
	case events.ActionDie, events.ActionDestroy:
		delete(a.held, id)
		a.dropBefore(id, at)
	case events.ActionStop, events.ActionPause:
		a.dropBefore(id, at)
	}
}

// ends says whether a signal is one that ends programs: what is sent by hand
// to make them read their settings does not.
func ends(signal string) bool {
	switch signal {
	case "1", "10", "12", "28": // HUP USR1 USR2 WINCH
		return false
	}
	return true
}

// dropBefore drops a container unless it started after the event: the stream
// begins with what happened a moment before.
func (a *Announcer) dropBefore(id string, at time.Time) bool {
	w, ok := a.watched[id]
	if !ok || w.target != nil && w.target.started.After(at) {
		return false
	}
	a.drop(id)
	return true
}

// watch begins to probe a container unless it is watched already. awake is
// when it started or went on, if that was seen.
func (a *Announcer) watch(id string, awake time.Time, passing bool) {
	if _, ok := a.watched[id]; ok || a.withdrawn[id] {
		return
	}
	if until, ok := a.held[id]; ok && time.Now().Before(until) {
		return
	}
	delete(a.held, id)
	ctx, cancel := context.WithCancel(a.life)
	w := &watched{cancel: cancel, began: time.Now()}
	a.watched[id] = w
	if passing {
		a.pending++
	}
	a.probers.Go(func() {
		settle := func() {
			if passing {
				passing = false
				a.endPass(true)
			}
		}
		defer settle()
		a.probe(ctx, id, w, awake, settle)
	})
}

// probe asks a container until it ends or is dropped.
func (a *Announcer) probe(ctx context.Context, id string, w *watched, awake time.Time, settle func()) {
	var t target
	var reason error
	if retry.Until(ctx, writePause, func(ctx context.Context) (bool, error) {
		c, err := a.engine.ContainerInspect(ctx, id)
		if err != nil && !engine.IsNotFound(err) {
			return false, nil // the Engine is away
		}
		if reason = err; err == nil {
			t, reason = targetOf(c, a.Platform, a.Network)
		}
		return true, nil
	}) != nil {
		return
	}
	a.mu.Lock()
	if a.watched[id] != w {
		a.mu.Unlock()
		return
	}
	switch {
	case reason == nil:
		w.target = &t
	case errors.Is(reason, errNotRoutable), errors.Is(reason, errNoPort):
		// stays watched, so that lists leave it alone
	default:
		a.drop(id) // the next list or its start tries again
		if !errors.Is(reason, errNotRunning) && !engine.IsNotFound(reason) {
			a.log.Warn("container not announced", "container", id, "err", reason)
		}
	}
	a.mu.Unlock()
	if reason != nil {
		return
	}
	if awake.Before(t.started) {
		awake = t.started
	}
	// What the publisher before this one announced goes on as it was; a young
	// container may be another than the one that was announced.
	up := a.ledger.inherited[keys.Service(t.job.App, t.job.String())] == t.addr.String() && time.Since(t.started) > youth
	newProber(t, a.metrics, awake, up).run(ctx, func(r result) {
		a.report(id, w, r)
		settle()
	})
}

// report takes what a probe has come to.
func (a *Announcer) report(id string, w *watched, r result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watched[id] != w || a.withdrawn[id] {
		return
	}
	app, job := w.target.job.App, w.target.job.String()
	key := keys.Service(app, job)
	if r.up {
		if a.owners[key] != id {
			a.log.Info("container announced", "app", app, "container", job, "addr", w.target.addr.String(),
				"took", time.Since(w.target.started).Round(time.Millisecond).String())
		}
		a.owners[key] = id
		a.ledger.set(key, w.target.addr.String())
	} else {
		a.retract(id, key, r.detail)
	}
	if w.target.check != nil && (!w.told || r.ok != w.last.ok || r.detail != w.last.detail) {
		w.last, w.told = r, true
		b, err := json.Marshal(CheckResult{Container: id, OK: r.ok, Detail: r.detail, Waiting: r.wait, At: time.Now().UTC()})
		if err != nil {
			a.log.Error("health check not told", "container", job, "err", err)
			return
		}
		a.ledger.set(keys.Check(app, job), string(b))
	}
	a.metrics.announced.Set(float64(len(a.owners)))
}

// retract deletes a container's service key, unless another container of that
// name has it by now.
func (a *Announcer) retract(id, key, reason string) {
	owner, announced := a.owners[key]
	if announced && owner != id {
		return
	}
	if announced {
		delete(a.owners, key)
		a.log.Info("container no longer announced", "container", keys.Last(key), "err", reason)
	}
	a.ledger.remove(key)
	a.metrics.announced.Set(float64(len(a.owners)))
}

// drop ends the watching of a container that runs no more.
func (a *Announcer) drop(id string) {
	w, ok := a.watched[id]
	if !ok {
		return
	}
	delete(a.watched, id)
	a.end(id, w, "it ended")
}

// end stops a container's probe and removes its keys.
func (a *Announcer) end(id string, w *watched, reason string) {
	w.cancel()
	if w.target == nil {
		return
	}
	app, job := w.target.job.App, w.target.job.String()
	a.retract(id, keys.Service(app, job), reason)
	if w.told {
		a.ledger.remove(keys.Check(app, job))
	}
}

// withdraw takes note of all containers that the scheduler wants withdrawn.
// They are never announced again, even when the scheduler's key has gone.
func (a *Announcer) withdraw(s etcd.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.standing = map[string]bool{}
	for key, e := range s.Keys {
		app, job, ok := keys.SplitWithdraw(key)
		if !ok || e.Value == "" {
			continue
		}
		id := e.Value
		a.standing[id] = true
		if a.withdrawn[id] {
			continue
		}
		a.withdrawn[id] = true
		a.metrics.withdrawn.Inc()
		w, watched := a.watched[id]
		if !watched {
			continue
		}
		if w.target == nil {
			// Not inspected yet: all there can be is the predecessor's key.
			a.retract(id, keys.Service(app, job), "withdrawn")
		}
		a.end(id, w, "withdrawn")
	}
}
