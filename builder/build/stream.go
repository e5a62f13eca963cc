package build

import (
	"archive/tar"
	"io"
	"sync"
)

// tarStream is a tar that is written while it is read.
type tarStream struct {
	*io.PipeReader
	done   chan struct{}
	mu     sync.Mutex
	failed error
}

// stream runs write in the background. The reader must be closed; wait returns
// when write has ended.
func stream(write func(*tar.Writer) error) (s *tarStream, wait func()) {
	r, w := io.Pipe()
	s = &tarStream{PipeReader: r, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		t := tar.NewWriter(w)
		err := write(t)
		if err == nil {
			err = t.Close()
		}
		if err != nil && err != io.ErrClosedPipe { // closed: the reader had enough
			s.mu.Lock()
			s.failed = err
			s.mu.Unlock()
		}
		_ = w.CloseWithError(err)
	}()
	return s, func() { <-s.done }
}

// err is why the tar could not be written to its end, if it was its writer's
// fault.
func (s *tarStream) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}
