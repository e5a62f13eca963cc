package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/retry"
)

// detachKeys are what a terminal's user would have to type to let go of the
// container. The Engine's own, ctrl-p first, is a key that shells and editors
// want; it takes no empty sequence.
const detachKeys = "ctrl-^,ctrl-],ctrl-^,ctrl-],ctrl-^"

const initTimeout = 2 * time.Second // from a container's start until its init has begun the command

// attended makes of a one-off container's plan one that somebody attends. An
// init of the Engine's is its first process: as that, most programs would not
// end by a signal.
func (p plan) attended(s deis.Session) plan {
	init := true
	p.Host.Init = &init
	p.Config.Tty = s.TTY
	p.Config.OpenStdin, p.Config.StdinOnce = true, true
	p.Config.AttachStdin, p.Config.AttachStdout, p.Config.AttachStderr = true, true, !s.TTY
	if s.TTY {
		p.Host.ConsoleSize = [2]uint{uint(s.Size.Rows), uint(s.Size.Cols)}
	}
	return p
}

// Run is part of scheduler.Scheduler.
func (s *Scheduler) Run(ctx context.Context, spec deis.Spec, output io.Writer) (exitCode int, err error) {
	return s.runOnce(ctx, spec, s.cfg.planContainer(spec, true), deis.Session{Stdout: output, Stderr: output})
}

// Attach is part of scheduler.Scheduler.
func (s *Scheduler) Attach(ctx context.Context, spec deis.Spec, session deis.Session) (exitCode int, err error) {
	defer session.Stdin.Close()
	return s.runOnce(ctx, spec, s.cfg.planContainer(spec, true).attended(session), session)
}

// runOnce creates a container, follows it to its end, and removes it. Without
// a Stdin it has no input.
func (s *Scheduler) runOnce(ctx context.Context, spec deis.Spec, p plan, session deis.Session) (exitCode int, err error) {
	defer func() {
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = scheduler.TimedOut(err)
		}
	}()
	id, err := s.prepare(ctx, spec, p)
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := s.remove(ctx, id); err != nil {
			s.log.Error("one-off container left", "container", id, "err", err)
		}
	}()
	return s.attend(ctx, spec.Identity.ID, id, session)
}

// attend starts a container and follows it to its end.
func (s *Scheduler) attend(ctx context.Context, job jobid.ID, id string, session deis.Session) (exitCode int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.engine.ContainerAttach(ctx, id, container.AttachOptions{
		Stream: true, Stdin: session.Stdin != nil, Stdout: true, Stderr: true, DetachKeys: detachKeys,
	})
	if err != nil {
		return 0, away(ctx, err)
	}
	stdout, stderr := &taken{w: session.Stdout}, &taken{w: session.Stderr}
	printed := make(chan error, 1)
	go func() {
		if session.TTY {
			_, err := io.Copy(stdout, stream.Reader)
			printed <- err
			return
		}
		printed <- engine.Demultiplex(stdout, stderr, stream.Reader)
	}()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		if session.Stdin != nil {
			_, _ = io.Copy(stream.Conn, session.Stdin) // what ends it is seen elsewhere
			_ = stream.CloseWrite()
		}
	}()
	finished := false
	defer func() { // nobody reads or writes for the session after this
		stream.Close()
		if session.Stdin != nil {
			session.Stdin.Close()
		}
		<-fed
		if !finished {
			<-printed
		}
	}()
	ended, failed := s.engine.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := s.start(ctx, id); err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, scheduler.Refused(job, err, "does not start: %s", words(err))
	}
	if session.TTY { // older Engines take no size at creation
		s.control(ctx, id, deis.Control{Resize: session.Size})
	}
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case err := <-failed:
			return 0, away(ctx, err)
		case c := <-session.Control:
			s.control(ctx, id, c)
		case err := <-printed:
			finished = true
			if err != nil {
				return 0, fmt.Errorf("output of %s: %w", job, err)
			}
			printed = nil // it closed its output, and may go on
		case end := <-ended:
			for !finished {
				select {
				case <-ctx.Done():
					return 0, ctx.Err()
				case err = <-printed:
					finished = true
				case <-time.After(s.drain):
					if stdout.idle(s.drain) && stderr.idle(s.drain) { // a process of its own holds the output open
						return int(end.StatusCode), nil
					}
				}
			}
			return int(end.StatusCode), err
		}
	}
}

// control does what a user wants of a running command. One that has just ended
// takes no harm of it.
func (s *Scheduler) control(ctx context.Context, id string, c deis.Control) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	switch {
	case c.Signal != "":
		s.awaitCommand(ctx, id)
		err = s.engine.ContainerKill(ctx, id, "SIG"+c.Signal)
	case c.Resize.Rows > 0 && c.Resize.Cols > 0:
		err = s.engine.ContainerResize(ctx, id, container.ResizeOptions{Height: uint(c.Resize.Rows), Width: uint(c.Resize.Cols)})
	}
	if err != nil && !engine.IsNotFound(err) && !engine.IsConflict(err) {
		s.log.Debug("command not controlled", "container", id, "err", err)
	}
}

// awaitCommand waits a moment until the container's init has begun the command:
// before, the kernel drops what is sent to it, as it drops for any first process
// the signals that this does not listen to. An Engine that cannot tell is not
// waited for.
func (s *Scheduler) awaitCommand(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	_ = retry.Until(ctx, 5*time.Millisecond, func(ctx context.Context) (bool, error) {
		top, err := s.engine.ContainerTop(ctx, id, nil)
		return err != nil || len(top.Processes) > 1, nil
	})
}

// taken is an output, with whether somebody takes it.
type taken struct {
	w       io.Writer
	writing atomic.Bool
	last    atomic.Int64 // end of the last write
}

func (t *taken) Write(p []byte) (int, error) {
	t.writing.Store(true)
	defer func() {
		t.last.Store(time.Now().UnixNano())
		t.writing.Store(false)
	}()
	return t.w.Write(p)
}

// idle says that nothing was written for d.
func (t *taken) idle(d time.Duration) bool {
	return !t.writing.Load() && time.Since(time.Unix(0, t.last.Load())) >= d
}
