package routes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/keys"
)

func TestEtcdAway(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	r := New(kv, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	run(t, r.Run)
	put(t, kv, keys.Service(job.App, job.String()), "10.0.0.1:80")
	if err := r.Announced(t.Context(), job, 0); err != nil { // it follows
		t.Fatal(err)
	}
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for what, err := range map[string]error{
		"withdraw": r.Withdraw(ctx, map[jobid.ID]string{job: "cid"}),
		"forget":   r.Forget(ctx, []jobid.ID{job}),
	} {
		if deis.KindOf(err) != deis.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	srv.Restart()
	publisher(t, kv)
	router(t, kv, "10.0.0.1", 0)
	if err := r.Withdraw(t.Context(), map[jobid.ID]string{job: "cid"}); err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce is more than one transaction of etcd holds.
func TestManyAtOnce(t *testing.T) {
	r, kv := start(t)
	publisher(t, kv)
	router(t, kv, "10.0.0.1", 0)
	containers := map[jobid.ID]string{}
	var ops []etcd.Op
	var jobs []jobid.ID
	for n := range 300 {
		id := jobid.ID{App: "demo", Version: 1, Type: "web", Num: n + 1}
		containers[id] = fmt.Sprint("cid", n)
		jobs = append(jobs, id)
		ops = append(ops, etcd.Set(keys.Service(id.App, id.String()), "10.0.0.1:80"))
	}
	if _, err := kv.Apply(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	if err := r.Withdraw(t.Context(), containers); err != nil {
		t.Fatal(err)
	}
	if s, err := kv.List(t.Context(), keys.Services); err != nil || len(s.Keys) != 0 {
		t.Error(len(s.Keys), err)
	}
	if err := r.Forget(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	if s, err := kv.List(t.Context(), "/deis/publisher/"); err != nil || len(s.Keys) != 0 {
		t.Error(len(s.Keys), err)
	}
}

func TestWithdrawEndsWithItsContext(t *testing.T) {
	r, kv := start(t)
	publisher(t, kv)
	put(t, kv, keys.RouterHost("10.0.0.1"), "10.0.0.1:80") // and never applies anything
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := r.Withdraw(ctx, map[jobid.ID]string{job: "cid"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestNoGoroutineLeft(t *testing.T) {
	kv := etcdtest.New(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := New(kv, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	put(t, kv, keys.Service(job.App, job.String()), "10.0.0.1:80")
	if err := r.Announced(ctx, job, 0); err != nil {
		t.Error(err)
	}
	cancel()
	<-done
}
