package builder

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// Intervals of the clean-up.
const (
	purgeEvery   = 5 * time.Second  // those that were in use
	sweepEvery   = 10 * time.Minute // what nobody has told us of
	collectEvery = time.Hour        // objects of pushes that failed
)

// apps are the apps that exist, and those that do no more.
type apps struct {
	mu     sync.Mutex
	loaded bool
	living map[string]int64 // by name, when their marker was made
	gone   map[string]bool  // to be cleaned up
	wake   chan struct{}
}

// signal returns the channel that tells of work. Callers hold mu.
func (a *apps) signal() chan struct{} {
	if a.wake == nil {
		a.wake = make(chan struct{}, 1)
	}
	return a.wake
}

// apply takes in the markers under keys.Services. An app whose marker was
// there and is not, or is another one, is gone.
func (a *apps) apply(s etcd.State) {
	now := map[string]int64{}
	for key, entry := range s.Keys {
		if app, job, ok := keys.SplitService(key); ok && job == "" {
			now[app] = entry.Born
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for app, born := range a.living {
		if now[app] != born {
			a.mark(app)
		}
	}
	if !a.loaded { // what went while we were away
		a.wakeUp()
	}
	a.living, a.loaded = now, true
}

func (a *apps) mark(app string) {
	if a.gone == nil {
		a.gone = map[string]bool{}
	}
	a.gone[app] = true
	a.wakeUp()
}

func (a *apps) wakeUp() {
	select {
	case a.signal() <- struct{}{}:
	default:
	}
}

// has says whether there is an app of that name.
func (a *apps) has(app string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.living[app]
	return ok
}

// suspect marks those of names that are no apps.
func (a *apps) suspect(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		if _, ok := a.living[name]; !ok && a.loaded {
			a.mark(name)
		}
	}
}

func (a *apps) toPurge() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.gone))
}

func (a *apps) purged(app string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.gone, app)
}

// cleanUp removes what is left of apps that are gone, and looks from time to
// time for what it was not told of.
func (b *builder) cleanUp(ctx context.Context) error {
	b.apps.mu.Lock()
	wake := b.apps.signal()
	b.apps.mu.Unlock()
	purge, sweep, collect := time.NewTicker(purgeEvery), time.NewTicker(sweepEvery), time.NewTicker(collectEvery)
	defer purge.Stop()
	defer sweep.Stop()
	defer collect.Stop()
	swept := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-purge.C:
		case <-sweep.C:
			swept = false
		case <-collect.C:
			b.collect(ctx)
		}
		if !swept {
			if err := b.sweep(ctx); err != nil {
				return fmt.Errorf("look for leftovers: %w", err)
			}
			swept = b.apps.known()
		}
		if err := b.purge(ctx); err != nil {
			return err
		}
	}
}

func (a *apps) known() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.loaded
}

// sweep marks what is kept of apps that do not exist.
func (b *builder) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	inRepos, err := b.repos.Apps()
	if err != nil {
		return err
	}
	inEngine, err := b.builds.Apps(ctx)
	if err != nil {
		return err
	}
	b.apps.suspect(append(inRepos, inEngine...))
	return nil
}

// purge removes marked apps, after etcd has said for certain that they are
// gone: it answers, it is complete, and the marker is not there.
func (b *builder) purge(ctx context.Context) error {
	marked := b.apps.toPurge()
	if len(marked) == 0 {
		return nil
	}
	if _, mirrored, err := b.kv.Get(ctx, keys.Mirrored); err != nil || !mirrored {
		return err // etcd may have lost what it held
	}
	for _, app := range marked {
		_, lives, err := b.kv.Get(ctx, keys.App(app))
		if err != nil {
			return err
		}
		if lives { // again: its first session finds out whose the repository is
			b.apps.purged(app)
			continue
		}
		done, err := b.worker.Purge(ctx, app)
		if err != nil {
			return fmt.Errorf("clean up after %s: %w", app, err)
		}
		if done {
			b.apps.purged(app)
			b.Log.Info("cleaned up after an app", "app", app)
		}
	}
	return nil
}

// collect drops what failed pushes left in the repositories.
func (b *builder) collect(ctx context.Context) {
	names, err := b.repos.Apps()
	if err != nil {
		b.Log.Warn("repositories cannot be listed", "err", err)
	}
	for _, app := range names {
		_, err := b.worker.Quietly(app, func() error { return b.repos.Collect(ctx, app) })
		if err != nil && ctx.Err() == nil {
			b.Log.Warn("repository cannot be packed", "app", app, "err", err)
		}
	}
}
