package postgres

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/pgtest"
	"github.com/deis/deis/internal/retry"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// place is a Source that stays where it is.
func place(t testing.TB, dsn string) Source {
	t.Helper()
	c, err := Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context) (Config, error) { return c, nil }
}

// open connects to a database until the test ends.
func open(t testing.TB, source Source) *DB {
	t.Helper()
	db, err := Connect(t.Context(), quiet, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// fresh is an empty database.
func fresh(t testing.TB) *DB {
	t.Helper()
	return open(t, place(t, pgtest.New(t)))
}

// ok returns what a call that must not fail returned.
func ok[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// done fails the test if err is not nil.
func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// through is c by way of a proxy.
func through(t testing.TB, c Config) (*pgtest.Proxy, Config) {
	t.Helper()
	p, host, port := pgtest.Through(t, c.Host, c.Port)
	c.Host, c.Port = host, port
	return p, c
}

// is fails the test unless err is of the kind.
func is(t testing.TB, err error, kind deis.Kind) {
	t.Helper()
	if err == nil || deis.KindOf(err) != kind {
		t.Fatalf("got error %v (kind %d), want kind %d", err, deis.KindOf(err), kind)
	}
}

// notUnique fails the test unless err says so of the field.
func notUnique(t testing.TB, err error, field string) {
	t.Helper()
	want := deis.ErrNotUnique(field)
	if err == nil || err.Error() != want.Error() {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }) != nil {
		t.Fatalf("not in 30 s: %s", what)
	}
}

// user makes accounts, the first of which becomes a superuser.
func users(t testing.TB, r deis.Tx, names ...string) {
	t.Helper()
	for _, name := range names {
		ok(r.CreateUser(t.Context(), deis.User{Username: name}, "hash"))(t)
	}
}

// app makes an app as the rules do: with a config and release v1.
func app(t testing.TB, r deis.Tx, id, owner string) deis.Release {
	t.Helper()
	ctx := t.Context()
	ok(r.CreateApp(ctx, deis.App{ID: id, Owner: owner}))(t)
	c := ok(r.CreateConfig(ctx, deis.Config{App: id, Owner: owner}))(t)
	return ok(r.CreateRelease(ctx, deis.Release{App: id, Owner: owner, Config: c.UUID, Summary: "initial"}))(t)
}

// release makes a pending release with a build and a config of its own.
func release(t testing.TB, r deis.Tx, app, owner string) deis.Release {
	t.Helper()
	ctx := t.Context()
	c := ok(r.CreateConfig(ctx, deis.Config{App: app, Owner: owner, Values: map[string]string{"A": "1"}}))(t)
	b := ok(r.CreateBuild(ctx, deis.Build{App: app, Owner: owner, Image: app}))(t)
	return ok(r.CreateRelease(ctx, deis.Release{App: app, Owner: owner, Config: c.UUID, Build: b.UUID, Pending: true}))(t)
}

func names[T any](vs []T, name func(T) string) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = name(v)
	}
	return fmt.Sprint(out)
}
