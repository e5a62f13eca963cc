// Package pgtest runs a real PostgreSQL inside a test: Debian's packages, one
// server for all tests of a binary, a database of its own for each test.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/internal/porttest"
	"github.com/deis/deis/internal/retry"
)

// New makes an empty database for t, dropped when t ends, and returns how to
// reach it: a URL with the host, port, user and password of a role that owns
// the database and nothing else. The first call of a process starts the
// server, which ends with the process.
func New(t testing.TB) (dsn string) {
	t.Helper()
	once.Do(func() { server, startErr = start() })
	if startErr != nil {
		t.Fatal(startErr)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := server.exec(`CREATE DATABASE ` + name + ` OWNER deis`); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := server.exec(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return server.dsn("deis", name)
}

var (
	once      sync.Once
	server    *postgres
	startErr  error
	databases atomic.Int64
)

const startTimeout = 30 * time.Second

// postgres is a server that has started.
type postgres struct {
	port   int
	alive  *os.File // what the watcher reads from: closed with the process
	mu     sync.Mutex
	shared *pgx.Conn // creates and drops databases
}

func (p *postgres) dsn(role, database string) string {
	return fmt.Sprintf("postgres://%s:deis@127.0.0.1:%d/%s?sslmode=disable", role, p.port, database)
}

func (p *postgres) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.shared.Exec(ctx, sql)
	return err
}

// watch runs the server until its standard input ends, which happens when the
// test binary does, however it ends; then it removes the server's folder.
const watch = `
trap '' INT TERM HUP
"$1"/initdb -D "$2"/data -U admin -A trust -E UTF8 --locale=C --wal-segsize=1 -N --no-instructions >"$2"/log 2>&1 </dev/null || { touch "$2"/failed; read -r _; rm -rf "$2"; exit 1; }
"$1"/postgres -D "$2"/data -p "$3" -h 127.0.0.1 -k "$2" \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off -c max_wal_size=256MB \
  -c shared_buffers=32MB -c max_connections=200 -c timezone=UTC -c jit=off >>"$2"/log 2>&1 </dev/null &
read -r _
kill -QUIT $!
wait $!
rm -rf "$2"
`

func start() (*postgres, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(fastest(), "deis-pgtest-")
	if err != nil {
		return nil, err
	}
	credential, err := give(dir)
	if err != nil {
		return nil, err
	}
	ports, err := porttest.Free(1)
	if err != nil {
		return nil, err
	}
	port := ports[0]
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", "-c", watch, "pgtest", bin, dir, strconv.Itoa(port))
	cmd.Dir = dir
	cmd.Stdin = read
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	// A process group of its own: an interrupt from the terminal is not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	p := &postgres{port: port, alive: write}
	if err := p.connect(dir); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = write.Close()
		return nil, fmt.Errorf("pgtest: PostgreSQL does not start: %w\n%s", err, log)
	}
	return p, p.exec(`CREATE ROLE deis LOGIN PASSWORD 'deis'`)
}

func (p *postgres) connect(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var last error
	err := retry.Until(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, error) {
		if _, err := os.Stat(filepath.Join(dir, "failed")); err == nil {
			return false, fmt.Errorf("initdb failed")
		}
		p.shared, last = pgx.Connect(ctx, p.dsn("admin", "postgres"))
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	return err
}

// fastest is where the server's folder goes: memory if there is enough of it,
// since creating a database is hundreds of small files; "" for the default.
func fastest() string {
	const shm, need = "/dev/shm", 1 << 30
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(shm, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= need {
		return shm
	}
	return ""
}

// binaries is the folder of the newest PostgreSQL: PG_BIN, else Debian's.
func binaries() (string, error) {
	if bin := os.Getenv("PG_BIN"); bin != "" {
		return bin, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	best, newest := "", 0
	for _, f := range found {
		bin := filepath.Dir(f)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > newest {
			best, newest = bin, v
		}
	}
	if newest < 15 {
		return "", fmt.Errorf("pgtest: there is no PostgreSQL 15 or later: install it (Debian and Ubuntu: apt-get install postgresql), or set PG_BIN to the folder of initdb")
	}
	return best, nil
}

// give hands dir to the user that runs the server: PostgreSQL refuses root.
func give(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("pgtest: PostgreSQL does not run as root, and there is neither a user postgres nor nobody: %w", err)
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}
