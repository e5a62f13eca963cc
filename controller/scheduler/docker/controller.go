package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

const (
	cleanupTimeout = 2 * time.Minute // of a one-off container's removal
	drainTimeout   = 5 * time.Second // of the output that is left when it has ended
	inspections    = 8               // at once
	maxLastLines   = 1 << 20         // bytes that LastLines reads
)

// Scheduler is a scheduler.Scheduler on one Engine.
type Scheduler struct {
	adapter
	log   *slog.Logger
	drain time.Duration // drainTimeout

	mu      sync.Mutex
	exposed map[string]bool // by image id: it exposes a TCP port
}

var _ scheduler.Scheduler = (*Scheduler)(nil)

// New makes a Scheduler on an Engine.
func New(cfg Config, e *engine.Client, log *slog.Logger) *Scheduler {
	return &Scheduler{adapter: adapter{cfg: cfg, engine: e}, log: log, drain: drainTimeout, exposed: map[string]bool{}}
}

// Create is part of scheduler.Scheduler.
func (s *Scheduler) Create(ctx context.Context, spec deis.Spec) error {
	_, err := s.prepare(ctx, spec, s.cfg.planContainer(spec, false))
	return err
}

// prepare creates a container and words what goes wrong.
func (s *Scheduler) prepare(ctx context.Context, spec deis.Spec, p plan) (id string, err error) {
	if err := scheduler.CheckTags(spec, s.cfg.HostTags); err != nil {
		return "", err
	}
	if spec.Hostname == deis.ServerHostname {
		if p.Config.Hostname, err = s.hostname(ctx); err != nil {
			return "", away(ctx, err)
		}
	}
	id, err = s.create(ctx, p)
	var pull pullError
	switch job := spec.Identity.ID; {
	case err == nil:
		return id, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &pull):
		return "", scheduler.Refused(job, err, "cannot be created: its image %s cannot be pulled: %s", spec.Image, words(pull.error))
	default:
		return "", scheduler.Refused(job, err, "cannot be created: %s", words(err))
	}
}

// Start is part of scheduler.Scheduler.
func (s *Scheduler) Start(ctx context.Context, uuid string) error {
	c, ok, err := s.find(ctx, uuid)
	if err != nil {
		return away(ctx, err)
	}
	if !ok {
		return scheduler.Gone()
	}
	if c.State == container.StatePaused {
		err = s.unpause(ctx, c.ID)
	} else {
		err = s.start(ctx, c.ID)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	job, _ := jobid.Parse(c.Labels[labels.Job])
	return scheduler.Refused(job, err, "does not start: %s", words(err))
}

// Stop is part of scheduler.Scheduler.
func (s *Scheduler) Stop(ctx context.Context, uuid string) error {
	c, ok, err := s.find(ctx, uuid)
	if err != nil || !ok || c.State == container.StateCreated {
		return away(ctx, err)
	}
	return away(ctx, s.stop(ctx, c.ID))
}

// Destroy is part of scheduler.Scheduler.
func (s *Scheduler) Destroy(ctx context.Context, uuid string) error {
	c, ok, err := s.find(ctx, uuid)
	if err != nil || !ok {
		return away(ctx, err)
	}
	return away(ctx, s.remove(ctx, c.ID))
}

// States is part of scheduler.Scheduler. It is one call, and one more for each
// container of which a list does not say enough.
func (s *Scheduler) States(ctx context.Context, app string) ([]deis.Status, error) {
	var more []filters.KeyValuePair
	if app != "" {
		more = append(more, filters.Arg("label", labels.App+"="+app))
	}
	list, err := s.list(ctx, more...)
	if err != nil {
		return nil, away(ctx, err)
	}
	all := make([]deis.Status, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inspections)
	for i, c := range list {
		id, ok, err := labels.Parse(c.Labels)
		if err != nil || !ok {
			s.log.Warn("container with labels that make no sense", "container", c.ID, "err", err)
			continue
		}
		all[i] = deis.Status{UUID: id.UUID, Job: id.ID, Container: c.ID, State: state(c.State), Started: time.Unix(c.Created, 0)}
		exposed, known := s.exposes(c)
		all[i].Exposed = exposed
		if known && settled(c) {
			continue
		}
		g.Go(func() error {
			err := s.detail(gctx, &all[i], c.ImageID)
			if engine.IsNotFound(err) {
				all[i] = deis.Status{} // removed since the list
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, away(ctx, err)
	}
	found := all[:0]
	for _, st := range all {
		if st.Container != "" {
			found = append(found, st)
		}
	}
	return found, nil
}

// settled says whether a list tells all about a container: it was never
// started, or has been running for a minute. The Engine writes times as people
// say them, Up 12 seconds and Up 2 hours.
func settled(c container.Summary) bool {
	return c.State == container.StateCreated || c.State == container.StateRunning && !strings.Contains(c.Status, "second")
}

// exposes says whether a container has a TCP port, which is its image's doing,
// as far as that is known.
func (s *Scheduler) exposes(c container.Summary) (exposed, known bool) {
	for _, p := range c.Ports { // of running ones only
		if p.Type == "tcp" {
			return true, true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	exposed, known = s.exposed[c.ImageID]
	return exposed, known
}

// detail adds what only the Engine's own record of a container says.
func (s *Scheduler) detail(ctx context.Context, st *deis.Status, image string) error {
	c, err := s.inspect(ctx, st.Container)
	if err != nil {
		return err
	}
	st.State = state(c.State.Status)
	st.ExitCode = c.State.ExitCode
	st.Restarts = c.RestartCount
	if t, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && t.Year() > 1 { // year 1: never
		st.Started = t
	}
	st.Exposed = false
	for port := range c.Config.ExposedPorts {
		st.Exposed = st.Exposed || port.Proto() == "tcp"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.exposed) >= maxKnownImages {
		clear(s.exposed) // found out again
	}
	s.exposed[image] = st.Exposed
	return nil
}

// maxKnownImages bounds what is remembered of images.
const maxKnownImages = 10_000

// LastLines is part of scheduler.Scheduler.
func (s *Scheduler) LastLines(ctx context.Context, uuid string, n int) ([]string, error) {
	c, ok, err := s.find(ctx, uuid)
	if err != nil || !ok {
		return nil, away(ctx, err)
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := s.engine.ContainerLogs(call, c.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if engine.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, away(ctx, err)
	}
	defer r.Close()
	var text bytes.Buffer
	if err := engine.Demultiplex(&text, &text, io.LimitReader(r, maxLastLines)); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, away(ctx, err)
	}
	lines := strings.FieldsFunc(text.String(), func(r rune) bool { return r == '\n' || r == '\r' })
	return lines[max(0, len(lines)-n):], nil
}

// RemoveImages is part of scheduler.Scheduler.
func (s *Scheduler) RemoveImages(ctx context.Context, app string, keep func(context.Context) ([]string, error)) error {
	var unknown error // what to keep
	err := s.removeImages(ctx, s.cfg.repository(app), func(ctx context.Context) (digests []string, err error) {
		if keep != nil {
			digests, unknown = keep(ctx)
		}
		return digests, unknown
	})
	if unknown != nil {
		return unknown
	}
	return away(ctx, err)
}

// Changes is part of scheduler.Scheduler.
func (s *Scheduler) Changes(ctx context.Context) <-chan string {
	changes := make(chan string)
	pending := scheduler.NewPending()
	go func() {
		defer close(changes)
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error {
			return retry.Steadily(ctx, s.log, "follow the Engine's events", time.Second, func(ctx context.Context) error { return s.follow(ctx, pending) })
		})
		g.Go(func() error {
			pending.Deliver(ctx, changes)
			return nil
		})
		_ = g.Wait() // ends with ctx only
	}()
	return changes
}

// follow takes in events until the stream breaks. It never makes the Engine
// wait, which would drop events then.
func (s *Scheduler) follow(ctx context.Context, pending *scheduler.Pending) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("label", labels.Platform+"="+s.cfg.Platform), filters.Arg("label", labels.Job))
	for _, action := range []events.Action{events.ActionDie, events.ActionDestroy, events.ActionPause} {
		args.Add("event", string(action))
	}
	stream, broken := s.engine.Events(ctx, events.ListOptions{Filters: args})
	pending.Gap() // what happened before was not seen
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-broken:
			return fmt.Errorf("events: %w", err)
		case m := <-stream:
			pending.Add(m.Actor.Attributes[labels.App])
		}
	}
}

// away tells users that the Engine failed, unless it is only that ctx is over;
// nil stays nil.
func away(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &deis.Error{Kind: deis.Unavailable, Detail: "The scheduler's Engine does not do its work: " + words(err) + ".", Err: err}
}
