package nginx

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/deis/deis/internal/retry"
)

// nginxProcess is nginx's master and, as a process group, its workers.
type nginxProcess struct {
	pid  int
	done chan struct{} // closed when the master has ended
	err  error         // of the master; valid once done is closed
}

// startProcess runs nginx. Its output goes through pipes of ours: what reads
// the router's own output may be slow, and nginx's workers must never wait.
// readers counts what still reads them.
func startProcess(binary, conf string, log *slog.Logger, access *relay, readers *sync.WaitGroup) (*nginxProcess, error) {
	cmd := exec.Command(binary, "-e", "stderr", "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if err := widen(outW); err != nil {
		log.Warn("the access log's pipe stays small", "err", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		_, _ = outR.Close(), outW.Close()
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	p := &nginxProcess{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child
		// ends; this one stays until the child has.
		runtime.LockOSThread()
		err := cmd.Start()
		_, _ = outW.Close(), errW.Close()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		_, _ = outR.Close(), errR.Close()
		return nil, err
	}
	p.pid = cmd.Process.Pid
	// Both end when the last process of the group has.
	readers.Go(func() { access.read(outR) })
	readers.Go(func() { logErrors(log, errR) })
	return p, nil
}

// signal sends to the master only.
func (p *nginxProcess) signal(sig syscall.Signal) error { return syscall.Kill(p.pid, sig) }

func (p *nginxProcess) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// workers are the master's children.
func (p *nginxProcess) workers() []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.pid, p.pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// accepting says whether a worker still takes new connections.
func accepting(pid int) bool {
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(title) > 0 && !bytes.Contains(title, []byte("shutting down"))
}

// orphanWait bounds how long workers may take to stop listening after their
// master was killed.
const orphanWait = time.Second

// letGo asks workers that lost their master to finish what they have begun,
// and returns when they accept nothing more: then the ports are free.
func (p *nginxProcess) letGo(ctx context.Context, log *slog.Logger) {
	orphans := groupOf(p.pid)
	if len(orphans) == 0 {
		return
	}
	if err := syscall.Kill(-p.pid, syscall.SIGQUIT); err != nil {
		log.Warn("orphaned workers cannot be told to end", "err", err)
	}
	wait, cancel := context.WithTimeout(ctx, orphanWait)
	defer cancel()
	err := retry.Until(wait, 5*time.Millisecond, func(context.Context) (bool, error) {
		for _, pid := range orphans {
			if accepting(pid) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}

// reap waits for children of the group that were left to us.
func (p *nginxProcess) reap() {
	for {
		_, err := syscall.Wait4(-p.pid, nil, 0, nil)
		if err != nil && err != syscall.EINTR {
			return // none is left
		}
	}
}

// groupOf lists the processes of a group.
func groupOf(pgid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state ppid pgrp ...; the name may contain anything.
		_, rest, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" "))
		f := bytes.Fields(rest)
		if len(f) < 3 || string(f[0]) == "Z" || string(f[2]) != strconv.Itoa(pgid) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// becomeSubreaper makes the kernel give us the children of children that have
// died, as it does for the first process of a container.
func becomeSubreaper() error {
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return errno
	}
	return nil
}
