package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/internal/retry"
)

// Access is who may use the platform's database.
type Access struct {
	Database      string
	User          string // owns the database
	Password      string
	AdminPassword string // of Admin
}

// ErrAccess says that an Access cannot be granted, whatever the server's state.
var ErrAccess = errors.New("these credentials cannot be used")

func (a Access) check() error {
	for _, f := range []struct {
		noun, value string
		limit       int
	}{{"name", a.Database, 63}, {"user", a.User, 63}, {"password", a.Password, 512}, {"adminPass", a.AdminPassword, 512}} {
		if f.value == "" || len(f.value) > f.limit || strings.ContainsRune(f.value, 0) {
			return fmt.Errorf("%w: %s has no value of 1 to %d bytes", ErrAccess, f.noun, f.limit)
		}
	}
	switch {
	case a.User == Admin || strings.HasPrefix(a.User, "pg_") || a.User == "public" || a.User == "none":
		return fmt.Errorf("%w: user %s is PostgreSQL's own", ErrAccess, a.User)
	case a.Database == "postgres" || strings.HasPrefix(a.Database, "template"):
		return fmt.Errorf("%w: database %s is PostgreSQL's own", ErrAccess, a.Database)
	}
	return nil
}

const (
	grantWait    = 5 * time.Minute // crash recovery may come first
	grantTimeout = 30 * time.Second
)

// Grant waits until the server answers and makes role and database what a
// says; it may be repeated.
func (s *Server) Grant(ctx context.Context, a Access) error {
	if err := a.check(); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, grantWait)
	defer cancel()
	var conn *pgx.Conn
	var last error
	err := retry.Until(wait, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		conn, last = s.connect(ctx, "postgres")
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	ctx, cancelGrant := context.WithTimeout(ctx, grantTimeout)
	defer cancelGrant()
	return grant(ctx, conn, a)
}

func grant(ctx context.Context, conn *pgx.Conn, a Access) error {
	// A statement that fails is logged by the server, and these hold passwords.
	if _, err := conn.Exec(ctx, `SET log_min_error_statement = panic`); err != nil {
		return err
	}
	var role, database bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1), EXISTS (SELECT FROM pg_database WHERE datname = $2)`,
		a.User, a.Database).Scan(&role, &database)
	if err != nil {
		return err
	}
	steps := []step{{`ALTER ROLE %I PASSWORD %L`, []string{Admin, a.AdminPassword}}}
	if role {
		steps = append(steps, step{`ALTER ROLE %I LOGIN PASSWORD %L`, []string{a.User, a.Password}})
	} else {
		steps = append(steps, step{`CREATE ROLE %I LOGIN PASSWORD %L`, []string{a.User, a.Password}})
	}
	if database {
		steps = append(steps, step{`ALTER DATABASE %I OWNER TO %I`, []string{a.Database, a.User}})
	} else {
		steps = append(steps, step{`CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`, []string{a.Database, a.User}})
	}
	for _, st := range steps {
		if err := st.run(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}

// step is a statement that takes no parameters, as a format: the server quotes
// names (%I) and texts (%L) into it.
type step struct {
	format string
	args   []string
}

func (st step) run(ctx context.Context, conn *pgx.Conn) error {
	var sql string
	if err := conn.QueryRow(ctx, `SELECT format($1, VARIADIC $2::text[])`, st.format, st.args).Scan(&sql); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", st.format, err) // never sql: it may hold a password
	}
	return nil
}

// connect is a connection as Admin over the unix socket.
func (s *Server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Database = s.socket, uint16(s.Port), Admin, database
	cfg.Password, cfg.TLSConfig, cfg.Fallbacks = "", nil, nil
	cfg.ConnectTimeout = 2 * time.Second
	cfg.RuntimeParams = map[string]string{"application_name": "deis-database"}
	return pgx.ConnectConfig(ctx, cfg)
}
