package pump

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/syslog"
)

const (
	inspectTimeout = 30 * time.Second
	minPause       = 200 * time.Millisecond // between attempts to read a log
	maxPause       = 10 * time.Second
	shortID        = 12
)

// reader reads one container's log.
type reader struct {
	pump     *Pump
	id       string
	identity identity
	again    bool // something happened to the container; guarded by Pump.mu

	pos position // what was read
	seq uint64
}

// run reads until the container has ended, is gone, or ctx ends.
func (r *reader) run(ctx context.Context) {
	r.pos = r.pump.Positions.begin(r.id)
	for pause := minPause; ; {
		before := r.seq
		ended, err := r.pass(ctx)
		switch {
		case gone(err):
			r.pump.Positions.forget(r.id)
			r.pump.leave(r, true)
			return
		case ctx.Err() != nil:
			r.pump.leave(r, true)
			return
		case err == nil && ended:
			r.pump.Positions.end(r.id, r.pos, true)
			if r.pump.leave(r, false) {
				return
			}
			continue
		case err != nil:
			r.pump.Log.Warn("container's log broke off, trying again", "container", r.short(), "err", err)
		}
		if r.seq > before {
			pause = minPause
		}
		_ = retry.Sleep(ctx, pause) // the next pass sees that ctx has ended
		pause = min(2*pause, maxPause)
	}
}

func (r *reader) short() string { return r.id[:min(shortID, len(r.id))] }

// pass reads the log once, up to its end. ended says that the container has
// ended too, so that this was all. What lives for a moment may be removed the
// next: nothing else is asked before its log is open.
func (r *reader) pass(ctx context.Context) (ended bool, err error) {
	rest, err := r.stream(ctx, true)
	if err != nil {
		return false, err
	}
	running, err := r.running(ctx)
	if err == nil && running {
		return false, nil
	}
	if err == nil {
		// The end of a container may end the stream before its last lines.
		var more []record
		if more, err = r.stream(ctx, false); err == nil {
			rest = more
		}
	}
	if err != nil && !gone(err) {
		return false, err
	}
	// What has no line break is a line now: there is no more to come.
	return true, errors.Join(r.emitAll(ctx, rest), err)
}

// gone says that a container is removed, or about to be.
func gone(err error) bool { return engine.IsNotFound(err) || engine.IsConflict(err) }

func (r *reader) running(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	c, err := r.pump.Engine.ContainerInspect(ctx, r.id)
	return err == nil && c.State != nil && c.State.Running, err
}

func (r *reader) emitAll(ctx context.Context, records []record) error {
	for _, rec := range records {
		if err := r.emit(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// stream reads what is behind the position.
func (r *reader) stream(ctx context.Context, follow bool) (rest []record, err error) {
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow}
	if r.pos.count > 0 {
		options.Since = fmt.Sprintf("%d.%09d", r.pos.time.Unix(), r.pos.time.Nanosecond())
	}
	log, err := r.pump.Engine.ContainerLogs(ctx, r.id, options)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if rest, err = readLog(log, r.skipKnown(ctx, r.pos)); err != nil || len(rest) == 0 {
		return nil, err
	}
	unknown := rest[:0]
	for _, rec := range rest {
		if rec.time.After(r.pos.time) || r.pos.count == 0 {
			unknown = append(unknown, rec)
		}
	}
	return unknown, nil
}

// skipKnown is emit without what was read before: the Engine begins with the
// lines of the position's very time. If it has none of them, more may be
// missing, and the log says so.
func (r *reader) skipKnown(ctx context.Context, known position) func(record) error {
	seen, behind := 0, known.count == 0
	return func(rec record) error {
		switch {
		case behind:
		case rec.time.Before(known.time):
			return nil
		case rec.time.Equal(known.time):
			if seen++; seen <= known.count {
				return nil
			}
			behind = true
		default:
			behind = true
			if seen == 0 {
				r.pump.lost.Inc()
				gap := record{time: rec.time, stream: stderr, text: "lines may be missing here: the Engine no longer had them"}
				if err := r.pump.Sink.Add(ctx, r.id, r.message(gap)); err != nil {
					return err
				}
			}
		}
		return r.emit(ctx, rec)
	}
}

func (r *reader) emit(ctx context.Context, rec record) error {
	r.seq++
	m := r.message(rec)
	m.Seq = r.seq
	if err := r.pump.Sink.Add(ctx, r.id, m); err != nil {
		return err
	}
	r.pos.advance(rec.time)
	r.pump.read.Inc()
	return nil
}

func (r *reader) message(rec record) syslog.Message {
	m := r.identity.message(rec)
	m.Host, m.Container = r.pump.Host, r.short()
	return m
}
