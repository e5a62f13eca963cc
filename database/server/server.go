// Package server makes, configures and supervises one PostgreSQL server.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Admin is the superuser's role.
const Admin = "postgres"

// Config is what a Server is made of.
type Config struct {
	Folder  string // holds <major version>/main and run, the socket's folder
	Bin     string // folder of initdb and postgres; empty: the newest of Debian's
	Port    int
	Allow   []string // networks that may connect, as pg_hba.conf names them
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Server is a PostgreSQL server on this host.
type Server struct {
	Config
	data   string // folder of the cluster
	socket string // folder of the unix socket

	health atomic.Pointer[error] // of the last probe; nil before the first
	up     prometheus.Gauge
	took   prometheus.Histogram
}

// New finds the binaries and touches nothing.
func New(cfg Config) (*Server, error) {
	if cfg.Bin == "" {
		var err error
		if cfg.Bin, err = newest("/usr/lib/postgresql"); err != nil {
			return nil, err
		}
	}
	s := &Server{
		Config: cfg,
		socket: filepath.Join(cfg.Folder, "run"),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_database_up", Help: "1 while queries are answered."}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "deis_database_probe_seconds", Help: "Time of a probe's query.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 7)}),
	}
	s.Metrics.MustRegister(s.up, s.took)
	return s, nil
}

// newest is the folder of the highest version's binaries.
func newest(root string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "*", "bin", "initdb"))
	if err != nil {
		return "", err
	}
	best, version := "", 0
	for _, f := range found {
		bin := filepath.Dir(f)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > version {
			best, version = bin, v
		}
	}
	if best == "" {
		return "", fmt.Errorf("no PostgreSQL below %s", root)
	}
	return best, nil
}

// Prepare makes the cluster if there is none, ends what a killed predecessor
// left, and writes the configuration.
func (s *Server) Prepare(ctx context.Context) error {
	if os.Geteuid() == 0 {
		return errors.New("PostgreSQL does not run as root")
	}
	major, err := s.major(ctx)
	if err != nil {
		return err
	}
	s.data = filepath.Join(s.Folder, major, "main")
	if err := os.MkdirAll(s.socket, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(s.socket, 0o700); err != nil { // pg_hba.conf trusts whoever enters
		return err
	}
	if err := s.create(ctx, major); err != nil {
		return err
	}
	if err := s.clearStale(ctx); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(s.data, "postgresql.conf"), settings(s.Port, s.socket)); err != nil {
		return err
	}
	return replaceFile(filepath.Join(s.data, "pg_hba.conf"), hba(s.Allow))
}

// major asks the binary: "postgres (PostgreSQL) 17.2 (Debian ...)" is 17.
func (s *Server) major(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(s.Bin, "postgres"), "-V").Output()
	if err != nil {
		return "", fmt.Errorf("postgres -V: %w", err)
	}
	return parseMajor(string(out))
}

func parseMajor(version string) (string, error) {
	fields := strings.Fields(version)
	if len(fields) < 3 {
		return "", fmt.Errorf("%q is not a version of PostgreSQL", version)
	}
	major, _, _ := strings.Cut(fields[2], ".")
	if _, err := strconv.Atoi(major); err != nil {
		return "", fmt.Errorf("%q is not a version of PostgreSQL", version)
	}
	return major, nil
}

// create runs initdb beside the cluster's place and renames the result when it
// is whole, so that one killed in the middle is begun anew.
func (s *Server) create(ctx context.Context, major string) error {
	if _, err := os.Stat(s.data); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if others, err := filepath.Glob(filepath.Join(s.Folder, "*", "main", "PG_VERSION")); err != nil || len(others) > 0 {
		return errors.Join(err, fmt.Errorf("%s has data of another version than PostgreSQL %s: dump it with that version and restore it here", s.Folder, major))
	}
	if err := os.MkdirAll(filepath.Dir(s.data), 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(s.data + ".new-*")
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil { // the initdb of a predecessor that was killed may still write there
			s.Log.Warn("half-made cluster not removed", "err", err)
		}
	}
	begun, err := os.MkdirTemp(filepath.Dir(s.data), filepath.Base(s.data)+".new-")
	if err != nil {
		return err
	}
	started := time.Now()
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "initdb"), "--pgdata", begun, "--username", Admin, "--encoding", "UTF8",
		"--locale", "C", "--data-checksums", "--auth-local", "trust", "--auth-host", "reject", "--no-instructions")
	cmd.Env = childEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := os.Rename(begun, s.data); err != nil {
		return err
	}
	s.Log.Info("cluster created", "took", time.Since(started).String())
	return syncDir(filepath.Dir(s.data))
}

// syncDir makes a rename in dir outlive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// childEnv is what PostgreSQL gets: PGDATA and its like have other meanings
// there.
func childEnv() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"} }
