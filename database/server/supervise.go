package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/deis/deis/internal/retry"
)

// How long a stop may take: in order, then without a checkpoint.
const (
	fastStop      = 50 * time.Second
	immediateStop = 5 * time.Second
)

// Run runs the server until ctx ends, and then stops it in order. If the
// server ends by itself, that is an error.
func (s *Server) Run(ctx context.Context) error {
	cmd := exec.Command(filepath.Join(s.Bin, "postgres"), "-D", s.data)
	cmd.Env = childEnv()
	// Should this process be killed, the server stops in order by itself. A
	// group of its own keeps a terminal's interrupt from it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT, Setpgid: true}
	cmd.WaitDelay = immediateStop // for children that outlive it and hold the pipe
	out, lines := io.Pipe()
	cmd.Stdout, cmd.Stderr = lines, lines
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		s.forward(out)
	}()
	started := make(chan error, 1)
	ended := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread ends that has started the
		// child, so that thread must last.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	defer func() {
		_ = lines.Close()
		<-logged
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.Log.Info("postgres started", "pid", cmd.Process.Pid)
	select {
	case err := <-ended:
		return fmt.Errorf("postgres ended by itself: %w", errors.Join(err, errNoStatus(err)))
	case <-ctx.Done():
	}
	for _, stop := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, immediateStop}, {syscall.SIGKILL, immediateStop}} {
		_ = cmd.Process.Signal(stop.signal) // it may have ended
		select {
		case <-ended:
			s.Log.Info("postgres stopped")
			return ctx.Err()
		case <-time.After(stop.wait):
			s.Log.Warn("postgres does not stop", "signal", stop.signal.String())
		}
	}
	return errors.New("postgres cannot be killed")
}

// errNoStatus names an end that is not an error to package exec.
func errNoStatus(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return nil
}

// forward logs the server's lines: "LEVEL:  message".
func (s *Server) forward(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), 1<<20)
	for lines.Scan() {
		level, text := parseLine(lines.Text())
		s.Log.Log(context.Background(), level, "postgres", "line", text)
	}
	_, _ = io.Copy(io.Discard, r) // a line too long: the server must not block
}

// parseLine splits a line of the server's log. FATAL is how it calls a refused
// client, so it is no more than a warning to us.
func parseLine(line string) (slog.Level, string) {
	word, text, ok := strings.Cut(line, ":")
	if !ok {
		return slog.LevelInfo, line
	}
	text = strings.TrimSpace(text)
	switch word {
	case "PANIC":
		return slog.LevelError, text
	case "FATAL", "ERROR", "WARNING":
		return slog.LevelWarn, text
	case "LOG", "NOTICE", "INFO":
		return slog.LevelInfo, text
	case "DETAIL", "HINT", "CONTEXT", "STATEMENT":
		return slog.LevelInfo, line
	}
	return slog.LevelInfo, line
}

// clearStale handles the lock file of a server that was killed. PostgreSQL
// itself gives up when any process has the number in it, and in a new
// container with its few processes that is likely: even a thread of ours.
func (s *Server) clearStale(ctx context.Context) error {
	lock := filepath.Join(s.data, "postmaster.pid")
	b, err := os.ReadFile(lock)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !s.ours(pid) {
		s.Log.Info("removing the lock file of a server that was killed")
		return os.Remove(lock)
	}
	s.Log.Warn("a server from before is still there, stopping it", "pid", pid)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the server from before: %w", err)
		}
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := retry.Until(wait, 20*time.Millisecond, func(context.Context) (bool, error) { return !s.ours(pid), nil })
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := os.Remove(lock); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// ours says whether pid is a server of this very cluster: it works in it.
func (s *Server) ours(pid int) bool {
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	data, err := filepath.EvalSymlinks(s.data)
	if err != nil {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && dir == data && !strings.Contains(string(status), ") Z ")
}
