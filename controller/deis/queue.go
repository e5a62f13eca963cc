package deis

import (
	"context"
	"sync"
	"time"
)

// queue is the set of apps to look at. An app that is added while it is being
// looked at is looked at again.
type queue struct {
	mu      sync.Mutex
	waiting map[string]bool
	order   []string
	wake    chan struct{}
}

func newQueue() *queue {
	return &queue{waiting: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// add puts an app into the queue, if it is not there yet.
func (q *queue) add(app string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting[app] {
		return
	}
	q.waiting[app] = true
	q.order = append(q.order, app)
	q.signal()
}

// addLater is add after a pause, unless ctx has ended by then.
func (q *queue) addLater(ctx context.Context, app string, d time.Duration) {
	time.AfterFunc(d, func() {
		if ctx.Err() == nil {
			q.add(app)
		}
	})
}

// next waits for an app and takes it out; ok is false when ctx has ended.
func (q *queue) next(ctx context.Context) (app string, ok bool) {
	for {
		q.mu.Lock()
		if len(q.order) > 0 {
			app, q.order = q.order[0], q.order[1:]
			delete(q.waiting, app)
			if len(q.order) > 0 {
				q.signal() // for the next worker
			}
			q.mu.Unlock()
			return app, true
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", false
		case <-q.wake:
		}
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
