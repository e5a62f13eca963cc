package rest

import (
	"net/http"
	"strconv"

	"github.com/deis/deis/controller/deis"
)

// How many lines of an app's log are sent: if none, or a number that makes no
// sense, was asked for.
const (
	defaultLines = 1000
	oddLines     = 100
)

type logs struct{ c Logs }

func (h logs) tail(w http.ResponseWriter, r *request) error {
	app := r.path("app")
	out, err := h.c.Logs(r.Context(), r.by, app, lines(r.URL.Query().Get("log_lines")))
	switch kind := deis.KindOf(err); {
	case err != nil && (kind == deis.Internal || kind == deis.Unavailable) && r.Context().Err() == nil:
		r.log.Error("app's logs are away", "app", app, "err", err)
		writePlain(w, http.StatusInternalServerError, []byte("Error accessing logs for "+app))
	case err != nil:
		return err
	case len(out) == 0:
		w.WriteHeader(http.StatusNoContent)
	default:
		writePlain(w, r.route.Status, out)
	}
	return nil
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
