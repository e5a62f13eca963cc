package build

import (
	"context"
	"slices"
	"sync"
)

// slots give builds a network to run in, at most so many at once, in the order
// in which they asked.
//
// The Engine's builder leaves RUN steps the right to make raw packets, with
// which one container can take over another's address. Nothing else shares a
// network with a build that has such steps.
type slots struct {
	mu       sync.Mutex
	free     int // builds that may still begin
	networks []*slotNetwork
	queue    []*waiter
}

type slotNetwork struct {
	name   string
	builds int
	raw    bool // its only build has raw packets
}

type waiter struct {
	raw     bool
	granted chan *slotNetwork
}

func newSlots(builds int, networks []string) *slots {
	s := &slots{free: builds}
	for _, name := range networks {
		s.networks = append(s.networks, &slotNetwork{name: name})
	}
	return s
}

// take waits for a network; waiting is called if there is none at once. raw
// says that the build can make raw packets.
func (s *slots) take(ctx context.Context, raw bool, waiting func()) (network string, release func(), err error) {
	w := &waiter{raw: raw, granted: make(chan *slotNetwork, 1)}
	s.mu.Lock()
	s.queue = append(s.queue, w)
	s.grant()
	s.mu.Unlock()
	var n *slotNetwork
	select {
	case n = <-w.granted:
	default:
		waiting()
		select {
		case n = <-w.granted:
		case <-ctx.Done():
			s.giveUp(w)
			return "", nil, context.Cause(ctx)
		}
	}
	return n.name, func() { s.release(n) }, nil
}

// grant serves the queue from its head. Callers hold mu.
func (s *slots) grant() {
	for len(s.queue) > 0 && s.free > 0 {
		n := s.fitting(s.queue[0].raw)
		if n == nil {
			return
		}
		w := s.queue[0]
		s.queue = s.queue[1:]
		s.free--
		n.builds++
		n.raw = w.raw
		w.granted <- n
	}
}

// fitting is the emptiest network for a build, nil if there is none.
func (s *slots) fitting(raw bool) *slotNetwork {
	var best *slotNetwork
	for _, n := range s.networks {
		if n.raw || raw && n.builds > 0 {
			continue
		}
		if best == nil || n.builds < best.builds {
			best = n
		}
	}
	return best
}

func (s *slots) release(n *slotNetwork) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	n.builds--
	n.raw = false
	s.grant()
}

// giveUp takes a waiter out of the queue, or gives back what it was granted
// meanwhile.
func (s *slots) giveUp(w *waiter) {
	s.mu.Lock()
	i := slices.Index(s.queue, w)
	if i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
		s.grant() // it may have been in the way
	}
	s.mu.Unlock()
	if i < 0 {
		s.release(<-w.granted)
	}
}
