package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestParseMajor(t *testing.T) {
	for version, want := range map[string]string{
		"postgres (PostgreSQL) 17.2 (Debian 17.2-1)\n": "17",
		"postgres (PostgreSQL) 18beta1\n":              "",
		"postgres (PostgreSQL) 15.20":                  "15",
		"nonsense":                                     "",
	} {
		if got, err := parseMajor(version); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", version, got, err)
		}
	}
}

func TestParseLine(t *testing.T) {
	for _, c := range []struct {
		line  string
		level slog.Level
		text  string
	}{
		{"LOG:  database system is ready to accept connections", slog.LevelInfo, "database system is ready to accept connections"},
		{"FATAL:  password authentication failed for user \"deis\"", slog.LevelWarn, "password authentication failed for user \"deis\""},
		{"PANIC:  could not write to file", slog.LevelError, "could not write to file"},
		{"DETAIL:  more", slog.LevelInfo, "DETAIL:  more"},
		{"odd: thing", slog.LevelInfo, "odd: thing"},
	} {
		if level, text := parseLine(c.line); level != c.level || text != c.text {
			t.Errorf("%q: %v %q", c.line, level, text)
		}
	}
}

func TestHBA(t *testing.T) {
	got := hba([]string{"samenet", "10.0.0.0/8"})
	for _, want := range []string{"host all all samenet scram-sha-256\n", "host all all 10.0.0.0/8 scram-sha-256\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "host all all all") || strings.Count(got, "trust") != 1 {
		t.Errorf("too open: %q", got)
	}
}

func TestSettingsQuoteTheFolder(t *testing.T) {
	if got := settings(5432, "/a'b"); !strings.Contains(got, "unix_socket_directories = '/a''b'\n") || !strings.Contains(got, "fsync = on\n") {
		t.Error(got)
	}
}

func TestAccessCheck(t *testing.T) {
	good := Access{Database: "deis", User: `we"ird'`, Password: "p'w", AdminPassword: "x"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*Access){
		"no database":  func(a *Access) { a.Database = "" },
		"no password":  func(a *Access) { a.Password = "" },
		"NUL":          func(a *Access) { a.AdminPassword = "a\x00b" },
		"long name":    func(a *Access) { a.User = strings.Repeat("a", 64) },
		"superuser":    func(a *Access) { a.User = "postgres" },
		"predefined":   func(a *Access) { a.User = "pg_monitor" },
		"its database": func(a *Access) { a.Database = "template1" },
	} {
		a := good
		spoil(&a)
		if err := a.check(); !errors.Is(err, ErrAccess) {
			t.Errorf("%s: %v", what, err)
		} else if strings.Contains(err.Error(), a.Password) && a.Password != "" {
			t.Errorf("%s: the error shows a password: %v", what, err)
		}
	}
}

func TestNewest(t *testing.T) {
	root := t.TempDir()
	if _, err := newest(root); err == nil {
		t.Error("found one in an empty folder")
	}
	for _, v := range []string{"9.6", "15", "17"} {
		bin := filepath.Join(root, v, "bin")
		if err := os.MkdirAll(bin, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, "initdb"), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := newest(root); err != nil || got != filepath.Join(root, "17", "bin") {
		t.Errorf("%s, %v", got, err)
	}
}

// A lock file with the number of some other process, here this test, must not
// keep the server from starting.
func TestClearStale(t *testing.T) {
	for _, content := range []string{strconv.Itoa(os.Getpid()) + "\n/data\n", "garbage", "", "1\n", "999999999\n"} {
		s := &Server{Config: Config{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}, data: t.TempDir()}
		lock := filepath.Join(s.data, "postmaster.pid")
		if err := os.WriteFile(lock, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.clearStale(t.Context()); err != nil {
			t.Errorf("%q: %v", content, err)
		}
		if _, err := os.Stat(lock); !os.IsNotExist(err) {
			t.Errorf("%q: still there", content)
		}
	}
}
