package weblog

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/deis/deis/internal/api"
)

const (
	quiet        = 20 * time.Second // without lines; then an empty one keeps the connection alive
	writeTimeout = time.Minute      // of a reader that takes nothing
)

// follow sends an app's lines from a place on until ctx ends, the client goes,
// or the next line is lost. The header says which position the place is.
func follow(ctx context.Context, w http.ResponseWriter, r *http.Request, store Store, app string, q query, log *slog.Logger) {
	followEvery(ctx, w, r, store, app, q, log, quiet)
}

func followEvery(ctx context.Context, w http.ResponseWriter, r *http.Request, store Store, app string, q query, log *slog.Logger, quiet time.Duration) {
	changed, stop, err := store.Watch(app)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer stop()
	at, gap, err := start(store, app, q)
	if err != nil {
		log.Error("lines not followed", "app", app, "err", err)
		http.Error(w, "the lines could not be read", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(api.HeaderLogPosition, at.String())
	if gap != "" {
		h.Set(api.HeaderLogGap, gap)
	}
	out := http.NewResponseController(w)
	idle := time.NewTimer(quiet)
	defer idle.Stop()
	for {
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // a real server's can
		next, lost, err := store.Read(app, at, w)
		switch {
		case lost:
			return
		case err != nil:
			panic(http.ErrAbortHandler) // the client comes back
		}
		if err := out.Flush(); err != nil {
			return // the client has gone
		}
		if next != at {
			at = next
			if ctx.Err() == nil && r.Context().Err() == nil {
				continue // as much as there is, at the reader's pace
			}
		}
		idle.Reset(quiet)
		select {
		case <-ctx.Done():
			return
		case <-r.Context().Done():
			return
		case <-changed:
		case <-idle.C:
			if _, err := io.WriteString(w, "\n"); err != nil {
				return
			}
		}
	}
}

// start finds where to begin, and what lies between that and the position that
// was asked for: so many bytes, or nobody knows.
func start(store Store, app string, q query) (at api.LogPosition, gap string, err error) {
	if q.position == nil {
		at, err = store.Seek(app, q.lines)
		return at, "", err
	}
	at = *q.position
	if _, lost, err := store.Read(app, at, io.Discard); err != nil || !lost {
		return at, "", err
	}
	oldest, err := store.Seek(app, -1)
	if err != nil {
		return at, "", err
	}
	if lost := oldest.Offset - at.Offset; oldest.Log == at.Log && lost > 0 {
		return oldest, strconv.FormatInt(lost, 10), nil
	}
	at, err = store.Seek(app, q.lines)
	return at, api.LogGapUnknown, err
}
