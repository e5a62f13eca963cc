package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/router/nginx"
	"github.com/deis/deis/router/table"
)

// etcdPause is the pause after etcd could not be used.
const etcdPause = time.Second

// Run keeps nginx true to etcd until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return err
	}
	defer kv.Close()
	if cfg.Host == "" {
		if cfg.Host, err = kv.LocalIP(); err != nil {
			return fmt.Errorf("own address: %w", err)
		}
	}
	r := &router{Settings: cfg, kv: kv, advanced: make(chan struct{}, 1), metrics: newMetrics(cfg.Metrics)}
	r.nginx = nginx.New(cfg.Nginx, nginx.Events{Served: r.serves, Gone: r.gone}, cfg.Log, cfg.Metrics, os.Stdout)

	cfg.Check("etcd", func(ctx context.Context) error {
		if !r.following.Load() {
			return errors.New("not followed")
		}
		return kv.Ping(ctx)
	})
	cfg.Check("nginx", r.nginx.Up)
	cfg.Check("filter", func(context.Context) error { return filterStands(cfg.FilterState, time.Now()) })

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.nginx.Run(ctx) })
	g.Go(func() error { return retry.Steadily(ctx, cfg.Log, "follow etcd", etcdPause, r.follow) })
	g.Go(func() error { return retry.Steadily(ctx, cfg.Log, "announce", etcdPause, r.announce) })
	return g.Wait()
}

// router is what the loops of Run share.
type router struct {
	Settings
	kv        *etcd.KV
	nginx     *nginx.Server
	metrics   metrics
	following atomic.Bool

	mu       sync.Mutex
	table    *table.Table
	problems map[table.Problem]bool

	served   atomic.Int64  // revision that nginx serves, 0 before the first
	advanced chan struct{} // served has changed
}

// follow makes tables of etcd's state for nginx.
func (r *router) follow(ctx context.Context) error {
	defer r.following.Store(false)
	return etcd.Follow(ctx, r.kv, table.Prefixes(), func(_ context.Context, s etcd.State) error {
		r.following.Store(true)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.table = table.Build(s, r.table)
		r.nginx.Apply(r.table)
		r.report()
		return nil
	})
}

// gone takes a stale endpoint out of the table after it refused a connection.
func (r *router) gone(app string, addr netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if next := r.table.Without(app, addr); next != r.table {
		r.table = next
		r.nginx.Apply(next)
		r.report()
	}
}

// report says what is wrong with the table, each thing once.
func (r *router) report() {
	now := map[table.Problem]bool{}
	for _, p := range r.table.Problems {
		now[p] = true
		if !r.problems[p] {
			r.Log.Warn("value ignored", "key", p.Key, "err", p.Text)
		}
	}
	r.problems = now
	r.metrics.apps.Set(float64(len(r.table.Apps)))
	r.metrics.endpoints.Set(float64(r.table.Endpoints()))
	r.metrics.stale.Set(float64(r.table.StaleEndpoints()))
	r.metrics.problems.Set(float64(len(now)))
}

// serves is told the revision that nginx serves.
func (r *router) serves(revision int64) {
	if r.served.Swap(revision) == revision {
		return
	}
	r.metrics.revision.Set(float64(revision))
	select {
	case r.advanced <- struct{}{}:
	default:
	}
}

// announce says in etcd that this router lives and which revision it serves,
// from the first on. Both go when it ends.
func (r *router) announce(ctx context.Context) error {
	if r.served.Load() == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.advanced:
		}
		fmt.Println("deis-router running...") // scripts of Deis v1 wait for it
		r.Ready(&net.TCPAddr{IP: r.Nginx.Listen[0].AsSlice(), Port: int(r.Nginx.HTTPPort)})
	}
	lease, err := r.kv.Grant(ctx, r.TTL)
	if err != nil {
		return err
	}
	defer func() {
		if err := lease.Revoke(ctx); err != nil {
			r.Log.Warn("lease left to lapse", "err", err)
		}
	}()
	pairs := map[string]string{keys.RouterHost(r.Host): net.JoinHostPort(r.Host, strconv.Itoa(r.ExternalPort))}
	for {
		served := r.served.Load()
		pairs[keys.RouterApplied(r.Host)] = strconv.FormatInt(served, 10)
		if err := lease.Put(ctx, pairs); err != nil {
			return err
		}
		delete(pairs, keys.RouterHost(r.Host)) // stands from now on
		for r.served.Load() == served {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-lease.Lost():
				return nil
			case <-r.advanced:
			}
		}
	}
}
