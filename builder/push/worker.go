// Package push is the builder's worker: it says who may open a session of git
// on which app, and carries out pushes, from the lock to the new release. The
// SSH-facing process and git's hooks speak to it over a unix socket.
package push

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/syslog"
)

// Users know whose an SSH key is.
type Users interface {
	Lookup(key []byte) (user, fingerprint string, ok bool)
	Loaded() bool
}

// Controller decides who may do what, and makes releases. Its refusals are
// *httpapi.Error.
type Controller interface {
	Config(ctx context.Context, user, app string) (api.Config, error)
	Push(ctx context.Context, p api.PushHook) error
	Build(ctx context.Context, b api.BuildHook) (api.BuildHookResult, error)
}

// Repos are the repositories of apps.
type Repos interface {
	// Prepare makes sure that there is one. other says that it is that of an
	// earlier app of this name.
	Prepare(ctx context.Context, app string, born int64) (other bool, err error)
	Open(app, sha string) (Tree, error)
	Move(ctx context.Context, app string, u Update) error
}

// Tree is the tree of a commit.
type Tree interface {
	Commit() string // its hash, that of the commit even if a tag was pushed
	File(name string, max int64) ([]byte, error)
	Walk(fn func(h *tar.Header, content io.Reader) error) error
	Close() error
}

// Job is what is to be built.
type Job struct {
	App    string
	Tree   Tree
	Config map[string]string
	Out    io.Writer
}

// Built is an image in the registry.
type Built struct {
	Types      map[string]string
	Dockerfile bool
}

// Config is how a Worker works, and with whom.
type Config struct {
	Users      Users
	Started    func() bool // false: nobody is let in yet
	Controller Controller
	Repos      Repos
	Build      func(ctx context.Context, j Job) (Built, error)
	Tidy       func(ctx context.Context, app string) error                   // after a deploy
	Discard    func(ctx context.Context, app, sha string) error              // what a push left that failed; nil: nothing
	Remove     func(ctx context.Context, app string) error                   // all that is kept of an app
	Born       func(ctx context.Context, app string) (born int64, err error) // tells apps of one name apart; 0: not known
	Events     io.Writer                                                     // lines for the apps' logs
	Overprint  bool
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Worker serves sessions. Make it with New.
type Worker struct {
	Config
	metrics metrics
	locks   locks
	events  sync.Mutex

	tidy chan string // apps with images to let go

	mu       sync.Mutex
	sessions map[string]*session // by token
	last     map[string]int      // release of an app's last push
	stop     error               // set when no more is begun
}

// New makes a Worker.
func New(cfg Config) *Worker {
	return &Worker{Config: cfg, metrics: newMetrics(cfg.Metrics), sessions: map[string]*session{}, last: map[string]int{}, tidy: make(chan string, 64)}
}

// Run does until ctx ends what no pusher should wait for.
func (w *Worker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case app := <-w.tidy:
			if err := w.Tidy(ctx, app); err != nil {
				w.Log.Warn("old images are left", "app", app, "err", err)
			}
		}
	}
}

// Handler answers on the unix socket.
func (w *Worker) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /known", httpapi.Wrap(w.Log, w.known))
	mux.Handle("POST /session", httpapi.Wrap(w.Log, w.session))
	mux.Handle("POST /end", httpapi.Wrap(w.Log, w.end))
	mux.Handle("POST /pre-receive", httpapi.Wrap(w.Log, w.preReceive))
	mux.Handle("POST /proc-receive", httpapi.Wrap(w.Log, w.procReceive))
	return mux
}

// decode reads a request whole, so that the end of its connection is noticed.
func decode(r *http.Request, v any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "cannot be read: %v", err)
	}
	return nil
}

// known lets everybody in while the keys are not read yet: who it is counts
// when a session is opened, and until then all hear that the builder starts.
func (w *Worker) known(rw http.ResponseWriter, r *http.Request) error {
	var o Open
	if err := decode(r, &o); err != nil {
		return err
	}
	_, _, ok := w.Users.Lookup(o.Key)
	if !ok && w.Users.Loaded() {
		w.metrics.authFailures.Inc()
	}
	httpapi.WriteJSON(rw, http.StatusOK, ok || !w.Users.Loaded())
	return nil
}

// session stays open as long as the client's session with git.
func (w *Worker) session(rw http.ResponseWriter, r *http.Request) error {
	var o Open
	if err := decode(r, &o); err != nil {
		return err
	}
	a := newAnswer(rw)
	s, err := w.open(r.Context(), o)
	if err != nil {
		p := newPrinter(a, false)
		p.warn(w.sentence(o.App, err))
		return a.send(message{Done: true, Reason: "refused"})
	}
	defer w.close(s)
	if err := a.send(message{Token: s.token}); err != nil {
		return nil // the client has gone
	}
	<-s.ctx.Done()
	return nil
}

// end closes a session before the one who opened it goes on: whoever pushes
// next finds the app free.
func (w *Worker) end(rw http.ResponseWriter, r *http.Request) error {
	var j judgement
	if err := decode(r, &j); err != nil {
		return err
	}
	w.mu.Lock()
	s := w.sessions[j.Token]
	w.mu.Unlock()
	if s != nil {
		s.cancel(errGone)
		<-s.done
	}
	httpapi.WriteJSON(rw, http.StatusOK, true)
	return nil
}

// judged answers a hook: fn's error ends the answer.
func (w *Worker) judged(rw http.ResponseWriter, r *http.Request, fn func(ctx context.Context, s *session, updates []Update, out *printer, raw io.Writer) error) error {
	var j judgement
	if err := decode(r, &j); err != nil {
		return err
	}
	w.mu.Lock()
	s := w.sessions[j.Token]
	w.mu.Unlock()
	if s == nil {
		return httpapi.Errorf(http.StatusForbidden, "there is no such session")
	}
	if !s.begin() {
		return httpapi.Errorf(http.StatusConflict, "the session is over or busy")
	}
	defer s.end()
	// Whichever goes first ends the work: the hook, or the session.
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.Context(), func() { cancel(errGone) })()

	a := newAnswer(rw)
	err := fn(ctx, s, j.Updates, newPrinter(a, w.Overprint), a)
	last := message{Done: true}
	if err != nil {
		last.Reason = err.Error()
	}
	_ = a.send(last) // a hook that has gone needs no answer
	return nil
}

func (w *Worker) preReceive(rw http.ResponseWriter, r *http.Request) error {
	return w.judged(rw, r, w.approve)
}

func (w *Worker) procReceive(rw http.ResponseWriter, r *http.Request) error {
	return w.judged(rw, r, func(ctx context.Context, s *session, updates []Update, out *printer, _ io.Writer) error {
		return w.carryOut(ctx, s, updates, out)
	})
}

// event adds a line to the app's log.
func (w *Worker) event(level, app, format string, args ...any) {
	w.events.Lock()
	defer w.events.Unlock()
	fmt.Fprintln(w.Events, syslog.Event(level, app, fmt.Sprintf(format, args...)))
}

// Errors of what ends a session before its time.
var (
	errGone = errors.New("the client has gone")
	errBusy = errors.New("another push")
)

// Stop cuts off what still goes on, telling its pushers why; what is being
// released goes on to its end. The Worker begins nothing more.
func (w *Worker) Stop(reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = reason
	for _, s := range w.sessions {
		s.cancel(reason)
	}
}

// Purge removes what is kept of an app that is gone, unless a session uses it:
// then done is false, and the caller comes back.
func (w *Worker) Purge(ctx context.Context, app string) (done bool, err error) {
	return w.purge(ctx, app, 0)
}

func (w *Worker) purge(ctx context.Context, app string, sessions int) (done bool, err error) {
	return w.locks.purge(app, sessions, func() error {
		w.mu.Lock()
		delete(w.last, app)
		w.mu.Unlock()
		return w.Remove(ctx, app)
	})
}

// Quietly runs fn while nobody uses the app's repository, or not at all.
func (w *Worker) Quietly(app string, fn func() error) (done bool, err error) {
	return w.locks.purge(app, 0, fn)
}

type metrics struct {
	authFailures prometheus.Counter
	sessions     prometheus.Gauge
	pushes       *prometheus.CounterVec
	builds       *prometheus.CounterVec
	buildSeconds *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		authFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_builder_auth_failures_total", Help: "Keys offered that belong to nobody."}),
		sessions:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "deis_builder_sessions", Help: "Sessions of git that are open."}),
		pushes:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deis_builder_pushes_total", Help: "Pushes by outcome."}, []string{"outcome"}),
		builds:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deis_builder_builds_total", Help: "Builds by outcome."}, []string{"outcome"}),
		buildSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "deis_builder_build_seconds", Help: "Time from a push to its image in the registry.",
			Buckets: []float64{1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280}}, []string{"outcome"}),
	}
	r.MustRegister(m.authFailures, m.sessions, m.pushes, m.builds, m.buildSeconds)
	return m
}

func (m metrics) built(outcome string, took time.Duration) {
	m.builds.WithLabelValues(outcome).Inc()
	m.buildSeconds.WithLabelValues(outcome).Observe(took.Seconds())
}
