package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

const (
	statementTimeout = 10 * time.Second // of a statement, if the caller sets no shorter one
	cleanupTimeout   = 5 * time.Second  // of what must be done though the caller has gone
	maxConns         = 16               // for statements
	maxLocks         = 64               // for locks, each with a connection of its own
)

// DB is the controller's records. It implements deis.Records.
type DB struct {
	records
	pool  *pgxpool.Pool
	locks *locks
	log   *slog.Logger
}

var _ deis.Records = (*DB)(nil)

// Connect waits up to a minute until the database answers, and brings its
// schema up to date.
func Connect(ctx context.Context, log *slog.Logger, source Source) (*DB, error) {
	if err := Migrate(ctx, log, source); err != nil {
		return nil, err
	}
	pool, err := newPool(ctx, source, maxConns)
	if err != nil {
		return nil, err
	}
	lockPool, err := newPool(ctx, source, maxLocks)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &DB{records: records{pool}, pool: pool, locks: newLocks(lockPool), log: log}, nil
}

func newPool(ctx context.Context, source Source, conns int32) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig("host=unset sslmode=disable") // beforeConnect says where
	if err != nil {
		return nil, err
	}
	c.MaxConns = conns
	c.MaxConnIdleTime = time.Minute
	c.PingTimeout = connectTimeout
	c.BeforeConnect = beforeConnect(source)
	c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// Close ends all connections. It waits for statements under way, cancels the
// contexts of held locks, and waits until they are unlocked.
func (db *DB) Close() {
	db.locks.close()
	db.pool.Close()
}

// Ready is nil if the database answers.
func (db *DB) Ready(ctx context.Context) error { return db.exec(ctx, `SELECT 1`, nil) }

// Run follows the place of the database in etcd until ctx ends: when it has
// changed, no connection to the old place is used again, and locks held there
// are lost.
func (db *DB) Run(ctx context.Context, kv *etcd.KV) error {
	var current Config
	return retry.Steadily(ctx, db.log, "follow the database's place", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.Database}, func(_ context.Context, s etcd.State) error {
			c, err := fromKeys(s.Keys)
			if err != nil || c == current {
				return nil // not announced now: connections that work go on working
			}
			moved := current != Config{} && c.place() != current.place()
			current = c
			db.pool.Reset()
			if moved {
				db.log.Info("database moved", "addr", c.String())
				db.locks.lose(fmt.Errorf("the database has moved to %v", c))
			}
			return nil
		})
	})
}

// InTx runs fn in one transaction.
func (db *DB) InTx(ctx context.Context, fn func(deis.Tx) error) error {
	return db.atomically(ctx, func(r records) error { return fn(r) })
}

// querier is what a pool and a transaction have in common.
type querier interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// records implements deis.Tx, in a transaction or outside one.
type records struct{ q querier }

var _ deis.Tx = records{}

// atomically runs fn in a transaction of its own, or, inside one, so that its
// writes can be undone alone.
func (r records) atomically(ctx context.Context, fn func(records) error) error {
	begin, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	tx, err := r.q.Begin(begin)
	if err != nil {
		return translate(err)
	}
	defer func() { // does nothing after a commit; the connection's end undoes as well
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_ = tx.Rollback(end)
	}()
	if err := fn(records{tx}); err != nil {
		return err
	}
	commit, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return translate(tx.Commit(commit))
}

// row reads the one row of a statement; none is deis.ErrNotFound.
func row[T any](ctx context.Context, r records, sql string, args pgx.NamedArgs) (T, error) {
	return first(ctx, r, pgx.RowToStructByName[T], sql, args)
}

// value reads the one column of the one row of a statement.
func value[T any](ctx context.Context, r records, sql string, args pgx.NamedArgs) (T, error) {
	return first(ctx, r, pgx.RowTo[T], sql, args)
}

func first[T any](ctx context.Context, r records, scan pgx.RowToFunc[T], sql string, args pgx.NamedArgs) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := r.q.Query(ctx, sql, args)
	if err != nil {
		var none T
		return none, translate(err)
	}
	v, err := pgx.CollectOneRow(rows, scan)
	return v, translate(err)
}

// all reads the rows of a statement.
func all[T any](ctx context.Context, r records, scan pgx.RowToFunc[T], sql string, args pgx.NamedArgs) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := r.q.Query(ctx, sql, args)
	if err != nil {
		return nil, translate(err)
	}
	vs, err := pgx.CollectRows(rows, scan)
	return vs, translate(err)
}

// exec runs a statement, however many rows it affects.
func (r records) exec(ctx context.Context, sql string, args pgx.NamedArgs) error {
	_, err := r.affect(ctx, sql, args)
	return err
}

// change runs a statement that must affect a row; else it is deis.ErrNotFound.
func (r records) change(ctx context.Context, sql string, args pgx.NamedArgs) error {
	n, err := r.affect(ctx, sql, args)
	if err == nil && n == 0 {
		return deis.ErrNotFound
	}
	return err
}

func (r records) affect(ctx context.Context, sql string, args pgx.NamedArgs) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	tag, err := r.q.Exec(ctx, sql, args)
	return tag.RowsAffected(), translate(err)
}
