package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/pgtest"
)

func TestMigrateTogetherAndAgain(t *testing.T) {
	where := place(t, pgtest.New(t))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := Migrate(t.Context(), quiet, where); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := open(t, where)
	files := ok(migrations.ReadDir("migrations"))(t)
	if n := ok(value[int](t.Context(), db.records, `SELECT count(*) FROM goose_db_version WHERE version_id > 0`, nil))(t); n != len(files) {
		t.Errorf("%d migrations are recorded", n)
	}
}

func TestConnectGivesUpWithItsContext(t *testing.T) {
	p, c := through(t, ok(Parse(pgtest.New(t)))(t))
	p.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Connect(ctx, quiet, func(context.Context) (Config, error) { return c, nil })
	if err == nil || !strings.Contains(err.Error(), "the database does not answer") || strings.Contains(err.Error(), "password") {
		t.Error(err)
	}
}

func TestSessionSettings(t *testing.T) {
	db := fresh(t)
	for name, want := range map[string]string{
		"tcp_user_timeout": "20000", "tcp_keepalives_idle": "10", "idle_in_transaction_session_timeout": "1min",
		"idle_session_timeout": "0", "client_connection_check_interval": "5s", "TimeZone": "UTC", "application_name": "deis-controller",
	} {
		if got := ok(value[string](t.Context(), db.records, "SHOW "+name, nil))(t); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}

func TestDatabaseAwayAndBack(t *testing.T) {
	p, c := through(t, ok(Parse(pgtest.New(t)))(t))
	db := open(t, func(context.Context) (Config, error) { return c, nil })
	ctx := t.Context()
	users(t, db, "bob")
	done(t, db.Ready(ctx))
	locked, _ := take(t, db, "demo")

	p.Stop()
	_, err := db.User(ctx, "bob")
	isAway(t, err)
	isAway(t, db.InTx(ctx, func(tx deis.Tx) error { t.Error("a transaction began"); return nil }))
	_, _, err = db.Lock(ctx, "other", time.Second)
	isAway(t, err)
	_, _, err = db.Users(ctx, false, deis.Page{})
	isAway(t, err)
	_, _, _, _, _, err = db.State(ctx, nil)
	isAway(t, err)
	isAway(t, db.Ready(ctx))
	<-locked.Done()
	isAway(t, context.Cause(locked))

	p.Listen()
	eventually(t, "the database is back", func() bool { return db.Ready(ctx) == nil })
	ok(db.User(ctx, "bob"))(t)
	take(t, db, "other")
}

func isAway(t testing.TB, err error) {
	t.Helper()
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != deis.Unavailable || e.Detail != "The database is not available." || e.Err == nil {
		t.Fatalf("got error %v", err)
	}
}

func TestLostInTheMiddleOfATransaction(t *testing.T) {
	p, c := through(t, ok(Parse(pgtest.New(t)))(t))
	db := open(t, func(context.Context) (Config, error) { return c, nil })
	ctx := t.Context()
	users(t, db, "bob")
	err := db.InTx(ctx, func(tx deis.Tx) error {
		ok(tx.CreateApp(ctx, deis.App{ID: "demo", Owner: "bob"}))(t)
		p.Stop()
		return nil // and the commit fails
	})
	isAway(t, err)
	p.Listen()
	eventually(t, "the database is back", func() bool { return db.Ready(ctx) == nil })
	_, err = db.App(ctx, "demo")
	is(t, err, deis.NotFound)
}

func TestSilentDatabaseHasADeadline(t *testing.T) {
	p, c := through(t, ok(Parse(pgtest.New(t)))(t))
	db := open(t, func(context.Context) (Config, error) { return c, nil })
	users(t, db, "bob")
	p.Silence()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := db.User(ctx, "bob")
	isAway(t, err)
	p.Stop()
}

func TestCanceledCallIsNoFault(t *testing.T) {
	db := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.User(ctx, "bob"); !errors.Is(err, context.Canceled) || deis.KindOf(err) != deis.Internal {
		t.Error(err)
	}
}

// announce writes the keys of a database.
func announce(t testing.TB, kv *etcd.KV, c Config) {
	t.Helper()
	_, err := kv.Apply(t.Context(),
		etcd.Set("/deis/database/host", c.Host), etcd.Set("/deis/database/port", fmt.Sprint(c.Port)),
		etcd.Set("/deis/database/user", c.User), etcd.Set("/deis/database/password", c.Password),
		etcd.Set("/deis/database/name", c.Name), etcd.Set("/deis/database/engine", "postgresql_psycopg2"))
	done(t, err)
}

func TestDatabaseMoves(t *testing.T) {
	kv := etcdtest.New(t)
	direct := ok(Parse(pgtest.New(t)))(t)
	old, oldPlace := through(t, direct)
	_, newPlace := through(t, direct)
	announce(t, kv, oldPlace)
	db := open(t, FromEtcd(kv))
	users(t, db, "bob")
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- db.Run(ctx, kv) }()
	defer func() { cancel(); <-ran }()
	locked, unlock := take(t, db, "demo")
	eventually(t, "the first place is known", func() bool { return db.pool.Stat().IdleConns() == 0 })

	// The database's keys vanish with its lease: nothing is lost by that.
	_, _, err := kv.Delete(ctx, "/deis/database/host")
	done(t, err)
	ok(db.User(ctx, "bob"))(t)

	announce(t, kv, newPlace)
	<-locked.Done() // held at a server that is no longer the platform's
	isAway(t, context.Cause(locked))
	unlock()
	eventually(t, "no connection to the old place is left", func() bool {
		_, err := db.User(ctx, "bob")
		return err == nil && old.Idle()
	})
	take(t, db, "demo")

	// A new password alone breaks no lock.
	changed := newPlace
	changed.Password = "other"
	locked, _ = take(t, db, "second")
	announce(t, kv, changed)
	eventually(t, "new connections use the new password", func() bool {
		c, err := FromEtcd(kv)(ctx)
		return err == nil && c.Password == "other"
	})
	ok(db.User(ctx, "bob"))(t) // pgtest trusts every password
	if locked.Err() != nil {
		t.Error(context.Cause(locked))
	}
}

func TestFromEtcd(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	source := FromEtcd(kv)
	if _, err := source(t.Context()); err == nil || !strings.Contains(err.Error(), "/deis/database/host, /deis/database/user") {
		t.Error(err)
	}
	want := Config{Host: "10.0.0.1", Port: 5432, User: "deis", Password: `a'b\ c`, Name: "deis"}
	announce(t, kv, want)
	if got := ok(source(t.Context()))(t); got != want {
		t.Error(got)
	}
	ok(kv.Put(t.Context(), "/deis/database/port", "x"))(t)
	if got := ok(source(t.Context()))(t); got != want {
		t.Error("not the last good one:", got)
	}
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := ok(source(ctx))(t); got != want {
		t.Error("not the last good one:", got)
	}
}

func TestPasswordIsTakenLiterallyAndNeverPrinted(t *testing.T) {
	c := Config{Host: "::1", Port: 5432, User: "u", Password: `s'ec\ret sslmode=x`, Name: "n m"}
	cc := ok(c.settings())(t)
	if cc.Host != c.Host || cc.Port != 5432 || cc.User != c.User || cc.Password != c.Password || cc.Database != c.Name {
		t.Errorf("%+v", cc.Config)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%v", &c)} {
		if text != "u@[::1]:5432/n m" {
			t.Error(text)
		}
	}
	if _, err := (Config{Host: "h", Port: 99999, Password: "secret"}).settings(); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestTranslate(t *testing.T) {
	pg := func(code, constraint string) error {
		return fmt.Errorf("exec: %w", &pgconn.PgError{Code: code, ConstraintName: constraint})
	}
	for _, c := range []struct {
		err  error
		kind deis.Kind
	}{
		{pgx.ErrNoRows, deis.NotFound},
		{pg("23505", "apps_id"), deis.Invalid},
		{pg("23505", "releases_version"), deis.Conflict},
		{pg("23505", "unheard_of"), deis.Internal},
		{pg("23503", ""), deis.NotFound},
		{pg("40P01", ""), deis.Conflict},
		{pg("57P01", ""), deis.Unavailable},
		{pg("53300", ""), deis.Unavailable},
		{pg("28P01", ""), deis.Unavailable},
		{pg("25006", ""), deis.Unavailable},
		{pg("42601", ""), deis.Internal},
		{context.DeadlineExceeded, deis.Unavailable},
		{context.Canceled, deis.Internal},
		{deis.Errorf(deis.Forbidden, "no"), deis.Forbidden},
	} {
		if got := translate(c.err); deis.KindOf(got) != c.kind || got == nil {
			t.Errorf("%v became %v", c.err, got)
		}
	}
	if translate(nil) != nil {
		t.Error("nil became an error")
	}
}
