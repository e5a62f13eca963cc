package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/pgtest"
)

// take waits for an app's lock, which must be free or become it.
func take(t testing.TB, db *DB, app string) (context.Context, func()) {
	t.Helper()
	ctx, unlock, err := db.Lock(t.Context(), app, 30*time.Second)
	done(t, err)
	t.Cleanup(unlock)
	return ctx, unlock
}

// waiting is how many calls stand in an app's queue, behind who has the turn.
func waiting(db *DB, app string) int {
	db.locks.mu.Lock()
	defer db.locks.mu.Unlock()
	return len(db.locks.queues[app])
}

func isBusy(t testing.TB, db *DB, app string) {
	t.Helper()
	_, _, err := db.Lock(t.Context(), app, 10*time.Millisecond)
	is(t, err, deis.Conflict)
	if want := "Another operation on " + app + " is in progress."; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestLockIsFairAndItsQueueNeedsNoConnections(t *testing.T) {
	db := fresh(t)
	_, unlock := take(t, db, "demo")
	const n = 20
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, unlock, err := db.Lock(t.Context(), "demo", 30*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			unlock()
		})
		eventually(t, "the call waits", func() bool { return waiting(db, "demo") == i+1 })
	}
	if c := db.locks.pool.Stat().AcquiredConns(); c != 1 {
		t.Errorf("%d connections are held by one lock and its queue", c)
	}
	unlock()
	unlock() // does no harm
	wg.Wait()
	for i, got := range order {
		if got != i {
			t.Fatalf("not first come, first served: %v", order)
		}
	}
	if len(db.locks.queues) != 0 {
		t.Error("a queue outlived its users")
	}
	if s := db.locks.pool.Stat(); s.NewConnsCount() != 1 || s.AcquiredConns() != 0 {
		t.Errorf("%d connections were made, %d are held", s.NewConnsCount(), s.AcquiredConns())
	}
}

func TestLockIsOneAppsOnly(t *testing.T) {
	db := fresh(t)
	take(t, db, "demo")
	_, unlock, err := db.Lock(t.Context(), "other", 0) // no wait is needed
	done(t, err)
	unlock()
	isBusy(t, db, "demo")
	if n := waiting(db, "demo"); n != 0 {
		t.Errorf("%d in the queue after one has given up", n)
	}
}

func TestLockEndsWithItsCaller(t *testing.T) {
	db := fresh(t)
	_, unlock := take(t, db, "demo")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, _, err := db.Lock(ctx, "demo", time.Hour)
		failed <- err
	}()
	eventually(t, "the call waits", func() bool { return waiting(db, "demo") == 1 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	unlock()

	// The lock outlives the context that it was asked with, until unlock.
	ctx, cancel = context.WithCancel(t.Context())
	locked, unlock, err := db.Lock(ctx, "demo", time.Second)
	done(t, err)
	cancel()
	<-locked.Done()
	isBusy(t, db, "demo")
	unlock()
	take(t, db, "demo")
}

func TestLockExcludesOtherControllers(t *testing.T) {
	where := place(t, pgtest.New(t))
	one, two := open(t, where), open(t, where)
	_, unlock := take(t, one, "demo")
	isBusy(t, two, "demo")
	_, _, err := two.Lock(t.Context(), "demo", 0)
	is(t, err, deis.Conflict)

	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, _, err := two.Lock(ctx, "demo", time.Hour)
		failed <- err
	}()
	blocked := func() bool {
		n, err := value[int](t.Context(), one.records, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`, nil)
		return err == nil && n == 1
	}
	eventually(t, "the second waits in PostgreSQL", blocked)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	got := make(chan func(), 1)
	go func() {
		_, unlock, err := two.Lock(t.Context(), "demo", time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- unlock
	}()
	eventually(t, "the second waits again", blocked)
	unlock()
	unlockTwo := <-got
	isBusy(t, one, "demo")
	unlockTwo()
	take(t, one, "demo")
}

func TestLockUnderContention(t *testing.T) {
	where := place(t, pgtest.New(t))
	dbs := []*DB{open(t, where), open(t, where)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	inside := [2]int{}
	for i := range 40 {
		wg.Go(func() {
			app := i % 2
			_, unlock, err := dbs[i/2%2].Lock(t.Context(), fmt.Sprint("app", app), time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			inside[app]++
			if inside[app] != 1 {
				t.Errorf("%d hold one lock", inside[app])
			}
			mu.Unlock()
			if err := dbs[0].Ready(t.Context()); err != nil { // takes a while
				t.Error(err)
			}
			mu.Lock()
			inside[app]--
			mu.Unlock()
			unlock()
		})
	}
	wg.Wait()
}

func TestLockIsLostWithItsConnection(t *testing.T) {
	where := place(t, pgtest.New(t))
	one, two := open(t, where), open(t, where)
	locked, unlock := take(t, one, "demo")
	if locked.Err() != nil {
		t.Fatal(context.Cause(locked))
	}
	n := ok(value[int](t.Context(), two.records, `SELECT count(pg_terminate_backend(pid)) FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, nil))(t)
	if n != 1 {
		t.Fatalf("%d sessions ended", n)
	}
	<-locked.Done()
	cause := context.Cause(locked)
	is(t, cause, deis.Unavailable)
	if want := "The database is not available."; cause.(*deis.Error).Detail != want {
		t.Error(cause)
	}
	take(t, two, "demo") // free for others even before unlock
	unlock()
	isBusy(t, one, "demo")
}

func TestTooManyLocks(t *testing.T) {
	db := fresh(t)
	for i := range maxLocks {
		take(t, db, fmt.Sprint("app", i))
	}
	_, _, err := db.Lock(t.Context(), "one-more", 0)
	is(t, err, deis.Unavailable)
	var e *deis.Error
	if !errors.As(err, &e) || e.Detail != "Too many operations are in progress. Try again later." {
		t.Error(err)
	}
	users(t, db, "bob") // statements have connections of their own
}

func TestHandOver(t *testing.T) {
	where := place(t, pgtest.New(t))
	one, two := open(t, where), open(t, where)
	locked, unlock := take(t, one, "demo")
	one.HandOver()
	<-locked.Done()
	var cause *deis.Error
	if !errors.As(context.Cause(locked), &cause) || cause.Kind != deis.Unavailable || cause.Detail != deis.ErrStopping.(*deis.Error).Detail {
		t.Error(context.Cause(locked))
	}
	isBusy(t, two, "demo") // it may still undo what it did
	users(t, one, "bob")
	unlock()
	take(t, two, "demo")
}
