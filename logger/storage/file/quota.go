package file

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"
)

var errFull = errors.New("the disk is full")

// full marks errors that go away when files do.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errors.Join(errFull, err)
	}
	return err
}

// tidy keeps the bounds on open files and on the total.
func (f *Files) tidy() {
	for {
		f.mu.Lock()
		var idle *app
		if f.open.Len() > openFiles {
			idle = f.open.Back().Value.(*app)
		}
		f.mu.Unlock()
		if idle == nil {
			break
		}
		idle.mu.Lock()
		f.close(idle)
		idle.mu.Unlock()
	}
	if sum := f.sum(); sum > f.limits.Total {
		f.evict(f.limits.Total - f.limits.Total/10) // not again at the next line
	}
}

// candidate is a segment that may go; n is 0 for a current one.
type candidate struct {
	app     *app
	n       int
	written time.Time
}

// evict removes segments, old ones before current ones and each by age, until
// all together have at most want bytes. It says whether anything went.
func (f *Files) evict(want int64) (freed bool) {
	for _, c := range f.candidates() {
		if f.sum() <= want && freed {
			break
		}
		c.app.mu.Lock()
		var err error
		switch {
		case c.app.gone:
		case c.n > 0 && len(c.app.old) > 0 && c.app.old[0].n == c.n:
			err = f.removeOldest(c.app)
			freed = freed || err == nil
		case c.n == 0 && c.app.size > 0:
			err = f.removeCurrent(c.app)
			freed = freed || err == nil
		}
		c.app.mu.Unlock()
		if err != nil {
			f.log.Warn("segment not removed", "app", c.app.name, "err", err)
		}
	}
	return freed
}

func (f *Files) candidates() []candidate {
	f.mu.Lock()
	apps := make([]*app, 0, len(f.apps))
	for _, a := range f.apps {
		apps = append(apps, a)
	}
	f.mu.Unlock()
	var cs []candidate
	for _, a := range apps {
		a.mu.Lock()
		for _, s := range a.old {
			cs = append(cs, candidate{app: a, n: s.n, written: s.written})
		}
		cs = append(cs, candidate{app: a, written: a.written})
		a.mu.Unlock()
	}
	slices.SortStableFunc(cs, func(x, y candidate) int {
		if (x.n == 0) != (y.n == 0) {
			if x.n == 0 {
				return 1
			}
			return -1
		}
		return x.written.Compare(y.written)
	})
	return cs
}

// removeCurrent drops a current segment, as an old one, so that the log's
// positions go on. a's lock is held.
func (f *Files) removeCurrent(a *app) error {
	if err := f.rotate(a); errors.Is(err, os.ErrNotExist) {
		f.shrink(a, 0)
	} else if err != nil {
		return err
	}
	for len(a.old) > 0 {
		if err := f.removeOldest(a); err != nil {
			return err
		}
	}
	return nil
}
