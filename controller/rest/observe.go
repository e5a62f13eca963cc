package rest

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/httpapi"
)

// metrics count requests. Labels are bounded: the route's pattern, known
// methods, status codes.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	logins   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deis_controller_http_requests_total",
			Help: "Requests to the API that were answered.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "deis_controller_http_request_duration_seconds",
			Help:    "Time from a request's header to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1200},
		}, []string{"route", "method"}),
		logins: newLogins(),
	}
	reg.MustRegister(m.requests, m.seconds, m.logins)
	return m
}

// unrouted is the route in metrics of paths that are not of the API.
const unrouted = "none"

// codeGone is the code in metrics of requests whose client did not wait for
// an answer; there is no such status.
const codeGone = 499

// observe is around all that answers: it counts and logs what h does, answers
// for it if it panics, and sees to it that no body takes forever.
func (s *server) observe(route string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		limitBody(rec, r, s.bodyTimeout)
		cut := s.guard(h, rec, r)
		if rec.code == 0 {
			rec.code = codeGone
		}
		took, method := time.Since(began), knownMethod(r.Method)
		s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(rec.code)).Inc()
		s.metrics.seconds.WithLabelValues(route, method).Observe(took.Seconds())
		s.log.DebugContext(r.Context(), "request answered", "addr", r.RemoteAddr, "method", r.Method, "path", r.URL.Path,
			"code", rec.code, "bytes", rec.bytes, "took", took)
		if cut {
			panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
		}
	})
}

// guard calls h. After a panic it answers 500; if h had begun to answer, it
// says that the connection must be cut.
func (s *server) guard(h http.Handler, w *recorder, r *http.Request) (cut bool) {
	defer func() {
		p := recover()
		switch {
		case p == nil:
			return
		case p != http.ErrAbortHandler:
			s.log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		if cut = w.code != 0; !cut {
			httpapi.WriteError(w, httpapi.Errorf(http.StatusInternalServerError, "Something went wrong on the server."))
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	code  int // 0: nothing yet
	bytes int64
}

func (w *recorder) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Hijack gives the connection away, for another protocol.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, in, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.code == 0 {
		w.code = http.StatusSwitchingProtocols
	}
	return conn, in, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
