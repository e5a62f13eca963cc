package deis

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPasswords(t *testing.T) {
	ctx := t.Context()
	hash, err := hashPassword(ctx, "secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		hash, password string
		want           bool
	}{
		{hash, "secret", true}, {hash, "Secret", false}, {hash, "", false},
		{"", "", false}, {"", "secret", false}, {unusable, "", false}, {unusable, unusable, false}, {"x$y", "", false}, {nobodysHash, "", false},
	} {
		if got, err := checkPassword(ctx, x.hash, x.password); got != x.want || err != nil {
			t.Errorf("%q against %q: %v %v", x.password, x.hash, got, err)
		}
	}
	if again, err := hashPassword(ctx, "secret"); again == hash || err != nil {
		t.Error("two hashes of one password are equal", err)
	}
	if _, err := checkPassword(ctx, "argon2id$2$x$1$AA$AA", ""); err == nil {
		t.Error("a broken hash is no error")
	}
}

// TestHashesOfNobody: an unknown user costs as many hashes as a known one.
func TestHashesOfNobody(t *testing.T) {
	hash, err := hashPassword(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	full := newTurns(1, 1)
	if err := full.enter(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	defer func(old turns) { hashing = old }(hashing)
	hashing = full // whoever hashes fails
	for _, h := range []string{hash, "", unusable} {
		if _, err := checkPassword(ended, h, "wrong"); !errors.Is(err, context.Canceled) {
			t.Errorf("%q is checked without a hash: %v", h, err)
		}
	}
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(2, 3)
		got := make(chan error, 20)
		for range 5 {
			go func() {
				err := turns.enter(t.Context(), 10*time.Second)
				if err == nil {
					time.Sleep(6 * time.Second)
					turns.leave()
				}
				got <- err
			}()
		}
		synctest.Wait()
		if len(turns.in) != 2 || len(turns.all) != 5 {
			t.Errorf("%d are in, %d in all", len(turns.in), len(turns.all))
		}
		if err := turns.enter(t.Context(), time.Hour); KindOf(err) != TooMany { // the line is full
			t.Error(err)
		}
		late := 0
		for range 5 { // two at 0 s, two at 6 s; one gives up at 10 s
			if err := <-got; err != nil {
				late++
				if KindOf(err) != TooMany || err.Error() != "Too many passwords are being checked. Try again in 1 second." {
					t.Error(err)
				}
			}
		}
		if late != 1 || len(turns.in) != 0 || len(turns.all) != 0 {
			t.Errorf("%d gave up; %d are in, %d in all", late, len(turns.in), len(turns.all))
		}
		for range 2 {
			if err := turns.enter(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := turns.enter(ctx, time.Hour); !errors.Is(err, context.Canceled) || len(turns.all) != 2 {
			t.Error(err, len(turns.all))
		}
	})
}
