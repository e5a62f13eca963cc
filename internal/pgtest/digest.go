package pgtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

const tables = `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`

// Digests connects to a database until t ends and returns a function that says
// what it holds: for each table, by name, the number of its rows and a hash of
// them. Tests compare two of its answers to see that nothing was written.
func Digests(t testing.TB, dsn string) func() map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func() map[string]string {
		t.Helper()
		d, err := digest(conn)
		if err != nil {
			t.Fatalf("pgtest: %v", err)
		}
		return d
	}
}

func digest(conn *pgx.Conn) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	rows, err := conn.Query(ctx, tables)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var b pgx.Batch
	for _, name := range names {
		b.Queue(fmt.Sprintf(`SELECT count(*) || ' rows ' || md5(coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '')) FROM %s t`, name))
	}
	results := conn.SendBatch(ctx, &b)
	defer results.Close()
	out := make(map[string]string, len(names))
	for _, name := range names {
		var text string
		if err := results.QueryRow().Scan(&text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = text
	}
	return out, nil
}
