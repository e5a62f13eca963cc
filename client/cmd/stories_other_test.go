//go:build !linux

package cmd

// runAtTerminal needs a pseudo-terminal whose echo can be looked at.
func (s *scene) runAtTerminal(...string) (shown string, code int) {
	s.t.Fatal("stories are told at a terminal of Linux only")
	return "", 0
}

// nobody does nothing: who runs tests elsewhere is not root.
func nobody(*scene) {}
