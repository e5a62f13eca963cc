// Package weblog is how the controller reads and destroys an app's lines, with
// the paths and statuses of Deis v1.
package weblog

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
)

// Store is what is read and destroyed.
type Store interface {
	// Tail writes the newest n lines, and nothing if there are none.
	Tail(app string, n int, w io.Writer) error
	Destroy(app string) error
}

const defaultLines = 100

// path is /<app>, with a slash at its end or not.
var path = regexp.MustCompile(`^/([A-Za-z0-9_.-]+)/?$`)

// New makes the handler:
//
//	GET /<app>[/][?log_lines=N]  200 with lines, 204 without, 500 if they cannot be read
//	DELETE /<app>[/]             200
//	any other method             400
//	any other path or query      404
func New(store Store, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := path.FindStringSubmatch(r.URL.Path)
		n, ok := lines(r.URL.RawQuery)
		if m == nil || !ok {
			http.NotFound(w, r)
			return
		}
		switch r.Method {
		case http.MethodGet:
			get(w, store, m[1], n, log)
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

// lines reads the query, which is empty or log_lines alone. What is no
// positive number is the default, as in Deis v1.
func lines(query string) (n int, ok bool) {
	if query == "" {
		return defaultLines, true
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(q) != 1 || len(q["log_lines"]) != 1 {
		return 0, false
	}
	n, err = strconv.Atoi(q.Get("log_lines"))
	if err != nil || n <= 0 {
		return defaultLines, true
	}
	return n, true
}
