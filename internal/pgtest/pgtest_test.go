package pgtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/internal/retry"
)

func TestEachHasItsOwnDatabase(t *testing.T) {
	ctx := t.Context()
	var dsns []string
	t.Run("two", func(t *testing.T) {
		for range 2 {
			dsn := New(t)
			conn, err := pgx.Connect(ctx, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(ctx))
			if _, err := conn.Exec(ctx, `CREATE TABLE apps (id text)`); err != nil {
				t.Errorf("%s: %v", dsn, err)
			}
			dsns = append(dsns, dsn)
		}
	})
	if dsns[0] == dsns[1] {
		t.Errorf("both have %s", dsns[0])
	}
	if conn, err := pgx.Connect(ctx, dsns[0]); err == nil {
		conn.Close(ctx)
		t.Error("the database outlived its test")
	}
}

// The server and its folder end with the process that started them, even if
// that is killed.
func TestEndsWithItsProcess(t *testing.T) {
	const child = "PGTEST_CHILD"
	if os.Getenv(child) != "" {
		New(t)
		if _, err := os.Stdout.WriteString("up\n"); err != nil {
			t.Fatal(err)
		}
		select {} // until killed
	}
	tmp, err := os.MkdirTemp("", "pgtest") // for others to enter, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o1777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+tmp)
	out := new(bytes.Buffer)
	up := make(chan struct{})
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		out.Write(p)
		if strings.Contains(out.String(), "up\n") {
			select {
			case <-up:
			default:
				close(up)
			}
		}
		return len(p), nil
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-up:
	case <-time.After(startTimeout):
		t.Fatalf("the child does not start: %s", out)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = retry.Until(ctx, 10*time.Millisecond, func(context.Context) (bool, error) {
		left, err := filepath.Glob(filepath.Join(tmp, "deis-pgtest-*"))
		return len(left) == 0, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("the server's folder is still there")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func BenchmarkNew(b *testing.B) {
	New(b)
	for b.Loop() {
		New(b)
	}
}

func TestDigestsTellWhatWasWritten(t *testing.T) {
	dsn := New(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE apps (id text, n int); CREATE TABLE "order" (id text); INSERT INTO apps VALUES ('a', 1)`)
	digests := Digests(t, dsn)
	before := digests()
	if len(before) != 2 || !strings.HasPrefix(before["apps"], "1 rows ") || before[`"order"`] == "" {
		t.Fatal(before)
	}
	exec(`DELETE FROM apps; INSERT INTO apps VALUES ('a', 1)`)
	if again := digests(); again["apps"] != before["apps"] {
		t.Error("the same rows are told apart")
	}
	exec(`UPDATE apps SET n = 2`)
	if after := digests(); after["apps"] == before["apps"] || after[`"order"`] != before[`"order"`] {
		t.Error(before, after)
	}
}
