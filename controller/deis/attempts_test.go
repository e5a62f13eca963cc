package deis

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var home = netip.MustParseAddr("198.51.100.7")

// try begins an attempt and ends it. It fails as begin does.
func (a *attempts) try(name string, from netip.Addr, wrong bool) error {
	end, err := a.begin(name, from)
	if err == nil {
		end(wrong)
	}
	return err
}

// until calls try until it fails, and says how often it did not.
func until(t *testing.T, try func(n int) error) int {
	t.Helper()
	for n := range 1000 {
		if err := try(n); err != nil {
			if KindOf(err) != TooMany {
				t.Error(err)
			}
			return n
		}
	}
	t.Error("there is no bound")
	return 0
}

func TestWrongPasswordsOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		for range 50 { // right ones cost nothing
			if err := a.try("ann", home, false); err != nil {
				t.Fatal(err)
			}
		}
		// A new address each time, and the name in any case: a directory knows none.
		guess := func(n int) error {
			return a.try([]string{"ann", "Ann", "ANN"}[n%3], netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), true)
		}
		if n := until(t, guess); n != wrongOfName {
			t.Errorf("%d wrong passwords", n)
		}
		if err := a.try("bob", home, false); err != nil {
			t.Error("another name:", err)
		}
		err := a.try("ann", home, false)
		e, ok := err.(*Error)
		if !ok || e.Kind != TooMany || e.RetryAfter != 30*time.Second || e.Detail != "Too many wrong passwords. Try again in 30 seconds." {
			t.Fatalf("%#v", err)
		}
		time.Sleep(e.RetryAfter - time.Second)
		if err, ok := a.try("ann", home, true).(*Error); !ok || err.RetryAfter != time.Second || err.Detail != "Too many wrong passwords. Try again in 1 second." {
			t.Errorf("too early: %v", err)
		}
		time.Sleep(time.Second)
		if n := until(t, guess); n != 1 {
			t.Errorf("%d wrong passwords after %v", n, e.RetryAfter)
		}
		time.Sleep(allowanceTime)
		if n := until(t, guess); n != wrongOfName {
			t.Errorf("%d wrong passwords after %v", n, allowanceTime)
		}
	})
}

func TestWrongPasswordsFromAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		guess := func(from string) func(int) error {
			return func(n int) error { return a.try(fmt.Sprint("user", n), netip.MustParseAddr(from), true) }
		}
		if n := until(t, guess("198.51.100.7")); n != wrongOfAddress {
			t.Errorf("%d wrong passwords", n)
		}
		// What the address was refused is not held against the name.
		for range 2 * wrongOfName {
			if err := a.try("ann", home, true); KindOf(err) != TooMany {
				t.Error(err)
			}
		}
		if err := a.try("ann", netip.MustParseAddr("198.51.100.8"), true); err != nil {
			t.Error("the address's neighbour:", err)
		}
		if err := a.try("ann", netip.MustParseAddr("::ffff:198.51.100.7"), true); KindOf(err) != TooMany {
			t.Error("the same, written otherwise:", err)
		}
		// Names that nobody can have count by address only.
		odd := func(from string) int {
			return until(t, func(int) error { return a.try("no body", netip.MustParseAddr(from), true) })
		}
		if n := odd("198.51.100.9"); n != wrongOfAddress {
			t.Errorf("%d wrong passwords", n)
		}
		if n := odd("2001:db8::1"); n != wrongOfAddress {
			t.Errorf("%d wrong passwords", n)
		}
		if err := a.try("ann", netip.MustParseAddr("2001:db8::2"), true); KindOf(err) != TooMany {
			t.Error("the same /64:", err)
		}
		if err := a.try("ann", netip.MustParseAddr("2001:db8:0:1::1"), true); err != nil {
			t.Error("another /64:", err)
		}
	})
}

// TestManyAttemptsAtOnce: those in progress count as wrong.
func TestManyAttemptsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		var let atomic.Int64
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if end, err := a.begin("ann", netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})); err == nil {
					let.Add(1)
					time.Sleep(time.Second)
					end(false)
				}
			})
		}
		wg.Wait()
		if n := let.Load(); n != wrongOfName {
			t.Errorf("%d at once", n)
		}
		if len(a.names.buckets)+a.names.order.Len()+len(a.addresses.buckets) != 0 {
			t.Error("right passwords are remembered")
		}
	})
}

func TestAttemptsForgetTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAllowances(2)
		now := time.Now()
		for range 2 {
			a.take("old", now)
			a.take("new", now)
		}
		for i := range maxRemembered - 2 {
			a.take(fmt.Sprint(i), now)
		}
		if a.take("new", now) == 0 || len(a.buckets) != maxRemembered { // tried again: not the oldest
			t.Error(len(a.buckets))
		}
		a.take("one more", now)
		if len(a.buckets) != maxRemembered || a.order.Len() != maxRemembered || a.buckets["old"] != nil || a.buckets["new"] == nil {
			t.Error(len(a.buckets), a.order.Len())
		}
		a.giveBack("old") // forgotten meanwhile
		if a.buckets["old"] != nil {
			t.Error("there again")
		}
	})
}
