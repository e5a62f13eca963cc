// Package nginx turns a routing table into a running nginx: its configuration,
// checked before it is used, and its live routes, which change without a
// reload. It starts nginx, watches over it and ends it in order.
package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/router/table"
)

const (
	debounce     = 150 * time.Millisecond // for changes that come together
	reloadGap    = time.Second            // between two reloads
	retryRefused = 30 * time.Second       // until a refused configuration is tried again
	retryFeed    = 100 * time.Millisecond
	goneInterval = 250 * time.Millisecond // between looks for dropped endpoints, while any is stale
	startTimeout = 15 * time.Second       // until a started nginx answers
	maxRestart   = 5 * time.Second        // pause between starts that fail
)

// Events are what the server tells; the functions must not block.
type Events struct {
	Served func(revision int64)                  // nginx serves the table of that revision
	Gone   func(app string, addr netip.AddrPort) // a stale endpoint refused a connection
}

// Server is one nginx.
type Server struct {
	folder  folder
	events  Events
	log     *slog.Logger
	out     io.Writer
	control *control
	metrics metrics
	access  *relay

	mu     sync.Mutex
	wanted *table.Table
	wake   chan struct{}
	up     atomic.Bool

	// What follows belongs to the loop of Run.
	proc       *nginxProcess
	active     string                // id of the configuration that nginx runs
	known      map[string]table.Pair // the domains' certificates in it
	refused    string                // id of one that nginx does not take as it is
	fed        map[string]string
	seq        int64
	reloading  bool
	lastReload time.Time
	reloads    chan reloaded
	rendered   *table.Table // the table of renderedID
	renderedID string

	running sync.WaitGroup // readers of nginx's output, and reapers
	orphans orphans
}

// orphans are process groups whose master was killed and whose workers still
// finish requests.
type orphans struct {
	mu     sync.Mutex
	groups map[int]bool
}

// reloaded is the outcome of a reload.
type reloaded struct {
	proc           *nginxProcess
	wanted, active string
	known          map[string]table.Pair
	refused, err   error
}

// New makes a server that starts nginx once it has a table. Access log lines
// go to out.
func New(o Options, ev Events, log *slog.Logger, reg prometheus.Registerer, out io.Writer) *Server {
	f := folder{o}
	s := &Server{
		folder: f, events: ev, log: log, out: out, control: newControl(f.socket()), metrics: newMetrics(reg),
		wake: make(chan struct{}, 1), reloads: make(chan reloaded, 1),
	}
	s.access = newRelay(s.metrics.dropped)
	return s
}

// Apply makes t the table to serve. It does not wait.
func (s *Server) Apply(t *table.Table) {
	s.mu.Lock()
	s.wanted = t
	s.mu.Unlock()
	s.poke()
}

func (s *Server) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Server) table() *table.Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// Up is nil while nginx runs and answers.
func (s *Server) Up(context.Context) error {
	if !s.up.Load() {
		return errors.New("nginx is not running")
	}
	return nil
}

// Run starts nginx with the first table and keeps it running and true until
// ctx ends. Then health checks fail, and requests under way may end. A first
// start that fails, as by a port that is taken, is an error.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.wake:
	}
	if err := s.folder.prepare(); err != nil {
		return err
	}
	if err := becomeSubreaper(); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return s.access.write(writing, s.out) })
	defer func() {
		s.orphans.kill()
		s.running.Wait()
		stopWriting()
		_ = g.Wait()
		s.access.flush(s.out)
	}()

	r, dir, refused, err := s.folder.accept(ctx, s.table(), nil)
	if err != nil {
		return fmt.Errorf("first configuration: %w", err)
	}
	s.known = s.table().TLS.Domains
	if refused != nil {
		s.log.Error("configuration taken in part", "err", refused)
		s.refused, s.known = r.id, nil
	}
	if err := s.folder.use(dir); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	s.loop(ctx)
	return s.stop(context.WithoutCancel(ctx))
}

// loop follows the wanted table and nginx itself until ctx ends.
func (s *Server) loop(ctx context.Context) {
	reload, again, gone := idleTimer(), idleTimer(), time.NewTicker(goneInterval)
	defer reload.Stop()
	defer again.Stop()
	defer gone.Stop()
	scheduled := false
	restart := time.Duration(0)
	s.poke()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.proc.done:
			s.up.Store(false)
			s.log.Error("nginx ended, starting it again", "err", s.proc.err)
			s.orphaned(ctx)
			if retry.Sleep(ctx, restart) != nil {
				return
			}
			if err := s.start(ctx); err != nil {
				s.log.Error("nginx did not start", "err", err)
				restart = min(2*restart+100*time.Millisecond, maxRestart)
				continue
			}
			restart = 0
		case <-again.C:
		case <-s.wake:
		case r := <-s.reloads:
			s.settle(r)
		case <-reload.C:
			scheduled = false
			s.startReload(ctx)
		case <-gone.C:
			s.collectGone(ctx)
			continue
		}
		t := s.table()
		if err := s.feed(ctx, live(t, false)); err != nil {
			s.log.Warn("routes not taken by nginx", "err", err)
			again.Reset(retryFeed)
			continue
		}
		id := s.id(t)
		switch {
		case id == s.active || id == s.refused:
			if !s.reloading {
				s.events.Served(t.Revision)
			}
		case !s.reloading && !scheduled:
			scheduled = true
			reload.Reset(max(debounce, time.Until(s.lastReload.Add(reloadGap))))
		}
		if s.refused != "" {
			again.Reset(retryRefused)
			if time.Since(s.lastReload) > retryRefused {
				s.refused = "" // the next round tries it once more
			}
		}
	}
}

// start runs nginx with the current configuration and routes and waits until
// it answers.
func (s *Server) start(ctx context.Context) error {
	s.fed = live(s.table(), false)
	s.seq++
	state := encode(change{Seq: s.seq, Set: s.fed})
	if err := os.WriteFile(s.folder.path("live.json"), []byte(state), 0o600); err != nil {
		return err
	}
	// A killed nginx leaves its socket, and none could listen there again.
	if err := os.Remove(s.folder.socket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p, err := startProcess(s.folder.Binary, s.folder.current(), s.log, s.access, &s.running)
	if err != nil {
		return err
	}
	s.proc = p
	s.metrics.starts.Inc()
	wait, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = retry.Until(wait, reloadPoll, func(ctx context.Context) (bool, error) {
		if !p.running() {
			return false, fmt.Errorf("nginx: %w", p.err)
		}
		id, err := s.control.call(ctx, "GET", "/state", nil)
		s.active = id
		return err == nil, nil
	})
	if err != nil {
		if p.running() {
			_ = p.signal(syscall.SIGKILL)
			<-p.done
		}
		return err
	}
	s.up.Store(true)
	return nil
}

// orphaned lets the workers of a killed master finish, out of the way.
func (s *Server) orphaned(ctx context.Context) {
	dead := s.proc
	dead.letGo(ctx, s.log)
	s.orphans.set(dead.pid, true)
	s.running.Go(func() {
		dead.reap()
		s.orphans.set(dead.pid, false)
	})
}

func (o *orphans) set(pgid int, there bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.groups == nil {
		o.groups = map[int]bool{}
	}
	o.groups[pgid] = there
	if !there {
		delete(o.groups, pgid)
	}
}

func (o *orphans) kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for pgid := range o.groups {
		_ = syscall.Kill(-pgid, syscall.SIGKILL)
	}
}

// id is that of a table's configuration. Most tables differ in endpoints only.
func (s *Server) id(t *table.Table) string {
	if s.rendered == nil || !sameConfig(s.rendered, t) {
		s.renderedID = render(s.folder.Options, t).id
	}
	s.rendered = t
	return s.renderedID
}

// feed brings the shared dictionary to wanted.
func (s *Server) feed(ctx context.Context, wanted map[string]string) error {
	c, changed := diff(s.fed, wanted, s.seq)
	if !changed {
		return nil
	}
	err := s.control.feed(ctx, c)
	if errors.Is(err, errOutOfStep) {
		c = change{Seq: s.seq + 1, Set: wanted, Del: []string{}}
		err = s.control.feed(ctx, c)
	}
	if err != nil {
		s.seq += 2 // what arrived is not known: the next change will be out of step
		s.metrics.feeds.WithLabelValues("failed").Inc()
		return err
	}
	s.seq, s.fed = c.Seq, wanted
	s.metrics.feeds.WithLabelValues("ok").Inc()
	return nil
}

// startReload checks and loads the wanted configuration beside the loop, which
// meanwhile goes on to feed routes.
func (s *Server) startReload(ctx context.Context) {
	t, known, proc := s.table(), s.known, s.proc
	wanted, active := s.id(t), s.active
	if wanted == active {
		return // changed back meanwhile
	}
	s.reloading = true
	go func() {
		began := time.Now()
		r, dir, refused, err := s.folder.accept(ctx, t, known)
		if err == nil && r.id != active {
			err = s.folder.reload(ctx, proc, s.control, dir, r.id)
		}
		if err == nil {
			s.folder.prune(dir)
			s.metrics.reloadTime.Observe(time.Since(began).Seconds())
		}
		s.reloads <- reloaded{proc: proc, wanted: wanted, active: r.id, known: t.TLS.Domains, refused: refused, err: err}
	}()
}

func (s *Server) settle(r reloaded) {
	s.reloading, s.lastReload = false, time.Now()
	switch {
	case r.err != nil && !r.proc.running():
		s.log.Warn("nginx ended during a reload", "err", r.err)
	case r.err != nil:
		s.metrics.reloads.WithLabelValues("failed").Inc()
		s.log.Error("configuration refused, the last good one stays", "err", r.err)
		s.refused = r.wanted
	case r.refused != nil:
		s.metrics.reloads.WithLabelValues("partly").Inc()
		s.log.Error("configuration taken in part", "err", r.refused)
		s.active, s.refused = r.active, r.wanted
	default:
		s.metrics.reloads.WithLabelValues("ok").Inc()
		s.log.Info("nginx reloaded")
		s.active, s.refused, s.known = r.active, "", r.known
	}
}

// collectGone asks for stale endpoints that the workers dropped.
func (s *Server) collectGone(ctx context.Context) {
	if s.table().StaleEndpoints() == 0 {
		return
	}
	list, err := s.control.gone(ctx)
	if err != nil {
		s.log.Warn("dropped endpoints not known", "err", err)
		return
	}
	for _, e := range list {
		s.log.Info("stale endpoint dropped", "app", e.App, "addr", e.Addr.String())
		s.events.Gone(e.App, e.Addr)
	}
}

// stop ends nginx: health checks fail, no new connections, a bounded time for
// requests under way.
func (s *Server) stop(ctx context.Context) error {
	s.up.Store(false)
	if s.reloading {
		<-s.reloads
	}
	if !s.proc.running() {
		return nil
	}
	if err := s.feed(ctx, live(s.table(), true)); err != nil {
		s.log.Warn("nginx does not know that it ends", "err", err)
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGQUIT, s.folder.Stop}, {syscall.SIGTERM, time.Second}} {
		_ = s.proc.signal(step.signal)
		select {
		case <-s.proc.done:
			return nil
		case <-time.After(step.wait):
		}
	}
	_ = syscall.Kill(-s.proc.pid, syscall.SIGKILL)
	<-s.proc.done
	return nil
}

func idleTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
