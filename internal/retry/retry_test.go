package retry

import (
	"bytes"
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

func TestSteadilyDoesNotBackOffAndLogsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var log bytes.Buffer
		var calls int
		err := Steadily(ctx, slog.New(slog.NewTextHandler(&log, nil)), "test", time.Second, func(context.Context) error {
			calls++
			if calls > 20 {
				return errors.New("another")
			}
			return errors.New("no")
		})
		if !errors.Is(err, context.DeadlineExceeded) || calls < 60 || calls > 121 {
			t.Fatalf("err = %v, calls = %d", err, calls)
		}
		if lines := bytes.Count(log.Bytes(), []byte("\n")); lines != 2 {
			t.Errorf("%d lines:\n%s", lines, log.String())
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
