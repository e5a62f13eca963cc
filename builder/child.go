package builder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/deis/deis/builder/sshd"
	"github.com/deis/deis/internal/retry"
)

const (
	startTimeout = 30 * time.Second // of the sshd process
	endGrace     = 5 * time.Second  // for pushers to hear that they were cut off
)

// serveSSH keeps an sshd process behind the listening socket until ctx ends,
// and then lets it drain. up is called when one answers.
func (b *builder) serveSSH(ctx context.Context, ln *net.TCPListener, up func()) error {
	socket, err := ln.File()
	if err != nil {
		return err
	}
	// Clients that come while we stop must not wait for nobody.
	defer context.AfterFunc(ctx, func() { _, _ = socket.Close(), ln.Close() })()
	defer socket.Close()
	return retry.Forever(ctx, b.Log, "sshd", func(ctx context.Context) error {
		err := b.child(ctx, socket, up)
		if err == nil && ctx.Err() == nil {
			err = errors.New("it ended by itself")
		}
		return err
	})
}

// child runs one sshd process to its end.
func (b *builder) child(ctx context.Context, listener *os.File, up func()) error {
	hostKeys, err := sshd.HostKeys(ctx, b.Log, b.kv)
	if err != nil {
		return err
	}
	settings, err := json.Marshal(gatewaySettings{
		HostKeys: hostKeys, Socket: b.socket(), Hooks: b.hooks(), GitRoot: b.GitRoot,
		MaxPush: b.MaxPush, Connections: b.Connections, Drain: b.Drain + endGrace, LogLevel: b.level(ctx),
	})
	if err != nil {
		return err
	}
	cmd := exec.Command(b.Self, "sshd")
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{listener}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's ^C is for the worker
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.GitUID), Gid: uint32(b.GitGID)} // and no other group
	}
	stdin, err := cmd.StdinPipe() // open as long as we live
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	stopping := context.AfterFunc(ctx, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill.Reset(b.Drain + 2*endGrace)
	})
	defer stopping()
	if _, err = stdin.Write(append(settings, '\n')); err == nil {
		_, err = bufio.NewReader(stdout).ReadString('\n')
	}
	if err == nil && ctx.Err() == nil {
		kill.Stop()
		up()
	}
	if waited := cmd.Wait(); waited != nil {
		return waited
	}
	return nil
}

// level is the one that our own log has.
func (b *builder) level(ctx context.Context) slog.Level {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if b.Log.Enabled(ctx, l) {
			return l
		}
	}
	return slog.LevelError
}

func (b *builder) socket() string { return filepath.Join(b.RunDir, "worker.sock") }
func (b *builder) hooks() string  { return filepath.Join(b.RunDir, "hooks") }

// prepareRun makes the folder of socket and hooks. The hooks are this binary
// under their names, one folder for all repositories.
func (b *builder) prepareRun() error {
	if err := os.MkdirAll(b.hooks(), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"pre-receive", "proc-receive"} {
		path := filepath.Join(b.hooks(), name)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Symlink(b.Self, path); err != nil {
			return err
		}
	}
	return nil
}

// listenWorker opens the unix socket for the account that sshd and git have.
func (b *builder) listenWorker() (net.Listener, error) {
	path := b.socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err // left by a crash
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	if os.Getuid() == 0 {
		if err := os.Chown(path, 0, b.GitGID); err != nil {
			return nil, errors.Join(fmt.Errorf("worker's socket: %w", err), ln.Close())
		}
	}
	return ln, nil
}
