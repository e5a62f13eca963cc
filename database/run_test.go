package database

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/porttest"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/retry"
)

// TestMain makes this binary the component itself when a test starts it so:
// PostgreSQL does not run as root, tests mostly do.
func TestMain(m *testing.M) {
	if os.Getenv("DATABASE_CHILD") != "" {
		os.Exit(process.Main("database", SettingsFromEnv, Run))
	}
	os.Exit(m.Run())
}

// fixture is a component in a process of its own.
type fixture struct {
	t      *testing.T
	kv     *etcd.KV
	env    []string
	bin    string // a copy of this binary that others may execute
	dir    string
	port   int
	health string
	user   *syscall.Credential

	cmd *exec.Cmd
	out *buffer
}

func newFixture(t *testing.T, env ...string) *fixture {
	t.Helper()
	srv := etcdtest.Start(t)
	ports, err := porttest.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, kv: srv.Dial(), port: ports[0], health: porttest.Addr(ports[1])}
	dir, err := os.MkdirTemp("", "database") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f.dir, f.bin = filepath.Join(dir, "data"), filepath.Join(dir, "database")
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.bin, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		f.user = postgresUser(t)
		if err := os.Chown(f.dir, int(f.user.Uid), int(f.user.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	f.env = append([]string{
		"DATABASE_CHILD=1", "PATH=/usr/bin:/bin", "PGDATA=" + f.dir, "PORT=" + strconv.Itoa(f.port), "HOST=127.0.0.1",
		"ETCD=" + strings.Join(srv.Endpoints, ","), "ETCD_TTL=5", "HEALTH_LISTEN=" + f.health,
	}, env...)
	t.Cleanup(func() { f.stop(syscall.SIGKILL) })
	return f
}

func postgresUser(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root and there is no user for it (Debian and Ubuntu: apt-get install postgresql): %v", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (f *fixture) start() {
	f.t.Helper()
	f.out = new(buffer)
	f.cmd = exec.Command(f.bin)
	f.cmd.Env, f.cmd.Dir = f.env, "/"
	f.cmd.Stdout, f.cmd.Stderr = f.out, f.out
	f.cmd.WaitDelay = 10 * time.Second
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: f.user, Pdeathsig: syscall.SIGTERM}
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) stop(signal syscall.Signal) (code int) {
	if f.cmd == nil {
		return 0
	}
	_ = f.cmd.Process.Signal(signal)
	_ = f.cmd.Wait()
	code = f.cmd.ProcessState.ExitCode()
	f.cmd = nil
	return code
}

func (f *fixture) eventually(what string, ok func(ctx context.Context) bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	err := retry.Until(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, error) { return ok(ctx), nil })
	if err != nil {
		f.t.Fatalf("never: %s\n%s", what, f.out)
	}
}

func (f *fixture) key(ctx context.Context, name string) string {
	e, _, err := f.kv.Get(ctx, "/deis/database/"+name)
	if err != nil {
		f.t.Fatal(err)
	}
	return e.Value
}

// connect uses what is in etcd, as the controller does.
func (f *fixture) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("sslmode=disable connect_timeout=2")
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(f.key(ctx, "port"))
	if err != nil {
		return nil, fmt.Errorf("not announced: %w", err)
	}
	cfg.Host, cfg.Port = f.key(ctx, "host"), uint16(port)
	cfg.User, cfg.Password, cfg.Database = f.key(ctx, "user"), f.key(ctx, "password"), f.key(ctx, "name")
	return pgx.ConnectConfig(ctx, cfg)
}

// await is a connection once the database is announced.
func (f *fixture) await() *pgx.Conn {
	f.t.Helper()
	var conn *pgx.Conn
	f.eventually("a connection", func(ctx context.Context) bool {
		var err error
		conn, err = f.connect(ctx)
		return err == nil
	})
	f.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// postmaster is the process id of PostgreSQL.
func (f *fixture) postmaster() int {
	f.t.Helper()
	locks, err := filepath.Glob(filepath.Join(f.dir, "*/main/postmaster.pid"))
	if err != nil || len(locks) != 1 {
		f.t.Fatalf("lock files: %v, %v", locks, err)
	}
	b, err := os.ReadFile(locks[0])
	if err != nil {
		f.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		f.t.Fatal(err)
	}
	return pid
}

func (f *fixture) get(path string) (int, string) {
	resp, err := http.Get("http://" + f.health + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestServesAndFollowsCredentials(t *testing.T) {
	f := newFixture(t, `PG_USER_NAME=we"ird'user`, `PG_USER_DB=od"d'name`, `PG_USER_PASS=it's "quoted"`)
	ctx := t.Context()
	f.start()
	conn := f.await()
	var settings [5]string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_encoding'), current_setting('password_encryption'), current_setting('data_checksums'),
		current_setting('fsync'), datcollate FROM pg_database WHERE datname = current_database()`).
		Scan(&settings[0], &settings[1], &settings[2], &settings[3], &settings[4])
	if want := [5]string{"UTF8", "scram-sha-256", "on", "on", "C"}; err != nil || settings != want {
		t.Errorf("settings are %v, %v", settings, err)
	}
	if _, err := conn.Exec(ctx, `CREATE TABLE apps (id text)`); err != nil {
		t.Errorf("the role does not own its database: %v", err)
	}
	var super bool
	if err := conn.QueryRow(ctx, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&super); err != nil || super {
		t.Errorf("superuser: %v, %v", super, err)
	}
	f.eventually("ready", func(context.Context) bool { code, _ := f.get("/readyz"); return code == 200 })
	if f.key(ctx, "engine") != "postgresql_psycopg2" || f.key(ctx, "adminUser") != "postgres" || len(f.key(ctx, "adminPass")) < 20 {
		t.Error("keys of Deis v1 are missing")
	}
	if _, body := f.get("/metrics"); !strings.Contains(body, "deis_database_up 1\n") {
		t.Error("no metric deis_database_up")
	}

	// Neither without a password nor with a wrong one.
	wrong := conn.Config().Copy()
	wrong.Password = "wrong"
	if c, err := pgx.ConnectConfig(ctx, wrong); err == nil {
		c.Close(ctx)
		t.Error("a wrong password was accepted")
	}

	if _, err := f.kv.Put(ctx, "/deis/database/password", "second"); err != nil {
		t.Fatal(err)
	}
	f.await() // with the second
	if _, err := f.kv.Put(ctx, "/deis/database/user", "postgres"); err != nil {
		t.Fatal(err)
	}
	f.eventually("a complaint", func(context.Context) bool { return strings.Contains(f.out.String(), "credentials not taken over") })
	if strings.Contains(f.out.String(), "second") || strings.Contains(f.out.String(), "quoted") {
		t.Errorf("a password was logged:\n%s", f.out)
	}
	if _, err := f.kv.Put(ctx, "/deis/database/user", `we"ird'user`); err != nil {
		t.Fatal(err)
	}

	if code := f.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(f.out.String(), "postgres stopped") {
		t.Errorf("not stopped in order:\n%s", f.out)
	}
	f.eventually("withdrawn", func(ctx context.Context) bool { return f.key(ctx, "host") == "" })
	f.start()
	var n int
	if err := f.await().QueryRow(ctx, `SELECT count(*) FROM apps`).Scan(&n); err != nil {
		t.Errorf("the table is gone after a restart: %v", err)
	}
}

func TestKilled(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.start()
	conn := f.await()
	if _, err := conn.Exec(ctx, `CREATE TABLE apps AS SELECT 'demo' AS id`); err != nil {
		t.Fatal(err)
	}

	// PostgreSQL dies: this process ends, with the announcement.
	if err := syscall.Kill(f.postmaster(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = f.cmd.Wait()
	if code := f.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	f.eventually("withdrawn", func(ctx context.Context) bool { return f.key(ctx, "host") == "" })
	f.start()
	f.await()

	// This process dies: PostgreSQL is stopped, or taken out of the way.
	old := f.postmaster()
	f.stop(syscall.SIGKILL)
	f.start()
	f.eventually("a new server", func(ctx context.Context) bool {
		conn, err := f.connect(ctx) // the lease of before still stands
		if err != nil {
			return false
		}
		defer conn.Close(ctx)
		return f.postmaster() != old
	})
	var id string
	if err := f.await().QueryRow(ctx, `SELECT id FROM apps`).Scan(&id); err != nil || id != "demo" {
		t.Errorf("row %q, %v", id, err)
	}

	// A backend dies: PostgreSQL recovers by itself.
	c := f.await()
	if err := syscall.Kill(int(c.PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.eventually("recovered", func(ctx context.Context) bool {
		conn, err := f.connect(ctx)
		if err != nil {
			return false
		}
		defer conn.Close(ctx)
		return conn.QueryRow(ctx, `SELECT id FROM apps`).Scan(&id) == nil
	})
}

// Killed while it makes the cluster, it begins anew.
func TestKilledAtFirstStart(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.eventually("a cluster half made", func(context.Context) bool {
		found, err := filepath.Glob(filepath.Join(f.dir, "*/main.new-*/PG_VERSION"))
		return err == nil && len(found) == 1
	})
	f.stop(syscall.SIGKILL)
	f.start()
	f.await()
	f.stop(syscall.SIGTERM)
	f.start()
	f.await()
	if left, err := filepath.Glob(filepath.Join(f.dir, "*/main.new-*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
