package cmd

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// frames are what turns while a command waits, one each spinInterval. Each
// is erased by backspaces before the next.
var frames = []string{"...", "o..", ".o.", "..o"}

const spinInterval = 400 * time.Millisecond

// waiting prints message and runs fn, behind a spinner if the output goes to a
// terminal. What follows the message (`done`) is the caller's to print.
func (f *Factory) waiting(message string, fn func() error) error {
	fmt.Fprint(f.IO.Out, message)
	if !f.IO.IsTTY() {
		return fn()
	}
	stop := spin(f.IO.Out, f.pace, nil)
	defer stop()
	return fn()
}

// spin turns until stop is called, which returns when the last frame is gone.
// note, unless nil, is what to say behind a frame.
func spin(out io.Writer, pace time.Duration, note func() string) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	fmt.Fprint(out, frames[0])
	go func() {
		defer close(ended)
		tick := time.NewTicker(pace)
		defer tick.Stop()
		behind := ""
		for i := 1; ; i++ {
			select {
			case <-quit:
				fmt.Fprint(out, erase(behind))
				return
			case <-tick.C:
				text := ""
				if note != nil {
					text = note()
				}
				back := strings.Repeat("\b", len(frames[0])+len(behind))
				fmt.Fprint(out, back+frames[i%len(frames)]+text+blank(len(behind)-len(text)))
				behind = text
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// erase goes back to where a frame began. What is written next covers the
// frame, but not what stood behind it: that is blanked.
func erase(behind string) string {
	return strings.Repeat("\b", len(behind)) + blank(len(behind)) + strings.Repeat("\b", len(frames[0]))
}

// blank overwrites so many columns, if any, and goes back.
func blank(columns int) string {
	columns = max(columns, 0)
	return strings.Repeat(" ", columns) + strings.Repeat("\b", columns)
}
