//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// foreground tells whether this process may use its terminal. One in the
// background would be stopped for trying. A terminal that is not the one of
// the process's session stops nobody.
func foreground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// showRaw has nothing to do: MakeRaw is for both directions.
func showRaw(int) (undo func(), err error) { return func() {}, nil }

// resizes tells when the terminal may have got another size. The channel is
// closed by stop.
func (s *IOStreams) resizes() (sizes <-chan struct{}, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	changed := make(chan struct{})
	quit := make(chan struct{})
	go func() {
		defer close(changed)
		for {
			select {
			case <-quit:
				return
			case <-signals:
			}
			select {
			case <-quit:
				return
			case changed <- struct{}{}:
			}
		}
	}()
	return changed, func() {
		signal.Stop(signals)
		close(quit)
	}
}
