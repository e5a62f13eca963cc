// Package weblog is how the controller reads, follows and destroys an app's
// lines, with the paths and statuses of Deis v1.
package weblog

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/deis/deis/internal/api"
)

// Store is what is read, followed and destroyed.
type Store interface {
	// Tail writes the newest n lines, and nothing if there are none.
	Tail(app string, n int, w io.Writer) error
	// Seek finds where the newest n lines begin, or with n below 0 all.
	Seek(app string, n int) (api.LogPosition, error)
	// Read writes whole lines from a position on, as many as are sent at once,
	// and says where it ended, or that the log does not have the position.
	Read(app string, from api.LogPosition, w io.Writer) (next api.LogPosition, lost bool, err error)
	// Watch sends on changed when there may be more to read; it fails if the
	// app cannot be followed now.
	Watch(app string) (changed <-chan struct{}, stop func(), err error)
	Destroy(app string) error
}

const defaultLines = 100

// path is /<app>, with a slash at its end or not.
var path = regexp.MustCompile(`^/([A-Za-z0-9_.-]+)/?$`)

// New makes the handler, whose followers end when ctx does:
//
//	GET /<app>[/][?log_lines=N]                          200 with lines, 204 without, 500 if they cannot be read
//	GET /<app>[/]?follow=1[&log_lines=N][&position=P]    200 with lines as they come; see follow
//	DELETE /<app>[/]                                     200
//	any other method                                     400
//	any other path or query                              404
func New(ctx context.Context, store Store, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := path.FindStringSubmatch(r.URL.Path)
		q, ok := parse(r.URL.RawQuery)
		if m == nil || !ok {
			http.NotFound(w, r)
			return
		}
		switch r.Method {
		case http.MethodGet:
			if q.follow {
				follow(ctx, w, r, store, m[1], q, log)
				return
			}
			get(w, store, m[1], q.lines, log)
		case http.MethodDelete:
			if err := store.Destroy(m[1]); err != nil {
				log.Error("lines not destroyed", "app", m[1], "err", err)
				http.Error(w, "the lines could not be destroyed", http.StatusInternalServerError)
			}
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	})
}

func get(w http.ResponseWriter, store Store, app string, n int, log *slog.Logger) {
	out := &lazy{w: w}
	buffered := bufio.NewWriterSize(out, 32<<10)
	err := store.Tail(app, n, buffered)
	switch {
	case err != nil && !out.begun:
		log.Error("lines not read", "app", app, "err", err)
		http.Error(w, "the lines could not be read", http.StatusInternalServerError)
	case err != nil:
		panic(http.ErrAbortHandler) // the client must see that this is not all
	case buffered.Buffered() == 0 && !out.begun:
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = buffered.Flush() // the client has gone
	}
}

// lazy sets the answer's type when its first byte comes, since until then it
// may become an error.
type lazy struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lazy) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		l.w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	return l.w.Write(p)
}

// query is what was asked for.
type query struct {
	lines    int
	follow   bool
	position *api.LogPosition
}

// parse reads the query: log_lines alone, or with follow=1, which a position
// may come with. A number of lines that is none is the default, as in Deis v1;
// followers may ask for 0.
func parse(text string) (q query, ok bool) {
	q.lines = defaultLines
	if text == "" {
		return q, true
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return query{}, false
	}
	q.follow = values.Get("follow") == "1"
	for name, v := range values {
		switch {
		case len(v) != 1:
			return query{}, false
		case name == "log_lines":
			if n, err := strconv.Atoi(v[0]); err == nil && (n > 0 || n == 0 && q.follow) {
				q.lines = n
			}
		case name == "follow" && q.follow:
		case name == "position" && q.follow:
			at, err := api.ParseLogPosition(v[0])
			if err != nil {
				return query{}, false
			}
			q.position = &at
		default:
			return query{}, false
		}
	}
	return q, true
}
