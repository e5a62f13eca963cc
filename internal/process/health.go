package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one readiness check.
const checkTimeout = 2 * time.Second

// health is the state behind /healthz and /readyz.
type health struct {
	ready  atomic.Bool
	mu     sync.Mutex
	checks map[string]func(context.Context) error
}

func (h *health) add(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = map[string]func(context.Context) error{}
	}
	h.checks[name] = check
}

// problems says what keeps the component from being ready, a sentence each.
func (h *health) problems(ctx context.Context) []string {
	if !h.ready.Load() {
		return []string{"starting"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	h.mu.Lock()
	checks := make(map[string]func(context.Context) error, len(h.checks))
	for name, check := range h.checks {
		checks[name] = check
	}
	h.mu.Unlock()
	var problems []string
	for name, check := range checks {
		if err := check(ctx); err != nil {
			problems = append(problems, name+": "+err.Error())
		}
	}
	sort.Strings(problems)
	return problems
}

func (h *health) handler(metrics *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if p := h.problems(r.Context()); len(p) > 0 {
			http.Error(w, strings.Join(p, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "OK")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}

// serve answers on ln until the returned function is called.
func (h *health) serve(ln net.Listener, metrics *prometheus.Registry) (stop func()) {
	srv := &http.Server{Handler: h.handler(metrics), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with ErrServerClosed
	}()
	return func() {
		_ = srv.Close()
		<-done
	}
}
