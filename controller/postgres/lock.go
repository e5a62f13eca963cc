package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deis/deis/controller/deis"
)

// locks are the apps' locks. Those who wait in this process stand in a queue
// an app, first come, first served; only the first of a queue has a
// connection, on which it waits for other controllers and then holds
// PostgreSQL's advisory lock. The lock lives as long as the session.
type locks struct {
	pool *pgxpool.Pool

	mu     sync.Mutex
	queues map[string][]chan struct{} // who waits, by app; an entry is there while somebody has the turn
	place  context.Context            // ends when locks held until now are lost
	leave  context.CancelCauseFunc
}

func newLocks(pool *pgxpool.Pool) *locks {
	l := &locks{pool: pool, queues: map[string][]chan struct{}{}}
	l.place, l.leave = context.WithCancelCause(context.Background())
	return l
}

// lose ends the contexts of all locks that are held.
func (l *locks) lose(cause error) {
	l.mu.Lock()
	leave := l.leave
	l.place, l.leave = context.WithCancelCause(context.Background())
	l.mu.Unlock()
	leave(cause)
	l.pool.Reset()
}

func (l *locks) close() {
	l.lose(deis.ErrStopping)
	l.pool.Close()
}

// HandOver cancels all operations that hold a lock, because the controller ends.
// Each keeps its lock until it has undone what it did.
func (db *DB) HandOver() { db.locks.lose(deis.ErrStopping) }

// Lock holds the lock of an app until unlock is called, which may be done
// more than once. A process that ends, or whose host does, loses its locks:
// the server notices within deadAfter.
func (db *DB) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	l, deadline := db.locks, time.Now().Add(wait)
	if err := l.enter(ctx, app, deadline); err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	place := l.place // of before the lock was taken: no change is missed
	l.mu.Unlock()
	conn, err := l.acquire(ctx, app, deadline)
	if err != nil {
		l.exit(app)
		return nil, nil, err
	}
	locked, unlock := hold(ctx, app, conn, place)
	return locked, sync.OnceFunc(func() { unlock(); l.exit(app) }), nil
}

func busy(app string) error {
	return deis.Errorf(deis.Conflict, "Another operation on %s is in progress.", app)
}

// enter waits for app's turn in this process; exit ends it.
func (l *locks) enter(ctx context.Context, app string, deadline time.Time) error {
	l.mu.Lock()
	waiters, taken := l.queues[app]
	if !taken {
		l.queues[app] = nil
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.queues[app] = append(waiters, turn)
	l.mu.Unlock()

	wait, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case <-turn:
		return nil
	case <-wait.Done():
	}
	l.mu.Lock()
	i := slices.Index(l.queues[app], turn)
	if i >= 0 {
		l.queues[app] = slices.Delete(l.queues[app], i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // the turn came at this moment
		l.exit(app)
	}
	if ctx.Err() != nil {
		return translate(ctx.Err())
	}
	return busy(app)
}

// exit gives the turn to the next in app's queue.
func (l *locks) exit(app string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiters := l.queues[app]
	if len(waiters) == 0 {
		delete(l.queues, app)
		return
	}
	l.queues[app] = waiters[1:]
	close(waiters[0])
}

const (
	// Local to the transaction that a batch is; the lock itself is not.
	setLockTimeout = `SELECT set_config('lock_timeout', @milliseconds, true)`
	advisoryLock   = `SELECT pg_advisory_lock(hashtextextended(@app, 0))`
	advisoryUnlock = `SELECT pg_advisory_unlock_all()`
)

// acquire takes the lock on a connection of its own, waiting for other
// controllers until deadline.
func (l *locks) acquire(ctx context.Context, app string, deadline time.Time) (*pgxpool.Conn, error) {
	conn, worn, err := l.try(ctx, app, deadline)
	if worn && ctx.Err() == nil {
		l.pool.Reset() // those of before the database was away
		conn, _, err = l.try(ctx, app, deadline)
	}
	return conn, err
}

// try is acquire; worn says that a connection broke which the pool had.
func (l *locks) try(ctx context.Context, app string, deadline time.Time) (conn *pgxpool.Conn, worn bool, err error) {
	left := time.Until(deadline)
	connecting, cancel := context.WithTimeout(ctx, max(left, connectTimeout))
	defer cancel()
	conn, err = l.pool.Acquire(connecting)
	if err != nil {
		if s := l.pool.Stat(); ctx.Err() == nil && s.AcquiredConns() == s.MaxConns() {
			return nil, false, &deis.Error{Kind: deis.Unavailable, Detail: "Too many operations are in progress. Try again later.", Err: err}
		}
		return nil, false, translate(err)
	}
	left = max(time.Millisecond, time.Until(deadline)) // 0 would mean for ever
	waiting, cancel := context.WithTimeout(ctx, left+statementTimeout)
	defer cancel()
	batch := new(pgx.Batch)
	batch.Queue(setLockTimeout, pgx.NamedArgs{"milliseconds": strconv.FormatInt(left.Milliseconds(), 10)})
	batch.Queue(advisoryLock, pgx.NamedArgs{"app": app})
	if err = conn.SendBatch(waiting, batch).Close(); err == nil {
		return conn, false, nil
	}
	worn = conn.Conn().IsClosed() && waiting.Err() == nil
	discard(conn)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == codeLockTimeout {
		return nil, false, busy(app)
	}
	return nil, worn, translate(err)
}

// hold watches over a lock: the context ends when the session does, or when
// place does.
func hold(ctx context.Context, app string, conn *pgxpool.Conn, place context.Context) (locked context.Context, unlock func()) {
	locked, cancel := context.WithCancelCause(ctx)
	var lost atomic.Bool
	lose := func(cause error) {
		lost.Store(true)
		detail := "The database is not available."
		var told *deis.Error
		if errors.As(cause, &told) {
			detail = told.Detail
		}
		cancel(&deis.Error{Kind: deis.Unavailable, Detail: detail, Err: fmt.Errorf("the lock of %s is lost: %w", app, cause)})
	}
	watch, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for watch.Err() == nil {
			// Nothing is ever notified: it returns when the connection ends.
			if _, err := conn.Conn().WaitForNotification(watch); err != nil && watch.Err() == nil {
				lose(err)
				return
			}
		}
	}()
	stay := context.AfterFunc(place, func() { lose(context.Cause(place)) })

	return locked, func() {
		stay()
		stopWatch()
		<-watched
		cancel(context.Canceled)
		if lost.Load() {
			discard(conn)
			return
		}
		end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancelEnd()
		if _, err := conn.Exec(end, advisoryUnlock); err != nil {
			discard(conn)
			return
		}
		conn.Release()
	}
}

// discard ends a session, and with it what it holds.
func discard(conn *pgxpool.Conn) {
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Conn().Close(end)
	conn.Release()
}
