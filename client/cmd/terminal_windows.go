package cmd

import (
	"time"

	"golang.org/x/sys/windows"
)

// sizeInterval is between two looks at the console's size: a change of it is
// told to those only who read the console's events instead of its text.
const sizeInterval = 300 * time.Millisecond

// foreground is so: there are no jobs in the background.
func foreground(int) bool { return true }

// showRaw makes the console understand what programs write to terminals.
func showRaw(fd int) (undo func(), err error) {
	var mode uint32
	console := windows.Handle(fd)
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING|windows.DISABLE_NEWLINE_AUTO_RETURN); err != nil {
		return nil, err
	}
	return func() { _ = windows.SetConsoleMode(console, mode) }, nil
}

// resizes tells when the console may have got another size. The channel is
// closed by stop.
func (s *IOStreams) resizes() (sizes <-chan struct{}, stop func()) {
	changed := make(chan struct{})
	quit := make(chan struct{})
	last := s.size()
	go func() {
		defer close(changed)
		tick := time.NewTicker(sizeInterval)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			if s.size() == last {
				continue
			}
			last = s.size()
			select {
			case <-quit:
				return
			case changed <- struct{}{}:
			}
		}
	}()
	return changed, func() { close(quit) }
}
