package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// State is all keys under some prefixes at one revision.
type State struct {
	Revision int64
	Keys     map[string]Entry
}

// rollbackInterval is how often Follow looks whether etcd has lost its data: a
// watch from a revision that no longer exists would wait for ever.
const rollbackInterval = 15 * time.Second

var errRolledBack = errors.New("etcd is at an older revision than before")

// Follow calls apply with all keys under prefixes, and again whenever one of
// them changed, until ctx ends or apply fails. Each call gets the whole state,
// so apply must be idempotent; it may read the map but not keep or change it.
// Changes that arrive while apply runs are folded into the next call. State of
// a later call is never older: all changes come from one ordered watch over
// what the prefixes have in common. After a compaction, or when etcd was
// restored to an older revision, Follow reads everything anew.
func Follow(ctx context.Context, kv *KV, prefixes []string, apply func(context.Context, State) error) error {
	for {
		err := follow(ctx, kv, prefixes, apply)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, rpctypes.ErrCompacted) && !errors.Is(err, errRolledBack) {
			return err
		}
	}
}

func follow(ctx context.Context, kv *KV, prefixes []string, apply func(context.Context, State) error) error {
	state, err := kv.List(ctx, prefixes...)
	if err != nil {
		return fmt.Errorf("read %v: %w", prefixes, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Without a leader the watch must fail rather than stand still.
	events := kv.client.Watch(clientv3.WithRequireLeader(ctx), common(prefixes), clientv3.WithPrefix(), clientv3.WithRev(state.Revision+1))
	if err := apply(ctx, state); err != nil {
		return err
	}
	rollback := time.NewTicker(rollbackInterval)
	defer rollback.Stop()
	for {
		changed := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-rollback.C:
			if now, err := kv.Revision(ctx); err == nil && now < state.Revision {
				return errRolledBack
			}
		case resp, ok := <-events:
			if !ok {
				return errors.New("etcd ended the watch")
			}
			if changed, err = state.fold(resp, prefixes); err != nil {
				return err
			}
		}
		for more := true; more; { // take in what else has arrived
			select {
			case resp, ok := <-events:
				if !ok {
					return errors.New("etcd ended the watch")
				}
				c, err := state.fold(resp, prefixes)
				if err != nil {
					return err
				}
				changed = changed || c
			default:
				more = false
			}
		}
		if !changed {
			continue
		}
		if err := apply(ctx, state); err != nil {
			return err
		}
	}
}

// fold takes a watch response into s and says whether it concerned prefixes.
func (s *State) fold(resp clientv3.WatchResponse, prefixes []string) (changed bool, err error) {
	if err := resp.Err(); err != nil {
		return false, err
	}
	for _, ev := range resp.Events {
		s.Revision = ev.Kv.ModRevision
		key := string(ev.Kv.Key)
		if !hasPrefix(key, prefixes) {
			continue
		}
		changed = true
		if ev.Type == clientv3.EventTypeDelete {
			delete(s.Keys, key)
			continue
		}
		s.Keys[key] = Entry{Value: string(ev.Kv.Value), Mod: ev.Kv.ModRevision, Born: ev.Kv.CreateRevision, Lease: ev.Kv.Lease}
	}
	return changed, nil
}

func hasPrefix(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// common is the longest prefix that all of prefixes share.
func common(prefixes []string) string {
	c := prefixes[0]
	for _, p := range prefixes[1:] {
		for !strings.HasPrefix(p, c) {
			c = c[:len(c)-1]
		}
	}
	return c
}
