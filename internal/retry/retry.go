// Package retry repeats what may fail for a while: with jitter, with a bound
// on the pause, and never past its context.
package retry

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Pauses of Forever, before jitter.
const (
	minPause = 500 * time.Millisecond
	maxPause = 30 * time.Second
)

// Forever calls fn until ctx ends. When fn fails, the error is logged under
// what, and fn is called again after a jittered pause that doubles from 0.5 s
// to 30 s. When fn returns nil it is called again at once, and the pause is
// reset: fn blocks while there is work. Forever returns ctx's error.
func Forever(ctx context.Context, log *slog.Logger, what string, fn func(context.Context) error) error {
	pause := minPause
	for {
		started := time.Now()
		err := fn(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || time.Since(started) > maxPause {
			pause = minPause
		}
		if err == nil {
			continue
		}
		log.Warn(what+" failed, trying again", "err", err, "pause", pause.String())
		if err := Sleep(ctx, jitter(pause)); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

// Steadily is Forever with a pause of its own that does not grow: for what must
// go on soon after an outage, however long that was. An error is logged when
// it is another one than before.
func Steadily(ctx context.Context, log *slog.Logger, what string, pause time.Duration, fn func(context.Context) error) error {
	last := ""
	for {
		err := fn(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			last = ""
			continue
		}
		if err.Error() != last {
			last = err.Error()
			log.Warn(what+" failed, trying again", "err", err, "pause", pause.String())
		}
		if err := Sleep(ctx, jitter(pause)); err != nil {
			return err
		}
	}
}

// Until calls fn every interval until it returns true, fails, or ctx ends. The
// first call is immediate.
func Until(ctx context.Context, interval time.Duration, fn func(context.Context) (bool, error)) error {
	for {
		done, err := fn(ctx)
		if err != nil || done {
			return err
		}
		if err := Sleep(ctx, interval); err != nil {
			return err
		}
	}
}

// Sleep waits for d or for the end of ctx, whose error it returns then.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// jitter spreads d over [d/2, d], so that many clients do not come back at once.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}
