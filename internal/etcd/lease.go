package etcd

import (
	"context"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/deis/deis/internal/retry"
)

// revokeTimeout bounds the revocation of a lease on exit.
const revokeTimeout = 2 * time.Second

// Lease proves life: the keys it holds vanish together, at one revision, when
// nothing has renewed it for its time to live.
type Lease struct {
	kv   *KV
	id   clientv3.LeaseID
	lost chan struct{}
	stop context.CancelFunc
}

// Grant makes a lease and renews it until ctx ends or etcd says it is gone.
func (kv *KV) Grant(ctx context.Context, ttl time.Duration) (*Lease, error) {
	call, cancelCall := context.WithTimeout(ctx, callTimeout)
	defer cancelCall()
	resp, err := kv.client.Grant(call, int64(ttl/time.Second))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	renewals, err := kv.client.KeepAlive(ctx, resp.ID)
	if err != nil {
		cancel()
		return nil, err
	}
	l := &Lease{kv: kv, id: resp.ID, lost: make(chan struct{}), stop: cancel}
	go func() {
		defer close(l.lost)
		for range renewals { // closed when the lease is gone or ctx has ended
		}
	}()
	return l, nil
}

// ID is what Entry.Lease says of the keys that the lease holds.
func (l *Lease) ID() int64 { return int64(l.id) }

// Lost is closed once the lease is no longer renewed: it ran out, was revoked,
// or its context ended.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Put writes keys on the lease in one transaction (at most 128).
func (l *Lease) Put(ctx context.Context, pairs map[string]string) error {
	ops := make([]Op, 0, len(pairs))
	for k, v := range pairs {
		ops = append(ops, Op{clientv3.OpPut(k, v, clientv3.WithLease(l.id))})
	}
	_, err := l.kv.Apply(ctx, ops...)
	return err
}

// Keys lists what the lease holds.
func (l *Lease) Keys(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := l.kv.client.TimeToLive(ctx, l.id, clientv3.WithAttachedKeys())
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(resp.Keys))
	for i, k := range resp.Keys {
		keys[i] = string(k)
	}
	return keys, nil
}

// Release stops renewing; the keys lapse when the time to live is over.
func (l *Lease) Release() {
	l.stop()
	<-l.lost
}

// Revoke ends the lease and deletes its keys now.
func (l *Lease) Revoke(ctx context.Context) error {
	l.Release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	_, err := l.kv.client.Revoke(ctx, l.id)
	return err
}

// DeleteHeld removes key if the lease with that id holds it: what someone else
// has written meanwhile stays.
func (kv *KV) DeleteHeld(ctx context.Context, key string, lease int64) (deleted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := kv.client.Txn(ctx).
		If(clientv3.Compare(clientv3.LeaseValue(key), "=", clientv3.LeaseID(lease))).
		Then(clientv3.OpDelete(key)).
		Commit()
	if err != nil {
		return false, err
	}
	return resp.Succeeded && resp.Responses[0].GetResponseDeleteRange().Deleted > 0, nil
}

// Announce holds pairs in etcd on a lease of ttl until ctx ends, and then
// deletes them. A lost lease is replaced and the pairs are written again.
func Announce(ctx context.Context, log *slog.Logger, kv *KV, pairs map[string]string, ttl time.Duration) error {
	return retry.Steadily(ctx, log, "announce", time.Second, func(ctx context.Context) error {
		lease, err := kv.Grant(ctx, ttl)
		if err != nil {
			return err
		}
		defer func() {
			if err := lease.Revoke(ctx); err != nil {
				log.Warn("lease left to lapse", "err", err)
			}
		}()
		if err := lease.Put(ctx, pairs); err != nil {
			return err
		}
		<-lease.Lost()
		return nil
	})
}
