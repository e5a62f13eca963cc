package etcd_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// follow runs Follow until the test ends and returns its states as copies.
func follow(t *testing.T, kv *etcd.KV, prefixes ...string) <-chan etcd.State {
	t.Helper()
	states := make(chan etcd.State, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = etcd.Follow(ctx, kv, prefixes, func(_ context.Context, s etcd.State) error {
			c := etcd.State{Revision: s.Revision, Keys: map[string]etcd.Entry{}}
			for k, v := range s.Keys {
				c.Keys[k] = v
			}
			states <- c
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return states
}

// await takes states until one satisfies ok.
func await(t *testing.T, states <-chan etcd.State, ok func(etcd.State) bool) etcd.State {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case s := <-states:
			if ok(s) {
				return s
			}
		case <-deadline:
			t.Fatal("no such state in 30 s")
		}
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestFollowSnapshotThenChanges(t *testing.T) {
	kv := etcdtest.New(t)
	ctx := t.Context()
	must(kv.Put(ctx, "/deis/services/a", "a"))(t)
	must(kv.Put(ctx, "/deis/other/x", "x"))(t)
	states := follow(t, kv, "/deis/services/", "/deis/domains/")
	s := await(t, states, func(etcd.State) bool { return true })
	if len(s.Keys) != 1 || s.Keys["/deis/services/a"].Value != "a" {
		t.Fatal(s)
	}
	must(kv.Put(ctx, "/deis/other/y", "y"))(t)
	must(kv.Put(ctx, "/deis/domains/d", "a"))(t)
	rev, _, err := kv.Delete(ctx, "/deis/services/a")
	if err != nil {
		t.Fatal(err)
	}
	s = await(t, states, func(s etcd.State) bool { return s.Revision >= rev })
	if len(s.Keys) != 1 || s.Keys["/deis/domains/d"].Value != "a" {
		t.Fatal(s)
	}
}

func TestFollowSurvivesRestartOfEtcd(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	states := follow(t, kv, "/deis/a/")
	await(t, states, func(etcd.State) bool { return true })
	srv.Restart()
	for i := 0; ; i++ { // the first writes may meet the closing connection
		if _, err := kv.Put(t.Context(), "/deis/a/1", "1"); err == nil {
			break
		} else if i == 20 {
			t.Fatal(err)
		}
	}
	await(t, states, func(s etcd.State) bool { return s.Keys["/deis/a/1"].Value == "1" })
}

func TestLeaseKeysVanishTogether(t *testing.T) {
	kv := etcdtest.New(t)
	lease, err := kv.Grant(t.Context(), 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{"/deis/a/1": "1", "/deis/a/2": "2"}
	if err := lease.Put(t.Context(), pairs); err != nil {
		t.Fatal(err)
	}
	states := follow(t, kv, "/deis/a/")
	s := await(t, states, func(s etcd.State) bool { return len(s.Keys) == 2 })
	if s.Keys["/deis/a/1"].Lease != lease.ID() {
		t.Error("entry does not name its lease")
	}
	if err := lease.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := <-states; len(s.Keys) != 0 {
		t.Fatal("keys of one lease vanished one by one")
	}
}

func TestAnnounceHoldsAndDeletes(t *testing.T) {
	kv := etcdtest.New(t)
	states := follow(t, kv, "/deis/a/")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = etcd.Announce(ctx, quiet, kv, map[string]string{"/deis/a/host": "h"}, 5*time.Second)
	}()
	await(t, states, func(s etcd.State) bool { return s.Keys["/deis/a/host"].Value == "h" })
	cancel()
	<-done
	await(t, states, func(s etcd.State) bool { return len(s.Keys) == 0 })
}

func TestCreateAndApply(t *testing.T) {
	kv := etcdtest.New(t)
	ctx := t.Context()
	if v, created, err := kv.Create(ctx, "/deis/k", "1"); v != "1" || !created || err != nil {
		t.Fatal(v, created, err)
	}
	if v, created, err := kv.Create(ctx, "/deis/k", "2"); v != "1" || created || err != nil {
		t.Fatal(v, created, err)
	}
	var ops []etcd.Op
	for i := range 300 {
		ops = append(ops, etcd.Set(fmt.Sprintf("/deis/many/%d", i), "x"))
	}
	rev := must(kv.Apply(ctx, ops...))(t)
	s := must(kv.List(ctx, "/deis/many/"))(t)
	if len(s.Keys) != 300 || s.Revision != rev {
		t.Fatal(len(s.Keys), s.Revision, rev)
	}
	if err := kv.DeletePrefix(ctx, "/deis/many/"); err != nil {
		t.Fatal(err)
	}
	if s := must(kv.List(ctx, "/deis/many/"))(t); len(s.Keys) != 0 {
		t.Fatal(s.Keys)
	}
}

func TestDeleteHeld(t *testing.T) {
	kv := etcdtest.New(t)
	mine, err := kv.Grant(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := kv.Grant(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := mine.Put(t.Context(), map[string]string{"/deis/a": "1", "/deis/b": "1"}); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Put(t.Context(), map[string]string{"/deis/b": "2"}); err != nil {
		t.Fatal(err)
	}
	if held, err := mine.Keys(t.Context()); err != nil || len(held) != 1 || held[0] != "/deis/a" {
		t.Error(held, err)
	}
	for key, want := range map[string]bool{"/deis/a": true, "/deis/b": false, "/deis/none": false} {
		if got, err := kv.DeleteHeld(t.Context(), key, mine.ID()); err != nil || got != want {
			t.Errorf("%s: %v %v", key, got, err)
		}
	}
}

func TestBornTellsIncarnationsApart(t *testing.T) {
	kv := etcdtest.New(t)
	ctx := t.Context()
	first := must(kv.Put(ctx, "/deis/k", "1"))(t)
	must(kv.Put(ctx, "/deis/k", "2"))(t)
	if e, _, err := kv.Get(ctx, "/deis/k"); err != nil || e.Born != first || e.Mod == first {
		t.Error(e, err)
	}
	if _, _, err := kv.Delete(ctx, "/deis/k"); err != nil {
		t.Fatal(err)
	}
	must(kv.Put(ctx, "/deis/k", "3"))(t)
	if e, _, err := kv.Get(ctx, "/deis/k"); err != nil || e.Born == first {
		t.Error(e, err)
	}
}
