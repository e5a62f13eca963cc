package announce

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/errdefs"
	"github.com/docker/go-connections/nat"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

// fakeEngine has containers that a test starts and ends.
type fakeEngine struct {
	mu         sync.Mutex
	away       bool
	containers map[string]container.InspectResponse
	messages   chan events.Message
	broken     chan error
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{containers: map[string]container.InspectResponse{}, messages: make(chan events.Message, 100), broken: make(chan error, 1)}
}

func (f *fakeEngine) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, errors.New("away")
	}
	var list []container.Summary
	for id, c := range f.containers {
		list = append(list, container.Summary{ID: id, Labels: c.Config.Labels, State: c.State.Status})
	}
	return list, nil
}

func (f *fakeEngine) ContainerInspect(_ context.Context, id string) (container.InspectResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.containers[id]; ok {
		return c, nil
	}
	return container.InspectResponse{}, errdefs.NotFound(errors.New("no such container"))
}

func (f *fakeEngine) Events(context.Context, events.ListOptions) (<-chan events.Message, <-chan error) {
	return f.messages, f.broken
}

func (f *fakeEngine) send(id string, action events.Action, attributes map[string]string) {
	f.messages <- events.Message{Action: action, Actor: events.Actor{ID: id, Attributes: attributes}, TimeNano: time.Now().UnixNano()}
}

// put changes what runs without saying so.
func (f *fakeEngine) put(id string, c container.InspectResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.containers[id] = c
}

func (f *fakeEngine) start(id string, c container.InspectResponse) {
	f.put(id, c)
	f.send(id, events.ActionStart, nil)
}

func (f *fakeEngine) end(id string) {
	f.mu.Lock()
	delete(f.containers, id)
	f.mu.Unlock()
	f.send(id, events.ActionDie, nil)
}

// contained describes a running container.
func contained(id, job, ip string, health *labels.HealthCheck, ports ...string) container.InspectResponse {
	parsed, err := jobid.Parse(job)
	if err != nil {
		panic(err)
	}
	exposed := nat.PortSet{}
	for _, p := range ports {
		exposed[nat.Port(p)] = struct{}{}
	}
	return container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID:    id,
			State: &container.State{Running: true, Status: "running", StartedAt: time.Now().Format(time.RFC3339Nano)},
		},
		Config:          &container.Config{Labels: labels.Identity{Platform: "p", ID: parsed, Health: health}.Labels(), ExposedPorts: exposed},
		NetworkSettings: &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{"p-apps": {IPAddress: ip}}},
	}
}

// listen opens a port that a container pretends to have.
func listen(t *testing.T) (ln net.Listener, port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, strconv.Itoa(ln.Addr().(*net.TCPAddr).Port) + "/tcp"
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// run runs an Announcer until the test ends or stop is called.
func run(t *testing.T, e Engine, kv *etcd.KV) (a *Announcer, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a = New(e, kv, Options{Platform: "p", Network: "p-apps", Host: "10.1.1.1", TTL: 20 * time.Second}, quiet, prometheus.NewRegistry())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return a, stop
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }); err != nil {
		t.Fatalf("never: %s", what)
	}
}

// value reads a key, "" if it is not there.
func value(t *testing.T, kv *etcd.KV, key string) string {
	t.Helper()
	e, _, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return e.Value
}
