package rest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/version"
)

// Config is what the API needs. Every field but IsRouter must be set.
type Config struct {
	Log        *slog.Logger
	Metrics    prometheus.Registerer
	Controller Controller
	IsRouter   func(netip.Addr) bool // whether a router is there; nil: nobody knows
}

// server is what all resources share.
type server struct {
	log         *slog.Logger
	identities  Identities
	isRouter    func(netip.Addr) bool
	metrics     metrics
	bodyTimeout time.Duration
	timeout     time.Duration // of what changes something
	streams     *streams
}

// operationTimeout is how long a deploy may take, as long as the router waits.
const operationTimeout = 1200 * time.Second

// New makes the API. Give it to Serve, which adds what net/http cannot do.
func New(cfg Config) http.Handler {
	s := newServer(cfg)
	return s.handler(routes(counting{cfg.Controller, s.metrics.logins}))
}

func newServer(cfg Config) *server {
	return &server{
		log: cfg.Log, identities: cfg.Controller, isRouter: cfg.IsRouter, metrics: newMetrics(cfg.Metrics),
		bodyTimeout: bodyTimeout, timeout: operationTimeout, streams: newStreams(),
	}
}

func (s *server) handler(table []Route) http.Handler {
	m := mux.NewRouter().SkipClean(true) // a path that is not clean is wrong, not redirected
	for _, res := range resources(table) {
		var h http.Handler = httpapi.Wrap(s.log, s.resource(res))
		if res.pattern == probePattern {
			h = http.HandlerFunc(probe)
		}
		m.Handle(muxPath(res.pattern), s.observe(res.pattern, edge(h)))
	}
	m.NotFoundHandler = s.observe(unrouted, edge(http.HandlerFunc(notFound)))
	return m
}

// edge does what comes before routing in Deis v1: headers that every answer
// has, CORS, and the check of the client's version.
func edge(h http.Handler) http.Handler {
	major, _, _ := strings.Cut(version.API, ".")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		for name, value := range everyAnswer {
			header[name] = value
		}
		if r.Header.Get("Origin") != "" {
			allowOrigins(header, r.Method)
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.WriteHeader(http.StatusOK)
			return
		}
		if v := r.Header.Get("Deis-Version"); v != "" && v != major {
			httpapi.WriteJSON(w, http.StatusMethodNotAllowed, map[string]string{
				"error": fmt.Sprintf("Client and server versions do not match. Client version: %s Server version: %s", v, major),
			})
			return
		}
		h.ServeHTTP(w, r)
	})
}

// everyAnswer are headers, by names that net/http would write differently.
// Nothing changes the slices.
var everyAnswer = http.Header{
	api.HeaderAPIVersion:       {version.API},
	api.HeaderPlatformVersion:  {version.Platform},
	api.HeaderXAPIVersion:      {version.API},
	api.HeaderXPlatformVersion: {version.Platform},
}

func allowOrigins(header http.Header, method string) {
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", strings.Join([]string{
		api.HeaderXAPIVersion, api.HeaderXPlatformVersion, api.HeaderXRelease,
		api.HeaderAPIVersion, api.HeaderPlatformVersion, api.HeaderRelease,
	}, ", "))
	if method == http.MethodOptions {
		header.Set("Access-Control-Allow-Headers", "content-type, accept, origin, Authorization, Host")
		header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
		header.Set("Access-Control-Max-Age", "86400")
	}
}

// probePattern is where load balancers ask whether the controller lives.
const probePattern = "/healthz"

// probe answers outside of the API's rules, as in Deis v1.
func probe(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	writeAll(w, "OK")
}
