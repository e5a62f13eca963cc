package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/deis/deis/tests/platform"
)

// clients ask at the same time, of the API as of the database.
const clients = 8

// psql runs a statement as the superuser of the platform's database server.
func (b *bench) psql(ctx context.Context, database, statement string) (string, error) {
	return platform.Docker(ctx, "exec", b.platform.Container("database"),
		"psql", "-h", "/var/lib/postgresql/run", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-XAtqc", statement)
}

// newDatabase makes an empty one beside the platform's, on the same server and
// for the same role; drop removes it.
func (b *bench) newDatabase(ctx context.Context, name string) (drop func() error, err error) {
	if _, err := b.psql(ctx, "postgres", "CREATE DATABASE "+name+" OWNER deis TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"); err != nil {
		return nil, err
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := b.psql(ctx, "postgres", "DROP DATABASE "+name+" WITH (FORCE)")
		return err
	}, nil
}

// databasePassword is that of the role that the controller has.
func (b *bench) databasePassword(ctx context.Context) (string, error) {
	return b.platform.Etcdctl(ctx, "get", "--print-value-only", "/deis/database/password")
}

// pgbench runs it inside the database's container, over TCP as the controller
// comes, in the database of the same name.
func (b *bench) pgbench(ctx context.Context, args ...string) (string, error) {
	password, err := b.databasePassword(ctx)
	if err != nil {
		return "", err
	}
	return b.command(ctx, []string{"PGPASSWORD=" + password}, "docker", append([]string{"exec", "--env", "PGPASSWORD",
		b.platform.Container("database"), "pgbench", "-h", "127.0.0.1", "-U", "deis"}, append(args, "pgbench")...)...)
}

// transactions runs one of pgbench's built-in scripts for some seconds.
func (b *bench) transactions(ctx context.Context, script string, seconds int) (rate float64, err error) {
	out, err := b.pgbench(ctx, script, "-n", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(seconds))
	if err != nil {
		return 0, err
	}
	return parsePgbench(out)
}

var (
	pgbenchRate   = regexp.MustCompile(`(?m)^tps = ([0-9.]+) `)
	pgbenchFailed = regexp.MustCompile(`(?m)^number of failed transactions: ([0-9]+)`)
)

// parsePgbench reads what pgbench printed; a failed transaction spoils the
// round.
func parsePgbench(out string) (rate float64, err error) {
	r, failed := pgbenchRate.FindStringSubmatch(out), pgbenchFailed.FindStringSubmatch(out)
	if r == nil || failed == nil {
		return 0, fmt.Errorf("pgbench printed no rate:\n%s", out)
	}
	if failed[1] != "0" {
		return 0, fmt.Errorf("pgbench: %s", failed[0])
	}
	return strconv.ParseFloat(r[1], 64)
}

// logStatements has the database's server log each statement until stop is
// called.
func (b *bench) logStatements(ctx context.Context) (stop func() error, err error) {
	set := func(ctx context.Context, commands ...string) error {
		for _, c := range append(commands, "SELECT pg_reload_conf()") { // ALTER SYSTEM wants no transaction
			if _, err := b.psql(ctx, "postgres", c); err != nil {
				return err
			}
		}
		return nil
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return set(ctx, "ALTER SYSTEM RESET log_statement", "ALTER SYSTEM RESET log_parameter_max_length")
	}, set(ctx, "ALTER SYSTEM SET log_parameter_max_length = 0", "ALTER SYSTEM SET log_statement = 'all'")
}

// statements counts what the server was asked while fn ran, by anybody.
func (b *bench) statements(ctx context.Context, fn func() error) (int, error) {
	since := time.Now().Add(-time.Second).Format(time.RFC3339)
	mark := "SELECT '" + platform.Random(8) + "'"
	if _, err := b.psql(ctx, "postgres", mark+" AS begun"); err != nil {
		return 0, err
	}
	if err := fn(); err != nil {
		return 0, err
	}
	if _, err := b.psql(ctx, "postgres", mark+" AS ended"); err != nil {
		return 0, err
	}
	var between string
	_, err := when(ctx, 50*time.Millisecond, "the database's log has come", func(ctx context.Context) bool {
		out, err := b.command(ctx, nil, "docker", "logs", "--since", since, b.platform.Container("database"))
		if err != nil {
			return false
		}
		_, after, _ := strings.Cut(out, mark+" AS begun")
		var ok bool
		between, _, ok = strings.Cut(after, mark+" AS ended")
		return ok
	})
	return countStatements(between), err
}

// countStatements counts the statements in a part of the log that ends with
// the beginning of one that does not count. Nor do the questions whether a
// server or a connection lives.
func countStatements(log string) int {
	n := strings.Count(log, `"line":"execute `) + strings.Count(log, `"line":"statement: `) - 1
	return n - strings.Count(log, `"line":"statement: SELECT 1"`) - strings.Count(log, `"line":"statement: -- ping"`)
}
