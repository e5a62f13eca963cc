package pump

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/syslog"
)

// Engine is what a Pump asks of the Docker Engine.
type Engine interface {
	Events(context.Context, events.ListOptions) (<-chan events.Message, <-chan error)
	ContainerList(context.Context, container.ListOptions) ([]container.Summary, error)
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	ContainerLogs(ctx context.Context, id string, options container.LogsOptions) (io.ReadCloser, error)
}

// Sink takes lines, in the order of their source, which is a container's id.
// It may make the caller wait.
type Sink interface {
	Add(ctx context.Context, source string, m syslog.Message) error
}

// Config is what a Pump is made of.
type Config struct {
	Engine    Engine
	Sink      Sink
	Positions *Positions
	Platform  string
	Host      string
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Pump reads the logs of the platform's containers into a Sink.
type Pump struct {
	Config

	health atomic.Pointer[error] // nil: not connected yet

	mu      sync.Mutex
	readers map[string]*reader
	wg      sync.WaitGroup

	open prometheus.Gauge
	read prometheus.Counter
	lost prometheus.Counter
}

// New makes a Pump.
func New(cfg Config) *Pump {
	p := &Pump{
		Config: cfg, readers: map[string]*reader{},
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_logspout_containers", Help: "Containers whose log is being read."}),
		read: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logspout_read_lines_total", Help: "Lines read from the Engine."}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logspout_gaps_total", Help: "Times when the Engine no longer had the line last sent, so that lines may be lost."}),
	}
	cfg.Metrics.MustRegister(p.open, p.read, p.lost)
	return p
}

// Healthy says whether the Engine's events are being followed.
func (p *Pump) Healthy(context.Context) error {
	if err := p.health.Load(); err != nil {
		return *err
	}
	return errors.New("not connected yet")
}

// Run reads until ctx ends, whatever happens to the Engine.
func (p *Pump) Run(ctx context.Context) error {
	defer p.wg.Wait()
	return retry.Steadily(ctx, p.Log, "follow the Engine", time.Second, func(ctx context.Context) error {
		err := p.follow(ctx)
		p.health.Store(&err)
		return err
	})
}

// follow subscribes first and lists then, so that no container is missed.
func (p *Pump) follow(run context.Context) error {
	ctx, cancel := context.WithCancel(run)
	defer cancel()
	mine := filters.NewArgs(filters.Arg("label", labels.Platform+"="+p.Platform))
	wanted := mine.Clone()
	for _, kv := range [][2]string{{"type", "container"}, {"event", "start"}, {"event", "die"}, {"event", "destroy"}} {
		wanted.Add(kv[0], kv[1])
	}
	happened, failed := p.Engine.Events(ctx, events.ListOptions{Filters: wanted})
	list, err := p.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		return err
	}
	p.take(run, list)
	var healthy error
	p.health.Store(&healthy)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			if err == nil {
				err = errors.New("the Engine ended its events")
			}
			return err
		case e := <-happened:
			p.handle(run, e)
		}
	}
}

// take starts to read all containers that there are, unless nothing of them
// can be new, and forgets those that are gone.
func (p *Pump) take(ctx context.Context, list []container.Summary) {
	ids := make(map[string]bool, len(list))
	for _, c := range list {
		ids[c.ID] = true
		if c.State == container.StateCreated || c.State != container.StateRunning && p.Positions.done(c.ID) {
			continue
		}
		p.attach(ctx, c.ID, nameOf(c.Names), c.Labels)
	}
	p.mu.Lock()
	for id := range p.readers {
		ids[id] = true // may have come since
	}
	p.mu.Unlock()
	p.Positions.keep(ids)
}

// nameOf picks a container's own name: links give it more, with a slash within.
func nameOf(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

func (p *Pump) handle(ctx context.Context, e events.Message) {
	switch e.Action {
	case events.ActionStart, events.ActionDie: // what lived for a moment may be seen by its end only
		p.attach(ctx, e.Actor.ID, e.Actor.Attributes["name"], e.Actor.Attributes)
	case events.ActionDestroy:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.readers[e.Actor.ID] == nil { // else its reader does, when it finds out
			p.Positions.forget(e.Actor.ID)
		}
	}
}

// attach reads a container if it is one of ours and is not being read. The
// reader ends with its container, or with ctx, which is Run's: it outlives the
// connection that the events come by.
func (p *Pump) attach(ctx context.Context, id, name string, label map[string]string) {
	who, ok := identify(p.Platform, name, label)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.readers[id]; r != nil {
		r.again = true
		return
	}
	r := &reader{pump: p, id: id, identity: who}
	p.readers[id] = r
	p.open.Inc()
	p.wg.Go(func() { r.run(ctx) })
}

// leave ends a reader, unless something happened to its container meanwhile
// and that is not to be overlooked.
func (p *Pump) leave(r *reader, always bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.again && !always {
		r.again = false
		return false
	}
	delete(p.readers, r.id)
	p.open.Dec()
	return true
}
