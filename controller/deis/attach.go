package deis

import (
	"context"
	"io"
)

// Session is what a one-off container is connected to while a user attends it.
type Session struct {
	// Stdin is read to its end, which is the end of the command's input. It is
	// closed when the command has ended, and Read must return then.
	Stdin   io.ReadCloser
	Stdout  io.Writer
	Stderr  io.Writer // with a terminal all comes on Stdout
	TTY     bool
	Size    Size           // of the terminal at first
	Control <-chan Control // it is not closed
}

// Size is a terminal's; zero is unknown.
type Size struct{ Rows, Cols uint16 }

// Control is what a user does beside typing: one of the two.
type Control struct {
	Resize Size
	Signal string // of Signals
}

// Signals can be sent to a command.
var Signals = []string{"HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2"}

// Attach runs a command as Run does, but connected to s. It has no time limit:
// the container lives no longer than ctx. It closes s.Stdin.
func (c *Controller) Attach(ctx context.Context, by User, app, command string, s Session) (int, error) {
	defer s.Stdin.Close()
	spec, err := c.prepareRun(ctx, by, app, command)
	if err != nil {
		return 0, err
	}
	end, err := c.beginRun(ctx, spec)
	if err != nil {
		return 0, err
	}
	defer end()
	s.Stdin = c.hitOnInput(ctx, afterAttach, beforeAttendedEnd, s.Stdin)
	s.Stdout = c.hitOnWrite(ctx, duringAttended, s.Stdout)
	code, err := c.Scheduler.Attach(ctx, spec, s)
	c.hit(ctx, afterRun)
	if err != nil {
		err = c.notRun(ctx, spec, err)
	}
	return code, err
}
