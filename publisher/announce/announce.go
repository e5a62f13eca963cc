// Package announce keeps /deis/services true to the containers that run on
// this host: what answers stands there, on a lease, and nothing else.
package announce

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

const (
	listInterval = 10 * time.Second
	listTimeout  = 30 * time.Second
	firstPass    = 10 * time.Second // until the first pass counts as done whatever still hangs
	stopGrace    = 30 * time.Second // after a signal that ends most programs, before a container that lives is announced again
)

var (
	errLeaseLost   = errors.New("lease lost")
	errEventsEnded = errors.New("the Engine's events ended")
)

// Engine is what the announcer needs of the Docker Engine.
type Engine interface {
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	Events(ctx context.Context, o events.ListOptions) (<-chan events.Message, <-chan error)
}

// Options say whose containers are announced, and how.
type Options struct {
	Platform string        // label deis.platform
	Network  string        // of the app containers
	Host     string        // under which this publisher is known
	TTL      time.Duration // of the lease
}

// Announcer announces the containers of one host.
type Announcer struct {
	Options
	engine  Engine
	kv      *etcd.KV
	log     *slog.Logger
	metrics metrics
	ledger  *ledger

	mu        sync.Mutex
	watched   map[string]*watched  // by container id
	owners    map[string]string    // service key to the container that has it
	withdrawn map[string]bool      // containers never to be announced again
	standing  map[string]bool      // containers that a withdraw key names now
	held      map[string]time.Time // containers that were told to end
	synced    bool                 // the Engine's events and list are followed
	listed    bool                 // at least once
	pending   int                  // containers of the first list that were not probed yet
	life      context.Context      // of Run: probes go on while the Engine is away
	probers   sync.WaitGroup
}

// New makes an Announcer.
func New(e Engine, kv *etcd.KV, o Options, log *slog.Logger, reg prometheus.Registerer) *Announcer {
	m := newMetrics(reg)
	a := &Announcer{
		Options: o, engine: e, kv: kv, log: log, metrics: m, ledger: newLedger(kv, o.Host, o.TTL, log, m),
		watched: map[string]*watched{}, owners: map[string]string{}, withdrawn: map[string]bool{},
		standing: map[string]bool{}, held: map[string]time.Time{},
	}
	a.ledger.withdrawn = a.withdraw
	return a
}

// Run announces until ctx ends, and leaves the keys to lapse.
func (a *Announcer) Run(ctx context.Context) error {
	if err := retry.Until(ctx, writePause, func(ctx context.Context) (bool, error) {
		err := a.ledger.load(ctx)
		if err != nil {
			a.log.Warn("what was announced before is not known", "err", err)
		}
		return err == nil, nil
	}); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	a.life = ctx
	defer a.probers.Wait()
	pass := time.AfterFunc(firstPass, func() { a.endPass(false) })
	defer pass.Stop()
	g.Go(func() error { return a.ledger.run(ctx) })
	g.Go(func() error {
		return retry.Steadily(ctx, a.log, "follow withdrawals", writePause, func(ctx context.Context) error {
			return etcd.Follow(ctx, a.kv, []string{keys.Withdrawals}, func(_ context.Context, s etcd.State) error {
				a.withdraw(s)
				return nil
			})
		})
	})
	g.Go(func() error { return retry.Steadily(ctx, a.log, "follow the Engine", writePause, a.follow) })
	return g.Wait()
}

// Ready is nil once the first pass is done, while the Engine is followed.
func (a *Announcer) Ready(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.synced:
		return errors.New("the Engine is not followed")
	case !a.ledger.hasPassed():
		return errors.New("first pass not done")
	}
	return nil
}

// follow subscribes to the Engine's events, then lists, then lists again now
// and then. When the Engine goes away everything stays: it may only restart,
// and each container's probe tells whether it answers.
func (a *Announcer) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer a.setSynced(false)
	mine := filters.NewArgs(filters.Arg("label", labels.Platform+"="+a.Platform))
	stream := mine.Clone()
	stream.Add("type", string(events.ContainerEventType))
	// The Engine answers a moment before it has subscribed us.
	since := strconv.FormatInt(time.Now().Add(-time.Second).Unix(), 10)
	messages, errs := a.engine.Events(ctx, events.ListOptions{Filters: stream, Since: since})
	tick := time.NewTicker(listInterval)
	defer tick.Stop()
	if err := a.list(ctx, mine); err != nil {
		return err
	}
	a.setSynced(true)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-errs:
			return errors.Join(errEventsEnded, err)
		case m := <-messages:
			a.event(m)
		case <-tick.C:
			if err := a.list(ctx, mine); err != nil {
				return err
			}
		}
	}
}

func (a *Announcer) setSynced(synced bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.synced = synced
}

// list compares what runs with what is watched.
func (a *Announcer) list(ctx context.Context, mine filters.Args) error {
	ctx2, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	began := time.Now()
	all, err := a.engine.ContainerList(ctx2, container.ListOptions{Filters: mine})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	passing := !a.listed
	a.listed = true
	running := map[string]bool{}
	for _, c := range all {
		if c.State != container.StateRunning || c.Labels[labels.Job] == "" {
			continue
		}
		running[c.ID] = true
		a.watch(c.ID, time.Time{}, passing)
	}
	for id, w := range a.watched {
		// One that started after the list was made is not in it.
		if !running[id] && w.began.Before(began) {
			a.drop(id)
		}
	}
	for id := range a.withdrawn {
		if !running[id] && !a.standing[id] {
			delete(a.withdrawn, id) // ids do not come back
		}
	}
	if passing && a.pending == 0 {
		a.ledger.pass()
	}
	return nil
}

// endPass ends the first pass: when its last container was probed, or, if one
// hangs, when enough time has gone by.
func (a *Announcer) endPass(probed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if probed {
		a.pending--
	}
	if a.listed && (a.pending == 0 || !probed) {
		a.ledger.pass()
	}
}
