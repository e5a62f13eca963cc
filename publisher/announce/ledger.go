package announce

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

const (
	batch      = 100         // keys in one transaction
	writePause = time.Second // after a write that failed
)

// ledger holds keys in etcd on one lease: it writes what changed, and all of
// it again when the lease is lost.
type ledger struct {
	kv      *etcd.KV
	host    string // under which this publisher is known
	ttl     time.Duration
	log     *slog.Logger
	metrics metrics
	// withdrawn is called with what stands under keys.Withdrawals before
	// anything is written on a new lease.
	withdrawn func(etcd.State)

	mu     sync.Mutex
	wanted map[string]string
	passed bool // all containers have been looked at once
	wake   chan struct{}

	predecessor int64             // lease of the publisher before this one, 0 if unknown
	inherited   map[string]string // what it had announced; not changed after load
	disowned    map[string]bool   // what of that is to be deleted now
}

func newLedger(kv *etcd.KV, host string, ttl time.Duration, log *slog.Logger, m metrics) *ledger {
	return &ledger{kv: kv, host: host, ttl: ttl, log: log, metrics: m, wanted: map[string]string{}, disowned: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// load reads what the publisher before this one has left. Its keys are those
// on the lease that holds its own.
func (l *ledger) load(ctx context.Context) error {
	own := keys.PublisherHost(l.host)
	s, err := l.kv.List(ctx, keys.Services, keys.Checks, own)
	if err != nil {
		return err
	}
	l.inherited = map[string]string{}
	if l.predecessor = s.Keys[own].Lease; l.predecessor == 0 {
		return nil
	}
	for key, e := range s.Keys {
		if e.Lease == l.predecessor && key != own {
			l.inherited[key] = e.Value
		}
	}
	return nil
}

// set wants key to have value.
func (l *ledger) set(key, value string) {
	l.mu.Lock()
	l.wanted[key] = value
	l.mu.Unlock()
	l.poke()
}

// remove wants key gone, even if it is the predecessor's.
func (l *ledger) remove(key string) {
	l.mu.Lock()
	delete(l.wanted, key)
	if _, ok := l.inherited[key]; ok {
		l.disowned[key] = true
	}
	l.mu.Unlock()
	l.poke()
}

// pass says that everything that runs here has been looked at.
func (l *ledger) pass() {
	l.mu.Lock()
	l.passed = true
	l.mu.Unlock()
	l.poke()
}

func (l *ledger) hasPassed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passed
}

func (l *ledger) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run keeps etcd as wanted until ctx ends. Then the keys lapse: whoever comes
// next finds them.
func (l *ledger) run(ctx context.Context) error {
	return retry.Steadily(ctx, l.log, "announce", writePause, l.hold)
}

// hold keeps etcd as wanted on one lease until that is lost, or a write fails.
func (l *ledger) hold(ctx context.Context) error {
	lease, err := l.kv.Grant(ctx, l.ttl)
	if err != nil {
		return err
	}
	defer lease.Release()
	l.metrics.leases.Inc()
	// While this publisher was away from etcd, containers may have been withdrawn.
	s, err := l.kv.List(ctx, keys.Withdrawals)
	if err != nil {
		return err
	}
	l.withdrawn(s)

	audit := time.NewTicker(l.ttl / 2)
	defer audit.Stop()
	written, present := map[string]string{}, false
	for {
		l.mu.Lock()
		wanted, passed, disowned := maps.Clone(l.wanted), l.passed, maps.Clone(l.disowned)
		l.mu.Unlock()
		if err := l.disown(ctx, disowned); err != nil {
			return err
		}
		if err := l.write(ctx, lease, written, wanted); err != nil {
			return err
		}
		if passed && !present {
			if err := l.succeed(ctx, lease, wanted); err != nil {
				return err
			}
			present = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lease.Lost():
			return errLeaseLost
		case <-l.wake:
		case <-audit.C:
			if present, err = l.audit(ctx, lease, written, present); err != nil {
				return err
			}
		}
	}
}

// write brings what is written to what is wanted.
func (l *ledger) write(ctx context.Context, lease *etcd.Lease, written, wanted map[string]string) error {
	put := map[string]string{}
	flush := func() error {
		if len(put) == 0 {
			return nil
		}
		if err := lease.Put(ctx, put); err != nil {
			return err
		}
		l.metrics.writes.Add(float64(len(put)))
		maps.Copy(written, put)
		clear(put)
		return nil
	}
	for key := range written {
		if _, ok := wanted[key]; ok {
			continue
		}
		if _, err := l.kv.DeleteHeld(ctx, key, lease.ID()); err != nil {
			return err
		}
		delete(written, key)
		l.metrics.writes.Inc()
	}
	for key, value := range wanted {
		if old, ok := written[key]; ok && old == value {
			continue
		}
		if put[key] = value; len(put) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// disown deletes keys of the predecessor.
func (l *ledger) disown(ctx context.Context, gone map[string]bool) error {
	for key := range gone {
		if _, err := l.kv.DeleteHeld(ctx, key, l.predecessor); err != nil {
			return err
		}
		l.mu.Lock()
		delete(l.disowned, key)
		l.mu.Unlock()
	}
	return nil
}

// succeed ends what is left of the predecessor: its keys of containers that
// are no more. Then it says that this publisher has announced all there is.
func (l *ledger) succeed(ctx context.Context, lease *etcd.Lease, wanted map[string]string) error {
	for key := range l.inherited {
		if _, ok := wanted[key]; ok {
			continue
		}
		if _, err := l.kv.DeleteHeld(ctx, key, l.predecessor); err != nil {
			return err
		}
	}
	own := keys.PublisherHost(l.host)
	return lease.Put(ctx, map[string]string{own: l.host})
}

// audit compares with etcd what the lease holds: keys that somebody deleted or
// took over are written again.
func (l *ledger) audit(ctx context.Context, lease *etcd.Lease, written map[string]string, present bool) (bool, error) {
	held, err := lease.Keys(ctx)
	if err != nil {
		return present, err
	}
	own, there := keys.PublisherHost(l.host), map[string]bool{}
	for _, key := range held {
		there[key] = true
	}
	for key := range written {
		if !there[key] {
			l.log.Warn("key had gone from etcd", "key", key)
			delete(written, key)
		}
	}
	return present && there[own], nil
}
