package scheduler

import (
	"context"
	"sync"
)

// Pending is what a backend's Changes has still to send: each app once, and
// only the empty id when there was a gap. It is bounded by the number of apps,
// however slowly ids are received.
type Pending struct {
	mu    sync.Mutex
	apps  []string // in the order in which they changed
	known map[string]bool
	wake  chan struct{}
}

// NewPending makes an empty Pending.
func NewPending() *Pending {
	return &Pending{known: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// Add notes that a container of the app started or ended.
func (p *Pending) Add(app string) {
	p.mu.Lock()
	if !p.known[app] && !p.known[""] { // a pass over all apps covers this one
		p.known[app] = true
		p.apps = append(p.apps, app)
	}
	p.mu.Unlock()
	p.poke()
}

// Gap notes that changes may have been missed.
func (p *Pending) Gap() {
	p.mu.Lock()
	p.known = map[string]bool{"": true}
	p.apps = []string{""}
	p.mu.Unlock()
	p.poke()
}

func (p *Pending) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Deliver sends to out until ctx ends.
func (p *Pending) Deliver(ctx context.Context, out chan<- string) {
	for {
		app, ok := p.next()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case out <- app:
		}
	}
}

// next takes the oldest id out.
func (p *Pending) next() (app string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.apps) == 0 {
		return "", false
	}
	app = p.apps[0]
	p.apps = p.apps[1:]
	delete(p.known, app)
	return app, true
}
