package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/deis/deis/internal/retry"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	arrivalTimeout = time.Minute            // of the database at start
	arrivalPause   = 250 * time.Millisecond // between two attempts
)

// Migrate waits up to a minute until the database answers and applies the
// migrations that it lacks. Controllers that start together take turns.
func Migrate(ctx context.Context, log *slog.Logger, source Source) error {
	settings, err := arrive(ctx, source)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*settings)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	turn, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120), lock.WithUnlockTimeout(1, 10))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(turn), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	for _, r := range results {
		log.Info("database migrated", "to", r.Source.Version, "took", r.Duration.String())
	}
	return nil
}

// arrive waits for the database and returns how it was reached.
func arrive(ctx context.Context, source Source) (*pgx.ConnConfig, error) {
	wait, cancel := context.WithTimeout(ctx, arrivalTimeout)
	defer cancel()
	var last error
	var settings *pgx.ConnConfig
	err := retry.Until(wait, arrivalPause, func(ctx context.Context) (bool, error) {
		var conn *pgx.Conn
		if conn, last = connect(ctx, source); last != nil {
			return false, nil
		}
		settings = conn.Config()
		return true, conn.Close(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("the database does not answer: %w", errors.Join(err, last))
	}
	return settings, nil
}
