package controller_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller"
	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/mirror"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/pgtest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// present are the keys of etcd with their values.
func present(t testing.TB, kv *etcd.KV) map[string]string {
	t.Helper()
	s, err := kv.List(t.Context(), "/deis/")
	must(t, err)
	out := map[string]string{}
	for k, e := range s.Keys {
		out[k] = e.Value
	}
	return out
}

func TestLoadDBState(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	place, err := postgres.Parse(pgtest.New(t))
	must(t, err)
	announceDatabase(t, kv, place)
	db, err := postgres.Connect(t.Context(), quiet, postgres.FromEtcd(kv))
	must(t, err)
	defer db.Close()
	populate(t, db)

	var out bytes.Buffer
	load := func() {
		t.Helper()
		out.Reset()
		must(t, controller.LoadInto(t.Context(), environment{"ETCD": strings.Join(srv.Endpoints, ",")}.get, &out))
		if got := out.String(); got != "Publishing DB state to etcd...\nDone Publishing DB state to etcd.\n" {
			t.Errorf("printed %q", got)
		}
	}
	load()
	full := present(t, kv)
	for _, key := range []string{
		keys.App("demo"), keys.App("other"), keys.Domain("demo.org"), keys.BuilderUser("bob", "aa:bb"), keys.Config("demo", "healthcheck_url"), keys.Mirrored,
	} {
		if full[key] == "" {
			t.Errorf("%s was not written", key)
		}
	}

	// Half of etcd is lost, and something stale stands there.
	for _, prefix := range []string{keys.Domains, keys.BuilderUsers, keys.Configs, keys.App("demo")} {
		must(t, kv.DeletePrefix(t.Context(), prefix))
	}
	stale := []string{keys.App("gone"), keys.Domain("gone.org"), keys.BuilderUser("gone", "cc"), keys.Config("gone", "maintenance"), keys.Config("demo", "maintenance")}
	for _, key := range stale {
		_, err := kv.Put(t.Context(), key, "x")
		must(t, err)
	}
	_, err = kv.Put(t.Context(), keys.Domain("demo.org"), "other")
	must(t, err)
	_, err = kv.Put(t.Context(), keys.Service("demo", "demo_v2.web.1"), "10.0.0.1:5000") // the publisher's
	must(t, err)
	full[keys.Service("demo", "demo_v2.web.1")] = "10.0.0.1:5000"
	load()
	if now := present(t, kv); !maps.Equal(now, full) {
		t.Errorf("got %v\nwant %v", slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(full)))
	}

	// Again, it writes nothing.
	before, err := kv.Revision(t.Context())
	must(t, err)
	load()
	if after, err := kv.Revision(t.Context()); after != before || err != nil {
		t.Error("wrote what was right already:", before, after, err)
	}

	// Beside a server's mirror it does no harm.
	m := mirror.New(db, kv, quiet, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	for range 3 {
		must(t, kv.DeletePrefix(t.Context(), keys.Domains))
		load()
		must(t, m.Update(t.Context()))
		if now := present(t, kv); !maps.Equal(now, full) {
			t.Errorf("beside a server: %v", slices.Sorted(maps.Keys(now)))
		}
	}
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// environment is a process's.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// populate makes an app with all that the mirror shows of one, and a bare one.
func populate(t testing.TB, db *postgres.DB) {
	t.Helper()
	ctx := t.Context()
	_, err := db.CreateUser(ctx, deis.User{Username: "bob"}, "h")
	must(t, err)
	must(t, db.InTx(ctx, func(tx deis.Tx) error {
		for _, app := range []string{"demo", "other"} {
			if _, err := tx.CreateApp(ctx, deis.App{ID: app, Owner: "bob"}); err != nil {
				return err
			}
			c, err := tx.CreateConfig(ctx, deis.Config{App: app, Owner: "bob", Values: map[string]string{"HEALTHCHECK_URL": "/ok", "SECRET": "x"}})
			if err != nil {
				return err
			}
			if _, err := tx.CreateRelease(ctx, deis.Release{App: app, Owner: "bob", Config: c.UUID}); err != nil {
				return err
			}
		}
		if _, err := tx.CreateDomain(ctx, deis.Domain{App: "demo", Owner: "bob", Domain: "demo.org"}); err != nil {
			return err
		}
		_, err := tx.CreateKey(ctx, deis.Key{Owner: "bob", ID: "k", Public: "ssh-rsa A", Fingerprint: "aa:bb"})
		return err
	}))
}
