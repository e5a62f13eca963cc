package rest

import (
	"net/http"
	"strconv"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

// How many lines of an app's log are sent: if none, or a number that makes no
// sense, was asked for.
const (
	defaultLines = 1000
	oddLines     = 100
)

type logs struct {
	c interface {
		Logs
		Apps
	}
}

func (h logs) tail(w http.ResponseWriter, r *request) error {
	if f := r.URL.Query().Get("follow"); f == "1" || f == "true" {
		return h.follow(w, r)
	}
	app := r.path("app")
	out, err := h.c.Logs(r.Context(), r.by, app, lines(r.URL.Query().Get("log_lines")))
	switch kind := deis.KindOf(err); {
	case err != nil && (kind == deis.Internal || kind == deis.Unavailable) && r.Context().Err() == nil:
		logsAway(w, r, err)
	case err != nil:
		return err
	case len(out) == 0:
		w.WriteHeader(http.StatusNoContent)
	default:
		writePlain(w, r.route.Status, out)
	}
	return nil
}

// logsAway answers as Deis v1.
func logsAway(w http.ResponseWriter, r *request, err error) {
	app := r.path("app")
	r.log.Error("app's logs are away", "app", app, "err", err)
	writePlain(w, http.StatusInternalServerError, []byte("Error accessing logs for "+app))
}

// follow sends lines as they come, until the client goes, may no longer read
// them, or one is lost. The empty lines of the logger keep the way open.
func (h logs) follow(w http.ResponseWriter, r *request) error {
	app, q := r.path("app"), r.URL.Query()
	from := deis.LogStart{Lines: lines(q.Get("log_lines"))}
	if q.Get("log_lines") == "0" {
		from.Lines = 0
	}
	if text := q.Get("position"); text != "" {
		at, err := api.ParseLogPosition(text)
		if err != nil {
			return deis.Field("position", "This is not a position in a log.")
		}
		from.Position = &at
	}
	leave, ok := r.streams.follows.enter(r.by.Username)
	if !ok {
		return deis.Errorf(deis.Unavailable, "Too many follow logs at the moment.")
	}
	defer leave()
	ctx, end := r.streams.attend(r, h.c, app)
	defer end(nil)
	log, err := h.c.FollowLogs(ctx, r.by, app, from)
	switch {
	case err != nil && deis.KindOf(err) == deis.Internal && ctx.Err() == nil:
		logsAway(w, r, err)
		return nil
	case err != nil:
		return err
	}
	defer log.Close()
	header := w.Header()
	header.Set("Content-Type", "text/plain")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // for proxies of others
	header.Set(api.HeaderLogPosition, log.Position.String())
	if log.Gap != "" {
		header.Set(api.HeaderLogGap, log.Gap)
	}
	w.WriteHeader(r.route.Status)
	out := http.NewResponseController(w)
	if r.Method == http.MethodHead || out.Flush() != nil {
		return nil
	}
	block := make([]byte, 32<<10)
	for {
		n, err := log.Read(block)
		if n > 0 {
			if _, err := w.Write(block[:n]); err != nil || out.Flush() != nil {
				return nil // the client has gone
			}
		}
		if err != nil {
			return nil // the client goes on from where it is
		}
	}
}

func lines(asked string) int {
	if asked == "" {
		return defaultLines
	}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 {
		return oddLines
	}
	return min(n, maxNumber)
}
