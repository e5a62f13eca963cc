package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

const (
	passInterval  = time.Minute            // between passes that nobody asked for
	minPause      = 100 * time.Millisecond // after a pass that failed, doubled each time
	maxPause      = 5 * time.Second
	updateTimeout = 15 * time.Second // of Update

	gatherTime  = 5 * time.Millisecond  // of callers, at most
	freshAnswer = 20 * time.Millisecond // how long an answer of etcd shows that it is there
)

// Records is the truth. State reads it at one moment, only the parts that are
// named if any is; of configs only the values whose lower-case names are
// settings.
type Records interface {
	State(ctx context.Context, settings []string, parts ...deis.Part) (apps []string, domains []deis.Domain, keys []deis.Key, certs []deis.Pair, configs []deis.Config, err error)
}

// Mirror copies the records to etcd. It implements deis.Mirror.
type Mirror struct {
	records Records
	kv      *etcd.KV
	log     *slog.Logger
	passes  *prometheus.CounterVec
	changes prometheus.Counter

	wake     chan struct{} // 1: somebody waits for a pass
	answered atomic.Int64  // when etcd did last, in nanoseconds since 1970

	mu        sync.Mutex
	asked     scope         // of the next pass
	callers   int           // who wait for the next pass
	served    int           // who waited for the last ones; falls by one a pass
	begun     int           // passes so far
	succeeded int           // number of the newest one that has succeeded
	success   chan struct{} // closed at the next success
	err       error         // why the last pass failed, nil if it has not
}

var _ deis.Mirror = (*Mirror)(nil)

// New makes a mirror that copies while Run runs.
func New(records Records, kv *etcd.KV, log *slog.Logger, metrics prometheus.Registerer) *Mirror {
	m := &Mirror{
		records: records, kv: kv, log: log,
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deis_controller_mirror_passes_total", Help: "Comparisons of etcd with the records.",
		}, []string{"outcome"}),
		changes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_controller_mirror_changes_total", Help: "Changes of keys written to etcd, also such as changed nothing.",
		}),
		wake:    make(chan struct{}, 1),
		success: make(chan struct{}),
		asked:   scope{all: true},
	}
	metrics.MustRegister(m.passes, m.changes)
	return m
}

// Run makes a pass over all now and every minute, and one over what Update asks
// for, until ctx ends. A pass that failed is repeated.
func (m *Mirror) Run(ctx context.Context) error {
	tick := time.NewTicker(passInterval)
	defer tick.Stop()
	for pause := minPause; ; {
		err := m.numbered(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			m.log.Warn("etcd is behind the records, trying again", "err", err, "pause", pause.String())
			if err := retry.Sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = minPause
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			m.mu.Lock()
			m.asked.add()
			m.mu.Unlock()
		case <-m.wake:
			m.gather(ctx)
		}
	}
}

// gather waits a moment for as many callers as the passes before served, if
// those were several, so that one write to etcd, and one event to all who follow
// it, is for all of them. Who is alone for some passes never waits.
func (m *Mirror) gather(ctx context.Context) {
	moment := time.NewTimer(gatherTime)
	defer moment.Stop()
	for {
		m.mu.Lock()
		enough := m.served < 2 || m.callers >= m.served
		m.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-moment.C:
			return
		case <-m.wake:
		}
	}
}

// Once makes one pass, whether or not Run runs, here or in another process.
func (m *Mirror) Once(ctx context.Context) error { return m.numbered(ctx) }

// Update returns when a pass over the parts, over all if none is named, that
// began after the call has succeeded. Calls that come while one is under way
// share the next, over the parts of all of them. If none succeeds in time,
// because etcd or the database is away, the error is of kind Unavailable; Run
// goes on trying.
func (m *Mirror) Update(ctx context.Context, parts ...deis.Part) error {
	wait, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	need := m.begun + 1
	m.asked.add(parts...)
	m.callers++
	select {
	case m.wake <- struct{}{}:
	default: // asked for already
	}
	for m.succeeded < need {
		success := m.success
		m.mu.Unlock()
		select {
		case <-success:
		case <-wait.Done():
		}
		m.mu.Lock()
		if m.succeeded < need && wait.Err() != nil {
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return m.failure()
		}
	}
	return nil
}

// failure is what a caller reads who has waited in vain.
func (m *Mirror) failure() error {
	if deis.KindOf(m.err) == deis.Unavailable { // the database
		return m.err
	}
	return &deis.Error{Kind: deis.Unavailable, Detail: "etcd is not available.", Err: m.err}
}

// numbered makes a pass and tells those who wait for it.
func (m *Mirror) numbered(ctx context.Context) error {
	m.mu.Lock()
	select {
	case <-m.wake: // what was asked for until now, this pass does
	default:
	}
	m.begun++
	number, over := m.begun, m.asked
	m.asked = scope{}
	m.served, m.callers = max(m.callers, m.served-1), 0
	m.mu.Unlock()

	err := m.pass(ctx, over)

	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	if err != nil {
		m.asked.join(over)
		m.passes.WithLabelValues("failed").Inc()
		return err
	}
	m.passes.WithLabelValues("ok").Inc()
	m.succeeded = number
	close(m.success)
	m.success = make(chan struct{})
	return nil
}

// Answers is nil if etcd answers, or has done so just now, as it has while the
// mirror is busy: then nobody waits for it once more.
func (m *Mirror) Answers(ctx context.Context) error {
	if time.Since(time.Unix(0, m.answered.Load())) < freshAnswer {
		return nil
	}
	if err := m.kv.Ping(ctx); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return &deis.Error{Kind: deis.Unavailable, Detail: "etcd is not available.", Err: err}
	}
	m.hasAnswered()
	return nil
}

func (m *Mirror) hasAnswered() { m.answered.Store(time.Now().UnixNano()) }

// pass makes etcd say what the records say.
func (m *Mirror) pass(ctx context.Context, over scope) error {
	if !over.all {
		return m.passOver(ctx, over.parts)
	}
	var t truth
	var found etcd.State
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		t, err = m.truth(gctx)
		return err
	})
	g.Go(func() (err error) {
		if found, err = m.kv.List(gctx, prefixes...); err != nil {
			return fmt.Errorf("read etcd: %w", err)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := m.apply(ctx, plan(t.wanted(), found.Keys)); err != nil {
		return err
	}
	if _, ok := found.Keys[keys.Mirrored]; ok {
		return nil
	}
	if _, _, err := m.kv.Create(ctx, keys.Mirrored, "done"); err != nil {
		return fmt.Errorf("write etcd: %w", err)
	}
	return nil
}

// passOver makes etcd say what the records say of some parts. It writes without
// reading etcd first: who asks has just changed them.
func (m *Mirror) passOver(ctx context.Context, parts []deis.Part) error {
	if len(parts) == 0 {
		return nil
	}
	t, err := m.truth(ctx, parts...)
	if err != nil {
		return err
	}
	return m.apply(ctx, planParts(t.wanted(), parts))
}

// truth reads what the records say.
func (m *Mirror) truth(ctx context.Context, parts ...deis.Part) (t truth, err error) {
	t.apps, t.domains, t.keys, t.certs, t.configs, err = m.records.State(ctx, settings, parts...)
	if err != nil {
		err = fmt.Errorf("read the records: %w", err)
	}
	return t, err
}

// apply writes transactions.
func (m *Mirror) apply(ctx context.Context, txns [][]change) error {
	for _, txn := range txns {
		ops := make([]etcd.Op, len(txn))
		for i, c := range txn {
			if c.remove {
				ops[i] = etcd.Remove(c.key)
			} else {
				ops[i] = etcd.Set(c.key, c.value)
			}
		}
		if _, err := m.kv.Apply(ctx, ops...); err != nil {
			return fmt.Errorf("write etcd: %w", err)
		}
		m.hasAnswered()
		m.changes.Add(float64(len(txn)))
	}
	return nil
}
