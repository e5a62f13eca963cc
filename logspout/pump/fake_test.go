package pump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/errdefs"

	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/syslog"
)

// fakeEngine keeps containers and their logs in memory.
type fakeEngine struct {
	mu         sync.Mutex
	containers map[string]*fakeContainer
	changed    chan struct{}
	subscribed []chan events.Message
	broken     chan error
	breakLogs  bool // streams end in the middle
}

type fakeContainer struct {
	id, name string
	label    map[string]string
	running  bool
	records  []fakeRecord
}

type fakeRecord struct {
	at    time.Time
	frame string
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{containers: map[string]*fakeContainer{}, changed: make(chan struct{}), broken: make(chan error, 1)}
}

func (e *fakeEngine) change(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	do()
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *fakeEngine) emit(c *fakeContainer, action events.Action) {
	attributes := map[string]string{"name": c.name}
	for k, v := range c.label {
		attributes[k] = v
	}
	for _, s := range e.subscribed {
		s <- events.Message{Type: events.ContainerEventType, Action: action, Actor: events.Actor{ID: c.id, Attributes: attributes}}
	}
}

func (e *fakeEngine) start(id, name string) {
	e.change(func() {
		c := e.containers[id]
		if c == nil {
			c = &fakeContainer{id: id, name: name, label: map[string]string{labels.Platform: "deis", labels.Job: name}}
			e.containers[id] = c
		}
		c.running = true
		e.emit(c, events.ActionStart)
	})
}

func (e *fakeEngine) print(id string, n int, text string) {
	e.change(func() {
		c := e.containers[id]
		c.records = append(c.records, fakeRecord{at(n), frame(1, n, text)})
	})
}

func (e *fakeEngine) die(id string) {
	e.change(func() {
		e.containers[id].running = false
		e.emit(e.containers[id], events.ActionDie)
	})
}

func (e *fakeEngine) remove(id string) {
	e.change(func() {
		c := e.containers[id]
		delete(e.containers, id)
		e.emit(c, events.ActionDestroy)
	})
}

func (e *fakeEngine) Events(context.Context, events.ListOptions) (<-chan events.Message, <-chan error) {
	ch := make(chan events.Message, 1000)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subscribed = []chan events.Message{ch}
	return ch, e.broken
}

func (e *fakeEngine) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []container.Summary
	for _, c := range e.containers {
		state := container.StateExited
		if c.running {
			state = container.StateRunning
		}
		list = append(list, container.Summary{ID: c.id, Names: []string{"/x/alias", "/" + c.name}, Labels: c.label, State: state})
	}
	return list, nil
}

func (e *fakeEngine) ContainerInspect(_ context.Context, id string) (container.InspectResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return container.InspectResponse{}, errdefs.NotFound(errors.New("no such container"))
	}
	return container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{Running: c.running}}, Config: &container.Config{}}, nil
}

func (e *fakeEngine) ContainerLogs(ctx context.Context, id string, o container.LogsOptions) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil, errdefs.NotFound(errors.New("no such container"))
	}
	var since time.Time
	if o.Since != "" {
		var sec, nsec int64
		if _, err := fmt.Sscanf(o.Since, "%d.%d", &sec, &nsec); err != nil {
			return nil, err
		}
		since = time.Unix(sec, nsec)
	}
	r, w := io.Pipe()
	go func() {
		for i := 0; ; {
			e.mu.Lock()
			more, running, changed, broken := c.records[min(i, len(c.records)):], c.running, e.changed, e.breakLogs && o.Follow
			e.mu.Unlock()
			for _, rec := range more {
				i++
				if rec.at.Before(since) {
					continue
				}
				if _, err := io.WriteString(w, rec.frame); err != nil {
					return
				}
				if broken {
					w.CloseWithError(errors.New("connection reset"))
					return
				}
			}
			if !o.Follow || !running {
				w.Close()
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				w.CloseWithError(ctx.Err())
				return
			}
		}
	}()
	return r, nil
}

// fakeSink remembers, and says at once that a line was sent.
type fakeSink struct {
	sent func(string, time.Time)
	mu   sync.Mutex
	got  []syslog.Message
}

func (s *fakeSink) Add(_ context.Context, source string, m syslog.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, m)
	s.sent(source, m.Time)
	return nil
}

func (s *fakeSink) lines() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, m := range s.got {
		b.WriteString(m.App + "[" + m.Process + "]: " + m.Text + "\n")
	}
	return b.String()
}

func (s *fakeSink) await(t *testing.T, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return s.lines() == want, nil })
	if err != nil {
		t.Fatalf("got\n%swant\n%s", s.lines(), want)
	}
}
