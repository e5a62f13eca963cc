package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the one driver of this stage
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"

	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/registry/sweep"
)

const openPause = 2 * time.Second // between two attempts to open the storage

// server is the registry's HTTP face. It listens before the storage is open,
// so that a taken port is seen first; until then it answers 503.
type server struct {
	log      *slog.Logger
	metrics  *prometheus.Registry
	requests *prometheus.CounterVec
	opened   atomic.Pointer[opened]
}

// opened is what there is once the storage could be opened.
type opened struct {
	handler http.Handler
	driver  storagedriver.StorageDriver
	sweeper *sweep.Sweeper
}

func newServer(log *slog.Logger, metrics *prometheus.Registry) *server {
	s := &server{log: log, metrics: metrics, requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deis_registry_requests_total", Help: "Requests by method and status."}, []string{"method", "code"})}
	metrics.MustRegister(s.requests)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o := s.opened.Load(); o != nil {
		o.handler.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "2")
	http.Error(w, "the registry's storage is not open yet", http.StatusServiceUnavailable)
}

// open makes the registry behind s, and tries again as long as it cannot.
func (s *server) open(ctx context.Context, cfg Settings, secret string) (*opened, error) {
	var o *opened
	err := retry.Until(ctx, openPause, func(ctx context.Context) (bool, error) {
		config, err := configure(cfg.Storage, secret)
		if err != nil {
			return false, err
		}
		if o, err = s.assemble(ctx, config, cfg.SweepGrace); err != nil {
			s.log.Error("storage does not open, trying again", "err", err)
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	s.opened.Store(o)
	return o, nil
}

func (s *server) assemble(ctx context.Context, config *configuration.Configuration, grace time.Duration) (*opened, error) {
	app, err := newApp(ctx, config)
	if err != nil {
		return nil, err
	}
	driver, err := factory.Create(ctx, config.Storage.Type(), config.Storage.Parameters())
	if err != nil {
		return nil, err
	}
	if err := probe(ctx, driver); err != nil {
		return nil, err
	}
	sweeper := sweep.New(driver, grace, s.log, s.metrics)
	mux := http.NewServeMux()
	mux.Handle("/", promhttp.InstrumentHandlerCounter(s.requests, sweeper.Guard(app)))
	mux.Handle("POST /deis/sweep", httpapi.Wrap(s.log, func(w http.ResponseWriter, r *http.Request) error {
		counts, err := sweeper.Sweep(r.Context())
		if err != nil {
			return busy(w, err)
		}
		httpapi.WriteJSON(w, http.StatusOK, counts)
		return nil
	}))
	mux.Handle("DELETE /deis/repositories/{name}", httpapi.Wrap(s.log, func(w http.ResponseWriter, r *http.Request) error {
		if err := sweeper.RemoveRepository(r.Context(), r.PathValue("name")); err != nil {
			return busy(w, err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	return &opened{handler: mux, driver: driver, sweeper: sweeper}, nil
}

// busy translates the sweeper's errors.
func busy(w http.ResponseWriter, err error) error {
	switch {
	case errors.Is(err, sweep.ErrName):
		return httpapi.Errorf(http.StatusBadRequest, "That is %v.", err)
	case errors.Is(err, sweep.ErrBusy):
		w.Header().Set("Retry-After", "5")
		return &httpapi.Error{Status: http.StatusServiceUnavailable, Detail: "The registry is busy, try again.", Cause: err}
	}
	return err
}

// checkStorage is a condition of /readyz: the storage takes a file.
func (s *server) checkStorage(ctx context.Context) error {
	o := s.opened.Load()
	if o == nil {
		return errors.New("not open yet")
	}
	return probe(ctx, o.driver)
}

func probe(ctx context.Context, driver storagedriver.StorageDriver) error {
	return driver.PutContent(ctx, "/deis/probe", []byte("written to see whether it can be\n"))
}

// configure is distribution's configuration. It is parsed from YAML since a
// struct filled by hand lacks the defaults. Uploads are purged by sweep.
func configure(folder, secret string) (*configuration.Configuration, error) {
	config, err := configuration.Parse(strings.NewReader(fmt.Sprintf(`
version: 0.1
http:
  secret: %q
storage:
  filesystem:
    rootdirectory: %q
  delete:
    enabled: true
  redirect:
    disable: true
  maintenance:
    uploadpurging:
      enabled: false
`, secret, folder)))
	if err != nil {
		return nil, fmt.Errorf("registry configuration: %w", err)
	}
	return config, nil
}

// newApp is handlers.NewApp, which panics when it fails, with an error.
func newApp(ctx context.Context, config *configuration.Configuration) (app *handlers.App, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("open the storage: %v", p)
		}
	}()
	return handlers.NewApp(ctx, config), nil
}

// logToSlog sends what distribution logs, by way of logrus' one logger, to log.
func logToSlog(log *slog.Logger) {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.WarnLevel)
	hooks := make(logrus.LevelHooks)
	hooks.Add(slogHook{log})
	logrus.StandardLogger().ReplaceHooks(hooks)
}

type slogHook struct{ log *slog.Logger }

func (slogHook) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

func (h slogHook) Fire(e *logrus.Entry) error {
	if status, ok := e.Data["http.response.status"].(int); ok && status < http.StatusInternalServerError {
		return nil // an answer such as 404, which it calls an error
	}
	h.log.Warn("distribution", "err", e.Message, "code", fmt.Sprint(e.Data["err.code"]), "detail", fmt.Sprint(e.Data["err.detail"]))
	return nil
}
