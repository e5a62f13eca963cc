package cmd

import (
	"math"
	"sync"

	"golang.org/x/term"

	"github.com/deis/deis/client/controller"
)

// inTTY tells whether the input comes from a terminal.
func (s *IOStreams) inTTY() bool { return s.inFD >= 0 && term.IsTerminal(s.inFD) }

// interactive tells whether somebody sits at a terminal and waits for what
// this process shows.
func (s *IOStreams) interactive() bool { return s.outTTY && s.inTTY() && foreground(s.inFD) }

// size is the terminal's, zero if it has none.
func (s *IOStreams) size() controller.RunSize {
	cols, rows, err := term.GetSize(s.outFD)
	if err != nil {
		return controller.RunSize{}
	}
	return controller.RunSize{Rows: uint16(min(rows, math.MaxUint16)), Cols: uint16(min(cols, math.MaxUint16))}
}

// raw hands every key to the program as it is typed, and what the program
// shows to the terminal as it is. restore may be called more than once.
func (s *IOStreams) raw() (restore func(), err error) {
	undo, err := showRaw(s.outFD)
	if err != nil {
		return func() {}, err
	}
	state, err := term.MakeRaw(s.inFD)
	if err != nil {
		undo()
		return func() {}, err
	}
	return sync.OnceFunc(func() {
		_ = term.Restore(s.inFD, state)
		undo()
	}), nil
}
