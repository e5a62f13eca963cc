package retry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestForeverBacksOffAndEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var calls int
		err := Forever(ctx, slog.New(slog.NewTextHandler(io.Discard, nil)), "test", func(context.Context) error {
			calls++
			return errors.New("no")
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("err = %v", err)
		}
		// 0.5+1+2+4+8+16 s, then 30 s a call: between 20 and 60 calls in
		// ten minutes, whatever the jitter.
		if calls < 20 || calls > 60 {
			t.Fatalf("calls = %d", calls)
		}
	})
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		start := time.Now()
		err := Until(t.Context(), time.Second, func(context.Context) (bool, error) {
			calls++
			return calls == 4, nil
		})
		if err != nil || time.Since(start) != 3*time.Second {
			t.Fatalf("err = %v after %s", err, time.Since(start))
		}
	})
}
