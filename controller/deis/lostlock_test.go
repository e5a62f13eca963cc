package deis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

// stolen are records of a controller that loses its lock when it stores a
// release's image; taken is called then.
type stolen struct {
	deis.Records
	taken func()
}

type lockKey struct{}

func (s stolen) Lock(ctx context.Context, app string, wait time.Duration) (context.Context, func(), error) {
	locked, unlock, err := s.Records.Lock(ctx, app, wait)
	if err != nil {
		return nil, nil, err
	}
	locked, cancel := context.WithCancelCause(locked)
	lose := func() {
		cancel(errors.New("the lock is lost"))
		unlock()
	}
	return context.WithValue(locked, lockKey{}, lose), unlock, nil
}

func (s stolen) SetReleaseImage(ctx context.Context, _, _ string) error {
	ctx.Value(lockKey{}).(func())()
	s.taken()
	return context.Cause(ctx)
}

// A controller that lost its lock in a deploy leaves alone what the one that
// has the lock now is at.
func TestLostLockUndoesNothing(t *testing.T) {
	p := newPlatform(t)
	structure := map[string]int{"web": 1}
	p.app(p.controller(), "demo", structure)
	first, second := p.needs(), p.controller()
	begun, over, answer := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first.Records = stolen{first.Records, func() {
		p.images.release = func(ctx context.Context, in deis.ReleaseImage) error {
			close(begun)
			<-over
			return nil
		}
		go func() {
			_, version, err := second.CreateBuild(context.WithoutCancel(t.Context()), p.by, "demo", build(3))
			if err == nil && version != 3 {
				err = errors.New("another version")
			}
			answer <- err
		}()
		select {
		case <-begun: // its release is pending
		case err := <-answer:
			answer <- err
		}
	}}
	if _, _, err := deis.New(first).CreateBuild(t.Context(), p.by, "demo", build(2)); err == nil {
		t.Error("deployed without the lock")
	}
	close(over)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	p.settle(second)
	p.consistent("demo", 3, structure)
}
