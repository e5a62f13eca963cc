package mock

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler"
)

// Terminal is what an attached program knows of its user beside the input.
// Only Attach has one.
type Terminal struct {
	mu      sync.Mutex
	tty     bool
	size    deis.Size
	resized chan struct{}
	traps   map[string]chan struct{}
}

// TTY says whether the program has a terminal.
func (t *Terminal) TTY() bool { return t != nil && t.tty }

// Size is the terminal's.
func (t *Terminal) Size() deis.Size {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size
}

// Resized is sent to after the size changed.
func (t *Terminal) Resized() <-chan struct{} { return t.resized }

// Trap makes the program handle a signal: it is sent on the channel, instead of
// ending the program.
func (t *Terminal) Trap(signal string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	ch := make(chan struct{}, 1)
	t.traps[signal] = ch
	return ch
}

// do is what a user does; it says whether the program ends by it.
func (t *Terminal) do(c deis.Control) (killed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ch := t.resized
	if c.Signal != "" {
		if ch = t.traps[c.Signal]; ch == nil || c.Signal == "KILL" {
			return true
		}
	} else {
		t.size = c.Resize
	}
	select {
	case ch <- struct{}{}:
	default: // one is under way
	}
	return false
}

// numbers are the signals'.
var numbers = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15}

// killedBy ends a program by a signal.
type killedBy int

func (killedBy) Error() string { return "killed by a signal" }

// Run is part of scheduler.Scheduler. The output of an image without programs
// is a description of the container as JSON, and the exit code is 0.
func (s *Scheduler) Run(ctx context.Context, spec deis.Spec, output io.Writer) (int, error) {
	if err := s.begin(Run, spec.Identity.ID); err != nil {
		return 0, err
	}
	return s.runOnce(ctx, spec, Process{Stdout: output, Stderr: output})
}

// Attach is part of scheduler.Scheduler.
func (s *Scheduler) Attach(ctx context.Context, spec deis.Spec, session deis.Session) (int, error) {
	defer session.Stdin.Close()
	if err := s.begin(Attach, spec.Identity.ID); err != nil {
		return 0, err
	}
	p := Process{Stdin: session.Stdin, Stdout: session.Stdout, Stderr: session.Stderr, Terminal: &Terminal{
		tty: session.TTY, size: session.Size, resized: make(chan struct{}, 1), traps: map[string]chan struct{}{},
	}}
	if session.TTY {
		p.Stderr = session.Stdout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(ctx, func() { session.Stdin.Close() })()
	controlled := make(chan struct{})
	go func() {
		defer close(controlled)
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-session.Control:
				if p.do(c) {
					cancel(killedBy(numbers[c.Signal]))
				}
			}
		}
	}()
	defer func() {
		cancel(nil)
		<-controlled
	}()
	return s.runOnce(ctx, spec, p)
}

// runOnce runs what p is the surroundings of.
func (s *Scheduler) runOnce(ctx context.Context, spec deis.Spec, p Process) (int, error) {
	if err := scheduler.CheckTags(spec, s.opt.Tags); err != nil {
		return 0, err
	}
	img, err := s.image(spec)
	if err != nil {
		return 0, err
	}
	b := newBox(spec, img)
	program, args, err := b.program()
	if err != nil {
		return 0, err
	}
	if program == nil {
		return 0, describe(spec, p.Stdout)
	}
	s.mu.Lock()
	b.status.State = deis.StateUp
	s.containers[spec.Identity.UUID] = b
	s.mu.Unlock()
	defer s.remove(b)

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p.Args, p.Spec, p.Hostname = args, spec, b.hostname()
	p.Stdout, p.Stderr = &guarded{w: p.Stdout, fail: fail}, &guarded{w: p.Stderr, fail: fail}
	code := program(ctx, p)
	var killed killedBy
	switch err := context.Cause(ctx); {
	case errors.As(err, &killed):
		return 128 + int(killed), nil
	case errors.Is(err, context.DeadlineExceeded):
		return 0, scheduler.TimedOut(err)
	case err != nil:
		return 0, err
	}
	return code, nil
}

func describe(spec deis.Spec, output io.Writer) error {
	return json.NewEncoder(output).Encode(map[string]string{
		"name": spec.Identity.ID.String(), "image": spec.Image,
		"entrypoint": strings.Join(spec.Entrypoint, " "), "command": strings.Join(spec.Command, " "),
	})
}

// guarded is a Run's output: the first write that fails ends the program.
type guarded struct {
	w    io.Writer
	fail context.CancelCauseFunc
}

func (g *guarded) Write(p []byte) (int, error) {
	n, err := g.w.Write(p)
	if err != nil {
		g.fail(err)
	}
	return n, err
}
