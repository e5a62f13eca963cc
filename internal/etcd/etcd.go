// Package etcd is how components use etcd v3: plain reads and writes with a
// deadline, Follow for state that must be kept up to date, and leases that
// prove life (Announce, Lease).
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/deis/deis/internal/retry"
)

const (
	callTimeout = 5 * time.Second // of one request, if the caller sets no shorter one
	dialTimeout = time.Minute     // of Dial
	maxOps      = 128             // operations in one transaction, etcd's default bound
)

// KV is a connection to etcd, safe for concurrent use.
type KV struct {
	client *clientv3.Client
}

// Dial connects to etcd and waits up to a minute until it answers.
func Dial(ctx context.Context, endpoints []string) (*KV, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		DialTimeout:          callTimeout,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		Logger:               zap.NewNop(),
		// gRPC's own pauses between attempts to connect grow to two minutes.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: callTimeout,
		})},
	})
	if err != nil {
		return nil, err
	}
	kv := &KV{client: client}
	wait, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var last error
	err = retry.Until(wait, 250*time.Millisecond, func(ctx context.Context) (bool, error) {
		last = kv.Ping(ctx)
		return last == nil, nil
	})
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("etcd at %v does not answer: %w", endpoints, errors.Join(err, last))
	}
	return kv, nil
}

// Close ends the connection.
func (kv *KV) Close() error { return kv.client.Close() }

// Ping is nil if etcd answers a linearizable read.
func (kv *KV) Ping(ctx context.Context) error {
	_, _, err := kv.Get(ctx, "/deis")
	return err
}

// LocalIP is the address of this host from which etcd is reached: what a
// component announces when HOST is not set.
func (kv *KV) LocalIP() (string, error) {
	conn, err := net.Dial("udp", kv.client.Endpoints()[0]) // UDP sends nothing
	if err != nil {
		return "", err
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	return host, err
}

// Entry is the value of a key.
type Entry struct {
	Value string
	Mod   int64 // revision of the last change
	Born  int64 // revision in which the key came to be; another one if it was deleted since
	Lease int64 // 0 if none holds the key
}

// Get reads one key.
func (kv *KV) Get(ctx context.Context, key string) (e Entry, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := kv.client.Get(ctx, key)
	if err != nil {
		return Entry{}, false, err
	}
	if len(resp.Kvs) == 0 {
		return Entry{}, false, nil
	}
	k := resp.Kvs[0]
	return Entry{Value: string(k.Value), Mod: k.ModRevision, Born: k.CreateRevision, Lease: k.Lease}, true, nil
}

// List reads all keys under prefixes in one transaction.
func (kv *KV) List(ctx context.Context, prefixes ...string) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*callTimeout) // may be large
	defer cancel()
	ops := make([]clientv3.Op, len(prefixes))
	for i, p := range prefixes {
		ops[i] = clientv3.OpGet(p, clientv3.WithPrefix())
	}
	resp, err := kv.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return State{}, err
	}
	s := State{Revision: resp.Header.Revision, Keys: map[string]Entry{}}
	for _, r := range resp.Responses {
		for _, k := range r.GetResponseRange().Kvs {
			s.Keys[string(k.Key)] = Entry{Value: string(k.Value), Mod: k.ModRevision, Born: k.CreateRevision, Lease: k.Lease}
		}
	}
	return s, nil
}

// Revision is the current revision of the whole store.
func (kv *KV) Revision(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := kv.client.Get(ctx, "/deis", clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return resp.Header.Revision, nil
}

// Put writes one key without a lease and returns the revision of the change.
func (kv *KV) Put(ctx context.Context, key, value string) (int64, error) {
	return kv.Apply(ctx, Set(key, value))
}

// Create writes key unless it exists, and returns the value that stands then.
func (kv *KV) Create(ctx context.Context, key, value string) (current string, created bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := kv.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, value)).
		Else(clientv3.OpGet(key)).
		Commit()
	if err != nil {
		return "", false, err
	}
	if resp.Succeeded {
		return value, true, nil
	}
	return string(resp.Responses[0].GetResponseRange().Kvs[0].Value), false, nil
}

// Delete removes one key. The revision is that of the store after it, and thus
// not older than the key's end, whoever brought that about.
func (kv *KV) Delete(ctx context.Context, key string) (revision int64, deleted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := kv.client.Delete(ctx, key)
	if err != nil {
		return 0, false, err
	}
	return resp.Header.Revision, resp.Deleted > 0, nil
}

// DeletePrefix removes all keys under prefix, which ends with a slash.
func (kv *KV) DeletePrefix(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := kv.client.Delete(ctx, prefix, clientv3.WithPrefix())
	return err
}

// Op is one change for Apply.
type Op struct{ op clientv3.Op }

// Set writes a key without a lease.
func Set(key, value string) Op { return Op{clientv3.OpPut(key, value)} }

// Remove deletes a key.
func Remove(key string) Op { return Op{clientv3.OpDelete(key)} }

// RemovePrefix deletes all keys under a prefix that ends with a slash.
func RemovePrefix(prefix string) Op { return Op{clientv3.OpDelete(prefix, clientv3.WithPrefix())} }

// Apply makes all changes in one transaction if there are at most 128, else in
// several of that size, in order. It returns the revision of the last. Two
// changes in one call must not touch the same key.
func (kv *KV) Apply(ctx context.Context, ops ...Op) (revision int64, err error) {
	for len(ops) > 0 {
		n := min(len(ops), maxOps)
		batch := make([]clientv3.Op, n)
		for i, o := range ops[:n] {
			batch[i] = o.op
		}
		ops = ops[n:]
		if revision, err = kv.commit(ctx, batch); err != nil {
			return 0, err
		}
	}
	return revision, nil
}

func (kv *KV) commit(ctx context.Context, ops []clientv3.Op) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := kv.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return 0, err
	}
	return resp.Header.Revision, nil
}
