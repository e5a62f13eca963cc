package push

import (
	"context"
	"sync"
)

// locks keep apart what must not happen to one app at once: two pushes, and a
// clean-up beside anything else. They live in memory, so that no crash leaves
// one behind.
type locks struct {
	mu   sync.Mutex
	apps map[string]*lock
}

type lock struct {
	sessions int           // that use the repository
	pushing  bool          // one of them has the right to deploy
	purging  chan struct{} // not nil while the app is cleaned up; closed after
}

func (l *locks) of(app string) *lock {
	if l.apps == nil {
		l.apps = map[string]*lock{}
	}
	if l.apps[app] == nil {
		l.apps[app] = &lock{}
	}
	return l.apps[app]
}

// tidy forgets an app that nothing happens to.
func (l *locks) tidy(app string) {
	if a := l.apps[app]; a != nil && a.sessions == 0 && a.purging == nil {
		delete(l.apps, app)
	}
}

// enter counts a session, after a clean-up if there is one.
func (l *locks) enter(ctx context.Context, app string) error {
	for {
		l.mu.Lock()
		a := l.of(app)
		if a.purging == nil {
			a.sessions++
			l.mu.Unlock()
			return nil
		}
		purged := a.purging
		l.mu.Unlock()
		select {
		case <-purged:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *locks) leave(app string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(app).sessions--
	l.tidy(app)
}

// push takes the right to deploy, if nobody has it.
func (l *locks) push(app string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(app)
	if a.pushing {
		return false
	}
	a.pushing = true
	return true
}

func (l *locks) pushed(app string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(app).pushing = false
}

// purge runs fn while nothing else happens to the app, if at most sessions
// are there, whose owner is the caller.
func (l *locks) purge(app string, sessions int, fn func() error) (done bool, err error) {
	l.mu.Lock()
	a := l.of(app)
	if a.sessions > sessions || a.purging != nil {
		l.tidy(app)
		l.mu.Unlock()
		return false, nil
	}
	a.purging = make(chan struct{})
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(a.purging)
		a.purging = nil
		l.tidy(app)
	}()
	return true, fn()
}
