package storage

import (
	"errors"
	"io"

	"github.com/deis/deis/internal/api"
)

// maxWatchers bounds who follows, of all apps together.
const maxWatchers = 1000

// Seek is the adapter's.
func (s *Store) Seek(app string, n int) (api.LogPosition, error) {
	adapter, err := s.current()
	if err != nil {
		return api.LogPosition{}, err
	}
	return adapter.Seek(app, n)
}

// Read is the adapter's, but says by itself that the position is lost.
func (s *Store) Read(app string, from api.LogPosition, w io.Writer) (next api.LogPosition, lost bool, err error) {
	adapter, err := s.current()
	if err != nil {
		return from, false, err
	}
	next, err = adapter.Read(app, from, w)
	if errors.Is(err, ErrLost) {
		return from, true, nil
	}
	return next, false, err
}

// Watch sends on changed after the app got lines or lost its log, until stop
// is called; while nobody receives, once for all. It fails with ErrUnknown for
// what no lines are kept under, and with ErrBusy if too many watch.
func (s *Store) Watch(app string) (changed <-chan struct{}, stop func(), err error) {
	if !ValidApp(app) {
		return nil, nil, ErrUnknown
	}
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	if s.watching >= maxWatchers {
		return nil, nil, ErrBusy
	}
	ch := make(chan struct{}, 1)
	if s.watchers[app] == nil {
		s.watchers[app] = map[chan struct{}]bool{}
	}
	s.watchers[app][ch] = true
	s.watching++
	s.follows.Inc()
	return ch, func() {
		s.watchMu.Lock()
		defer s.watchMu.Unlock()
		if !s.watchers[app][ch] {
			return
		}
		delete(s.watchers[app], ch)
		if len(s.watchers[app]) == 0 {
			delete(s.watchers, app)
		}
		s.watching--
		s.follows.Dec()
	}, nil
}

// wake tells who watches the app; all of them if app is empty.
func (s *Store) wake(app string) {
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	if app != "" {
		poke(s.watchers[app])
		return
	}
	for _, chs := range s.watchers {
		poke(chs)
	}
}

func poke(chs map[chan struct{}]bool) {
	for ch := range chs {
		select {
		case ch <- struct{}{}:
		default: // one is under way
		}
	}
}
