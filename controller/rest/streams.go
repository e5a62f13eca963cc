package rest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/deis/deis/controller/deis"
)

// streams are the bounds of answers that last: followed logs and attended
// commands.
type streams struct {
	recheck   time.Duration // of who asks, and whether they still may
	uncertain time.Duration // how long that may be unknown while the database is away
	hello     time.Duration // until the first message of a session
	ping      time.Duration // between two pings
	silence   time.Duration // of a client that does not answer pings
	idle      time.Duration // of a session without input, output or control

	follows, sessions *gate
}

func newStreams() *streams {
	return &streams{
		recheck: 30 * time.Second, uncertain: 5 * time.Minute,
		hello: 30 * time.Second, ping: 30 * time.Second, silence: 90 * time.Second, idle: time.Hour,
		follows: newGate(500, 50), sessions: newGate(100, 20),
	}
}

// gate bounds how many there are at a time, of all users and of each.
type gate struct {
	all, each int

	mu sync.Mutex
	n  int
	of map[string]int
}

func newGate(all, each int) *gate { return &gate{all: all, each: each, of: map[string]int{}} }

// enter lets one more in; leave must be called when it is over.
func (g *gate) enter(user string) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n >= g.all || g.of[user] >= g.each {
		return nil, false
	}
	g.n++
	g.of[user]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.n--
		if g.of[user]--; g.of[user] == 0 {
			delete(g.of, user)
		}
	}), true
}

// errStopping ends streams when the server stops.
var errStopping = errors.New("the controller stops")

// attend returns a context that ends, with its cause, when who asks may no
// longer use the app, when the server stops, or with end.
func (st *streams) attend(r *request, apps interface {
	App(ctx context.Context, by deis.User, id string) (deis.App, error)
}, app string) (ctx context.Context, end context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(r.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(st.recheck)
		defer tick.Stop()
		known := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-stopping(ctx):
				cancel(errStopping)
				return
			case <-tick.C:
			}
			by, err := r.again(ctx)
			if err == nil {
				_, err = apps.App(ctx, by, app)
			}
			switch kind := deis.KindOf(err); {
			case err == nil:
				known = time.Now()
			case kind == deis.Unauthorized, kind == deis.Forbidden, kind == deis.NotFound, time.Since(known) > st.uncertain:
				cancel(err)
			}
		}
	}()
	return ctx, func(cause error) {
		cancel(cause)
		<-done
	}
}

type stopKey struct{}

// stopping is closed when the server that a request came to stops; nil without
// Serve.
func stopping(ctx context.Context) <-chan struct{} {
	stop, _ := ctx.Value(stopKey{}).(<-chan struct{})
	return stop
}
