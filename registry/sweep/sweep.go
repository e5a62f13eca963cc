// Package sweep removes from a registry's storage what nothing refers to, and
// whole repositories, while the registry goes on serving.
//
// A push first sends layers and names them in a manifest at its end, and it
// leaves out the layers that the registry says it has. Between the two, nothing
// refers to them. So a layer counts as needed for a while after it was sent,
// mounted or asked for, which is the age of the link by which its repository
// has it: that needs no memory and survives a restart. Requests that add,
// remove or ask for references are held while the sweep works.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/storage"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

const (
	gateWait   = 30 * time.Second // until the gate is shut
	sweepLimit = 2 * time.Minute  // for which writes are held at most
	uploadAge  = 24 * time.Hour   // after which an unfinished upload is given up
	touchAge   = time.Minute      // age from which a claim makes a link young again
)

// Counts is what a sweep removed.
type Counts struct {
	Blobs        int   `json:"blobs"`
	Bytes        int64 `json:"bytes"`
	Links        int   `json:"links"`        // of layers, in repositories that live on
	Repositories int   `json:"repositories"` // that had become empty
	Uploads      int   `json:"uploads"`      // that were never finished
}

// Sweeper collects the garbage of one storage.
type Sweeper struct {
	driver storagedriver.StorageDriver
	grace  time.Duration
	log    *slog.Logger
	gate   *gate
	turn   *semaphore.Weighted // one sweep or removal at a time
	now    func() time.Time

	runs    *prometheus.CounterVec
	took    prometheus.Gauge
	removed *prometheus.CounterVec
}

// New makes a Sweeper of what driver holds. Layers that no manifest names are
// kept for grace.
func New(driver storagedriver.StorageDriver, grace time.Duration, log *slog.Logger, metrics prometheus.Registerer) *Sweeper {
	s := &Sweeper{
		driver: driver,
		grace:  grace,
		log:    log,
		gate:   newGate(gateWait),
		turn:   semaphore.NewWeighted(1),
		now:    time.Now,
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deis_registry_sweeps_total", Help: "Sweeps by outcome."}, []string{"outcome"}),
		took: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_registry_sweep_seconds", Help: "Time for which the last sweep held writes."}),
		removed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deis_registry_swept_total", Help: "Things that sweeps removed, by kind."}, []string{"kind"}),
	}
	metrics.MustRegister(s.runs, s.took, s.removed)
	return s
}

// Guard is next, the registry's API, with what a sweep asks of it: requests
// that it could hurt wait while one works, and a layer that a client asks for
// is kept for the time of its push.
func (s *Sweeper) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch e, repo, digest := effectOf(r); e {
		case none:
			next.ServeHTTP(w, r)
		case writes:
			s.gate.pass(w, r, next)
		case claims:
			s.gate.pass(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.touch(r.Context(), repo, digest)
				next.ServeHTTP(w, r)
			}))
		}
	})
}

var digestPattern = regexp.MustCompile(`^[a-z0-9]+:[0-9a-f]{32,128}$`)

// touch makes the link young by which repo has a layer, if it has it.
func (s *Sweeper) touch(ctx context.Context, repo, digest string) {
	if !digestPattern.MatchString(digest) || !storagedriver.PathRegexp.MatchString("/"+repo) || strings.Contains(repo, "..") {
		return
	}
	link := layerLink(repo, digest)
	info, err := s.driver.Stat(ctx, link)
	if err != nil || s.now().Sub(info.ModTime()) < touchAge {
		return
	}
	if err := s.driver.PutContent(ctx, link, []byte(digest)); err != nil {
		s.log.Warn("layer not kept for its push", "err", err)
	}
}

// Every sweeps each interval until ctx ends.
func (s *Sweeper) Every(ctx context.Context, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("sweep failed", "err", err)
			}
		}
	}
}

// Sweep removes unfinished uploads, blobs and links that no manifest needs,
// and repositories that have nothing left. It is repeatable: what it did not
// get to is left for the next one.
func (s *Sweeper) Sweep(ctx context.Context) (Counts, error) {
	if err := s.turn.Acquire(ctx, 1); err != nil {
		return Counts{}, err
	}
	defer s.turn.Release(1)
	counts, err := s.sweep(ctx)
	outcome := "ok"
	switch {
	case errors.Is(err, ErrBusy):
		outcome = "busy"
	case err != nil:
		outcome = "failed"
	}
	s.runs.WithLabelValues(outcome).Inc()
	s.removed.WithLabelValues("blobs").Add(float64(counts.Blobs))
	s.removed.WithLabelValues("bytes").Add(float64(counts.Bytes))
	s.removed.WithLabelValues("repositories").Add(float64(counts.Repositories))
	s.removed.WithLabelValues("uploads").Add(float64(counts.Uploads))
	return counts, err
}

func (s *Sweeper) sweep(ctx context.Context) (Counts, error) {
	open, err := s.gate.shut(ctx)
	if err != nil {
		return Counts{}, err
	}
	defer open()
	started := time.Now()
	defer func() { s.took.Set(time.Since(started).Seconds()) }()
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()

	var counts Counts
	plan, err := s.look(ctx)
	if err != nil {
		return counts, err
	}
	if plan.uploads > 0 {
		gone, errs := storage.PurgeUploads(ctx, s.driver, s.now().Add(-uploadAge), true)
		if err := errors.Join(errs...); err != nil {
			s.log.Warn("uploads not removed", "err", err)
		}
		if counts.Uploads = len(gone); counts.Uploads > 0 { // they may have been all that a repository had
			if plan, err = s.look(ctx); err != nil {
				return counts, err
			}
		}
	}
	driver := guarded{StorageDriver: s.driver, plan: plan, counts: &counts}
	registry, err := storage.NewRegistry(ctx, driver)
	if err != nil {
		return counts, err
	}
	if err := storage.MarkAndSweep(ctx, driver, registry, storage.GCOpts{Quiet: true}); err != nil {
		return counts, err
	}
	for name, c := range plan.repos {
		if !c.empty() {
			continue
		}
		if err := s.removeEmpty(ctx, name); err != nil {
			return counts, fmt.Errorf("remove the empty repository %s: %w", name, err)
		}
		counts.Repositories++
	}
	s.log.Info("swept", "blobs", counts.Blobs, "bytes", counts.Bytes, "repositories", counts.Repositories, "uploads", counts.Uploads, "took", time.Since(started).String())
	return counts, nil
}

func (s *Sweeper) look(ctx context.Context) (*plan, error) {
	p, err := look(ctx, s.driver, s.now().Add(-s.grace))
	if err != nil {
		return nil, fmt.Errorf("look at the repositories: %w", err)
	}
	return p, nil
}

// removeEmpty removes a repository's own folders, and those above that have
// nothing left: a/b is a repository beside a, and inside its folder.
func (s *Sweeper) removeEmpty(ctx context.Context, name string) error {
	dir := path.Join(repositories, name)
	for _, own := range []string{"_manifests", "_layers", "_uploads"} {
		if err := ignoreMissing(s.driver.Delete(ctx, path.Join(dir, own))); err != nil {
			return err
		}
	}
	for ; dir != repositories; dir = path.Dir(dir) {
		inside, err := s.driver.List(ctx, dir)
		if ignoreMissing(err) != nil {
			return err
		}
		if len(inside) > 0 {
			return nil
		}
		if err := ignoreMissing(s.driver.Delete(ctx, dir)); err != nil {
			return err
		}
	}
	return nil
}

// ErrName says that a repository must not be removed by its name.
var ErrName = errors.New("not the name of an app's repository")

// An app's repository has the app's id; those of the platform are below deis.
var appName = regexp.MustCompile(`^[a-z0-9]+(-+[a-z0-9]+)*$`)

// RemoveRepository removes an app's repository: its tags, manifests, links and
// uploads. Its blobs go with the next sweep. One that does not exist is no
// error.
func (s *Sweeper) RemoveRepository(ctx context.Context, name string) error {
	if len(name) > 64 || name == "deis" || !appName.MatchString(name) {
		return ErrName
	}
	if err := s.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.turn.Release(1)
	open, err := s.gate.shut(ctx)
	if err != nil {
		return err
	}
	defer open()
	dir := path.Join(repositories, name)
	// Tags first, then manifests: killed in between, nothing leads to what is
	// only half there.
	for _, d := range []string{path.Join(dir, "_manifests", "tags"), path.Join(dir, "_manifests"), dir} {
		if err := ignoreMissing(s.driver.Delete(ctx, d)); err != nil {
			return fmt.Errorf("repository %s: %w", name, err)
		}
	}
	s.log.Info("repository removed", "app", name)
	return nil
}
