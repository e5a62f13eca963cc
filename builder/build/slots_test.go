package build

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// asker takes a slot in the background.
type asker struct {
	network string
	release func()
	waited  bool
	cancel  context.CancelFunc
	err     error
}

func ask(ctx context.Context, s *slots, raw bool) *asker {
	a := &asker{}
	ctx, a.cancel = context.WithCancel(ctx)
	go func() { a.network, a.release, a.err = s.take(ctx, raw, func() { a.waited = true }) }()
	synctest.Wait()
	return a
}

func TestRawBuildsAreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := newSlots(3, []string{"one", "two"})
		first, second := ask(ctx, s, true), ask(ctx, s, true)
		if first.network == second.network || first.network == "" || second.network == "" || first.waited {
			t.Fatal(first, second)
		}
		third := ask(ctx, s, false) // a slot is free, but no network
		if third.network != "" || !third.waited {
			t.Fatal(third)
		}
		second.release()
		synctest.Wait()
		if third.network != second.network {
			t.Fatal(third)
		}
		fourth, fifth := ask(ctx, s, false), ask(ctx, s, false)
		if fourth.network != third.network || fifth.network != "" { // three at once
			t.Fatal(fourth, fifth)
		}
		sixth := ask(ctx, s, true) // waits behind the fifth
		first.release()
		synctest.Wait()
		if fifth.network != "one" || sixth.network != "" {
			t.Fatal(fifth, sixth)
		}
		third.release()
		fourth.release()
		synctest.Wait()
		if sixth.network != "two" {
			t.Fatal(sixth)
		}
	})
}

func TestWaiterThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := newSlots(2, []string{"one"})
		first := ask(ctx, s, false)
		blocked := ask(ctx, s, true)
		behind := ask(ctx, s, false)
		if blocked.network != "" || behind.network != "" {
			t.Fatal("the queue was jumped")
		}
		blocked.cancel()
		synctest.Wait()
		if !errors.Is(blocked.err, context.Canceled) || behind.network != "one" {
			t.Fatal(blocked.err, behind)
		}
		first.release()
		behind.release()
		if last := ask(ctx, s, true); last.network != "one" || s.free != 1 {
			t.Fatal(last, s.free)
		}
	})
}
