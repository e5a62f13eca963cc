// Package routes is the controller's half of announce and withdraw: it waits
// for the publisher to announce containers, asks it to withdraw them, and waits
// for the routers to follow. docs/architecture.md tells the whole protocol.
package routes

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

const (
	publisherTime = 3 * time.Second // until we delete an endpoint that its publisher did not
	convergeTime  = 5 * time.Second // until routers that do not follow are no longer waited for
)

// Routes implements deis.Routes. Run must run for anything to be seen.
type Routes struct {
	kv        *etcd.KV
	log       *slog.Logger
	unmet     prometheus.Counter
	publisher prometheus.Counter

	mu      sync.Mutex
	state   view
	changed chan struct{} // closed and replaced at each change
}

var _ deis.Routes = (*Routes)(nil)

// view is what routes look at in etcd.
type view struct {
	revision  int64
	announced map[string]int64  // /deis/services/<app>/<job> to the revision of its announcement
	checks    map[string]string // /deis/publisher/checks/<app>/<job> to the result
	routers   map[string]int64  // host of each live router to the revision it serves
}

// New makes Routes.
func New(kv *etcd.KV, log *slog.Logger, metrics prometheus.Registerer) *Routes {
	r := &Routes{
		kv: kv, log: log, changed: make(chan struct{}),
		unmet:     prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_controller_unconverged_withdrawals_total", Help: "Withdrawals that not all live routers followed in time."}),
		publisher: prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_controller_forced_withdrawals_total", Help: "Endpoints that the publisher did not withdraw in time."}),
	}
	metrics.MustRegister(r.unmet, r.publisher)
	return r
}

// Run follows etcd until ctx ends.
func (r *Routes) Run(ctx context.Context) error {
	prefixes := []string{keys.Services, keys.Withdrawals, keys.Checks, keys.RouterHosts, keys.RoutersApplied}
	return retry.Steadily(ctx, r.log, "follow routes", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, r.kv, prefixes, func(_ context.Context, s etcd.State) error {
			v := look(s)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.state = v
			close(r.changed)
			r.changed = make(chan struct{})
			return nil
		})
	})
}

// look reads a state of etcd.
func look(s etcd.State) view {
	v := view{revision: s.Revision, announced: map[string]int64{}, checks: map[string]string{}, routers: map[string]int64{}}
	for key, e := range s.Keys {
		if _, job, ok := keys.SplitService(key); ok && job != "" {
			v.announced[key] = e.Mod
			continue
		}
		if _, _, ok := keys.SplitCheck(key); ok {
			v.checks[key] = e.Value
			continue
		}
		if host, ok := cut(key, keys.RouterHosts); ok {
			applied, _ := strconv.ParseInt(s.Keys[keys.RouterApplied(host)].Value, 10, 64)
			v.routers[host] = applied
		}
	}
	return v
}

func cut(key, prefix string) (rest string, ok bool) {
	if len(key) <= len(prefix) || key[:len(prefix)] != prefix {
		return "", false
	}
	return key[len(prefix):], true
}

// IsRouter says whether a live router is announced at the address.
func (r *Routes) IsRouter(at netip.Addr) bool {
	v, _ := r.now()
	_, ok := v.routers[at.String()]
	return ok
}

// now is the present view, and a channel that closes when it changes.
func (r *Routes) now() (view, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state, r.changed
}

// await returns when ok says yes of a view, or ctx ends.
func (r *Routes) await(ctx context.Context, ok func(view) bool) error {
	for {
		v, changed := r.now()
		if ok(v) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Revision is the present revision of etcd.
func (r *Routes) Revision(ctx context.Context) (int64, error) {
	rev, err := r.kv.Revision(ctx)
	return rev, away(err)
}

// Announced waits for an announcement later than the revision.
func (r *Routes) Announced(ctx context.Context, job jobid.ID, after int64) error {
	key := keys.Service(job.App, job.String())
	return r.await(ctx, func(v view) bool { return v.announced[key] > after })
}

// CheckDetail is why a job's last health check failed, empty if it did not.
func (r *Routes) CheckDetail(_ context.Context, job jobid.ID) (string, error) {
	v, _ := r.now()
	text := v.checks[keys.Check(job.App, job.String())]
	if text == "" {
		return "", nil
	}
	var check struct {
		OK      bool   `json:"ok"`
		Detail  string `json:"detail"`
		Waiting bool   `json:"waiting"`
	}
	if err := json.Unmarshal([]byte(text), &check); err != nil {
		return "", err
	}
	if check.OK || check.Waiting {
		return "", nil
	}
	return check.Detail, nil
}

// Withdraw takes containers out of the routers (see deis.Routes).
func (r *Routes) Withdraw(ctx context.Context, containers map[jobid.ID]string) error {
	if len(containers) == 0 {
		return nil
	}
	ops := make([]etcd.Op, 0, len(containers))
	for job, id := range containers {
		ops = append(ops, etcd.Set(keys.Withdraw(job.App, job.String()), id))
	}
	asked, err := r.kv.Apply(ctx, ops...)
	if err != nil {
		return away(err)
	}
	if err := r.unannounce(ctx, containers, asked); err != nil {
		return err
	}
	// Routers say how far they have come when something changes that they
	// follow. Written again, the withdrawals are such a change, at a revision
	// that is known and later than the end of every endpoint.
	revision, err := r.kv.Apply(ctx, ops...)
	if err != nil {
		return away(err)
	}
	return r.converge(ctx, revision)
}

// unannounce waits until no container is announced any more, and sees to it
// where the publisher does not.
func (r *Routes) unannounce(ctx context.Context, containers map[jobid.ID]string, asked int64) error {
	wait, cancel := context.WithTimeout(ctx, publisherTime)
	defer cancel()
	left := func(v view) []string {
		var out []string
		for job := range containers {
			if key := keys.Service(job.App, job.String()); v.announced[key] != 0 {
				out = append(out, key)
			}
		}
		return out
	}
	err := r.await(wait, func(v view) bool { return v.revision >= asked && len(left(v)) == 0 })
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v, _ := r.now()
		for _, key := range left(v) {
			r.publisher.Inc()
			r.log.Warn("endpoint deleted in the publisher's place", "key", key)
			if _, _, err := r.kv.Delete(ctx, key); err != nil {
				return away(err)
			}
		}
	}
	return nil
}

// converge waits until all live routers serve the revision, or for a while. It
// fails only if ctx ends.
func (r *Routes) converge(ctx context.Context, revision int64) error {
	wait, cancel := context.WithTimeout(ctx, convergeTime)
	defer cancel()
	behind := ""
	err := r.await(wait, func(v view) bool {
		behind = ""
		for host, applied := range v.routers {
			if applied < revision {
				behind = host
			}
		}
		return behind == ""
	})
	if err != nil && ctx.Err() == nil {
		r.unmet.Inc()
		r.log.Warn("router did not follow a withdrawal in time", "host", behind, "rev", revision)
	}
	return ctx.Err()
}

// Forget deletes the withdrawals of containers that are gone, and what is known
// of their health.
func (r *Routes) Forget(ctx context.Context, jobs []jobid.ID) error {
	ops := make([]etcd.Op, 0, 2*len(jobs))
	for _, job := range jobs {
		ops = append(ops, etcd.Remove(keys.Withdraw(job.App, job.String())), etcd.Remove(keys.Check(job.App, job.String())))
	}
	_, err := r.kv.Apply(ctx, ops...)
	return away(err)
}

// away tells users that etcd did not answer; nil stays nil.
func away(err error) error {
	if err == nil {
		return nil
	}
	return &deis.Error{Kind: deis.Unavailable, Detail: "etcd is not available.", Err: err}
}
