package routes

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/keys"
)

var job = jobid.ID{App: "demo", Version: 2, Type: "web", Num: 1}

func start(t *testing.T) (*Routes, *etcd.KV) {
	t.Helper()
	kv := etcdtest.New(t)
	r := New(kv, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	run(t, r.Run)
	return r, kv
}

// run runs a loop until the test ends.
func run(t *testing.T, loop func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = loop(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func put(t *testing.T, kv *etcd.KV, key, value string) int64 {
	t.Helper()
	rev, err := kv.Put(t.Context(), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// publisher deletes what is withdrawn, as the real one does.
func publisher(t *testing.T, kv *etcd.KV) {
	run(t, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.Withdrawals}, func(ctx context.Context, s etcd.State) error {
			for key := range s.Keys {
				app, job, _ := keys.SplitWithdraw(key)
				if _, _, err := kv.Delete(ctx, keys.Service(app, job)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// router says how far it has come, late by delay.
func router(t *testing.T, kv *etcd.KV, host string, delay time.Duration) {
	put(t, kv, keys.RouterHost(host), host+":80")
	run(t, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.Services, keys.Withdrawals}, func(ctx context.Context, s etcd.State) error {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			_, err := kv.Put(ctx, keys.RouterApplied(host), strconv.FormatInt(s.Revision, 10))
			return err
		})
	})
}

func TestAnnouncedIsLaterThanTheRevision(t *testing.T) {
	r, kv := start(t)
	put(t, kv, keys.Service(job.App, job.String()), "10.0.0.1:80") // of the container before
	rev, err := r.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() { got <- r.Announced(ctx, job, rev) }()
	put(t, kv, keys.Service("demo2", "demo2_v1.web.1"), "10.0.0.9:80")
	select {
	case err := <-got:
		t.Fatal("an older announcement counted:", err)
	case <-time.After(200 * time.Millisecond):
	}
	put(t, kv, keys.Service(job.App, job.String()), "10.0.0.2:80")
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	go func() { got <- r.Announced(ctx, jobid.ID{App: "x", Version: 1, Type: "web", Num: 1}, 0) }()
	cancel()
	if err := <-got; err == nil {
		t.Fatal("a cancelled wait succeeded")
	}
}

func TestWithdrawWaitsForEveryRouter(t *testing.T) {
	r, kv := start(t)
	publisher(t, kv)
	router(t, kv, "10.0.0.1", 0)
	router(t, kv, "10.0.0.2", 300*time.Millisecond)
	put(t, kv, keys.Service(job.App, job.String()), "10.0.0.1:80")
	if err := r.Withdraw(t.Context(), map[jobid.ID]string{job: "cid"}); err != nil {
		t.Fatal(err)
	}
	s, err := kv.List(t.Context(), "/deis/")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Keys[keys.Service(job.App, job.String())]; ok {
		t.Error("still announced")
	}
	withdrawn := s.Keys[keys.Withdraw(job.App, job.String())]
	for _, host := range []string{"10.0.0.1", "10.0.0.2"} {
		if applied, _ := strconv.ParseInt(s.Keys[keys.RouterApplied(host)].Value, 10, 64); applied < withdrawn.Mod {
			t.Errorf("router %s is at %d, the withdrawal at %d", host, applied, withdrawn.Mod)
		}
	}
	if n := testutil.ToFloat64(r.unmet); n != 0 {
		t.Error("counted as unconverged")
	}
	put(t, kv, keys.Check(job.App, job.String()), "{}")
	if err := r.Forget(t.Context(), []jobid.ID{job}); err != nil {
		t.Fatal(err)
	}
	if s, err = kv.List(t.Context(), "/deis/publisher/"); err != nil || len(s.Keys) != 0 {
		t.Error(s.Keys, err)
	}
}

func TestWithdrawWithoutPublisherOrRouter(t *testing.T) {
	r, kv := start(t)
	put(t, kv, keys.Service(job.App, job.String()), "10.0.0.1:80")
	if err := r.Withdraw(t.Context(), map[jobid.ID]string{job: "cid"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := kv.Get(t.Context(), keys.Service(job.App, job.String())); ok || err != nil {
		t.Error("still announced", err)
	}
	if n := testutil.ToFloat64(r.publisher); n != 1 {
		t.Error("forced withdrawals:", n)
	}
}

func TestDeadRouterIsNotWaitedForLong(t *testing.T) {
	r, kv := start(t)
	publisher(t, kv)
	put(t, kv, keys.RouterHost("10.0.0.3"), "10.0.0.3:80")
	if err := r.Withdraw(t.Context(), map[jobid.ID]string{job: "cid"}); err != nil {
		t.Fatal(err)
	}
	if n := testutil.ToFloat64(r.unmet); n != 1 {
		t.Error("unconverged withdrawals:", n)
	}
}

func TestCheckDetail(t *testing.T) {
	r, kv := start(t)
	key := keys.Check(job.App, job.String())
	for value, want := range map[string]string{`{"ok":false,"detail":"got 500"}`: "got 500", `{"ok":true,"detail":"x"}`: "", `{"ok":false,"detail":"the initial delay","waiting":true}`: ""} {
		put(t, kv, key, value)
		err := r.await(t.Context(), func(v view) bool { return v.checks[key] == value })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.CheckDetail(t.Context(), job); got != want || err != nil {
			t.Error(got, err)
		}
	}
}

func TestIsRouter(t *testing.T) {
	r, kv := start(t)
	put(t, kv, keys.RouterHost("203.0.113.5"), "203.0.113.5:80")
	put(t, kv, keys.RouterHost("2001:db8::5"), "[2001:db8::5]:80")
	put(t, kv, keys.Service(job.App, job.String()), "203.0.113.6:80")
	if err := r.Announced(t.Context(), job, 0); err != nil { // all of it is followed
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"203.0.113.5": true, "2001:db8::5": true, "203.0.113.6": false, "203.0.113.50": false} {
		if got := r.IsRouter(netip.MustParseAddr(at)); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}
