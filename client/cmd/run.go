package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/deis/deis/client/controller"
)

type appsRunOptions struct {
	*Factory
	App     string
	Command []string
}

func newAppsRun(f *Factory, runF func(context.Context, *appsRunOptions) error) *verb {
	o := &appsRunOptions{Factory: f}
	v := newVerb("apps:run", "run a command in a container of its own", `Runs a command in a container of its own, made as those of the app, and ends with its exit code.
At a terminal it has a terminal, so that shells and editors work. Otherwise it
reads what the input is a file or a pipe for; in a loop that reads from one,
give it </dev/null.`)
	v.usage = "[options] [--] <command>..."
	v.many(&o.Command, "<command>...", "the command; behind -- its own options are left alone")
	v.forApp(&o.App)
	return action(v, o, runF, runAppsRun)
}

func runAppsRun(ctx context.Context, o *appsRunOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	command := strings.Join(o.Command, " ")
	o.printf("Running '%s'...\n", command)
	code, err := o.attend(ctx, t, command)
	if errors.Is(err, controller.ErrNoAttend) {
		code, err = o.wait(ctx, t, command)
	}
	if err == nil && code != exitOK {
		err = exitCode(code)
	}
	return err
}

// wait runs the command as clients of Deis v1 do: without input, its output
// comes at its end.
func (o *appsRunOptions) wait(ctx context.Context, t target, command string) (code int, err error) {
	result, err := t.api.Run(ctx, t.app, command)
	if err != nil {
		return 0, err
	}
	o.printf("%s", result.Output)
	return result.ExitCode, nil
}

// signalNames are the signals that a command gets in the client's stead, as
// the API calls them.
var signalNames = map[os.Signal]string{os.Interrupt: "INT", syscall.SIGTERM: "TERM"}

// attend runs the command with the client's own streams. At a terminal it has
// a terminal too, and Ctrl-C is a byte of its input; a signal ends the
// session. Otherwise the first signal is the command's, the second ends the
// session.
func (o *appsRunOptions) attend(ctx context.Context, t target, command string) (code int, err error) {
	first := controller.RunStart{Command: command, TTY: o.IO.interactive()}
	var sizes <-chan struct{}
	if first.TTY {
		var stop func()
		sizes, stop = o.IO.resizes()
		defer stop()
		first.RunSize = o.IO.size()
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	s, err := o.begin(ctx, t, first)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	restore := func() {}
	if first.TTY {
		signal.Notify(signals, syscall.SIGHUP) // would leave the terminal as it is now
		if restore, err = o.IO.raw(); err != nil {
			return 0, err
		}
	}
	defer restore()

	// These end with the session, but for a read of the input and a write that
	// nobody takes: they cannot be ended, and are left behind for the end of the
	// process.
	beside := func(fn func()) {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					restore()
					panic(p)
				}
			}()
			fn()
		}()
	}
	beside(func() { o.input(s, first.TTY) })
	if first.TTY {
		beside(func() {
			for range sizes {
				_ = s.Resize(o.IO.size()) // Wait tells
			}
		})
	}
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	beside(func() {
		code, err := s.Wait(o.IO.Out, o.IO.Err)
		ended <- end{code, err}
	})
	for forwarded := false; ; forwarded = true {
		select {
		case e := <-ended:
			return e.code, e.err
		case sig := <-signals:
			if first.TTY || forwarded {
				return signalled(sig), nil // also if nobody takes the output, for which Wait waits
			}
			beside(func() { _ = s.Signal(signalNames[sig]) }) // Wait tells
		}
	}
}

// begin starts the command. ctx, which the first signal ends, does so until it
// runs.
func (o *appsRunOptions) begin(ctx context.Context, t target, first controller.RunStart) (*controller.Session, error) {
	session, cancel := context.WithCancel(context.WithoutCancel(ctx))
	hold := context.AfterFunc(ctx, cancel)
	s, err := t.api.Attend(session, t.app, first)
	if err != nil {
		cancel()
		return nil, err
	}
	if !hold() {
		s.Close()
		return nil, ctx.Err()
	}
	return s, nil
}

// signalled is the exit code of a program that a signal ended.
func signalled(sig os.Signal) int {
	if number, ok := sig.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return exitFailed
}

// input sends the client's input and its end. A terminal is read for a command
// that has one only: a job in the background would be stopped by it, and
// scripts written for Deis v1, which sent no input, would wait.
func (o *appsRunOptions) input(s *controller.Session, tty bool) {
	if tty || !o.IO.inTTY() {
		_, _ = io.Copy(s, o.IO.in) // to its end or the session's: Wait tells
	}
	_ = s.CloseInput()
}
