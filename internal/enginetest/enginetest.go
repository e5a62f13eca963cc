package enginetest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/go-connections/nat"

	"github.com/deis/deis/internal/engine"
)

// Engine is a fake Engine. All methods may be called at any time.
type Engine struct {
	Host string // unix:///..., for engine.New

	t  testing.TB
	mu sync.Mutex
	// guarded by mu
	next       int
	containers []*Container // in the order of their creation
	images     map[string]bool
	pullable   map[string]bool
	faults     []*fault
	calls      []string
	streams    map[chan any]func(any) bool // open event and log streams with what they want
	broken     chan struct{}               // closed to end all streams
	program    func(Attached) int
}

// Container is one of a fake Engine. Tests fill it for Add and get copies.
type Container struct {
	ID, Name, Image string
	Labels          map[string]string
	Exposed         []string // ports, such as 5000/tcp
	State           string   // created, running, restarting, exited ...; Add's default is running
	ExitCode        int
	Restarts        int
	Started         time.Time
	Created         time.Time
	Host            *container.HostConfig
	Config          *container.Config

	lines    []line
	attached *attachment
}

// New serves an Engine without containers and images until the test ends.
func New(t testing.TB) *Engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{
		Host: "unix://" + ln.Addr().String(), t: t,
		images: map[string]bool{}, pullable: map[string]bool{}, streams: map[chan any]func(any) bool{}, broken: make(chan struct{}),
	}
	srv := &http.Server{Handler: e.handler(), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		e.Disconnect()
		_ = srv.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return e
}

// Client connects to the Engine until the test ends.
func (e *Engine) Client() *engine.Client {
	e.t.Helper()
	c, err := engine.New(e.Host)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Add makes a container, running unless it says otherwise, and tells of its
// start. Its image exists from then on.
func (e *Engine) Add(c Container) (id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.State == "" {
		c.State = container.StateRunning
	}
	if c.State == container.StateRunning && c.Started.IsZero() {
		c.Started = time.Now()
	}
	e.images[c.Image] = true
	added := e.add(c)
	if c.State == container.StateRunning {
		e.tell(added, events.ActionStart)
	}
	return added.ID
}

// Die ends a container by itself; state is what becomes of it.
func (e *Engine) Die(id, state string, exitCode int) {
	e.change(id, events.ActionDie, func(c *Container) { c.State, c.ExitCode = state, exitCode })
}

// Log makes a container print a line; stream is 1 for stdout, 2 for stderr.
func (e *Engine) Log(id string, stream byte, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(id); c != nil {
		l := line{container: c.ID, stream: stream, text: text, at: time.Now()}
		c.lines = append(c.lines, l)
		e.send(l)
	}
}

// Provide lets an image be pulled.
func (e *Engine) Provide(ref string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pullable[ref] = true
}

// Images lists what is in the Engine, sorted.
func (e *Engine) Images() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	refs := make([]string, 0, len(e.images))
	for ref := range e.images {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	return refs
}

// Containers are copies of all that exist.
func (e *Engine) Containers() []Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Container, len(e.containers))
	for i, c := range e.containers {
		out[i] = *c
	}
	return out
}

// Calls are all requests so far, such as "POST /containers/create".
func (e *Engine) Calls() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// fault is an answer that a test has set.
type fault struct {
	call    *regexp.Regexp
	status  int
	message string
	times   int
}

// Fail answers the next times requests that match call, a regular expression
// for what Calls shows, with an error. Status 0 closes the connection instead.
func (e *Engine) Fail(call string, status int, message string, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, &fault{call: regexp.MustCompile(call), status: status, message: message, times: times})
}

// Disconnect ends all streams of events and logs.
func (e *Engine) Disconnect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.broken)
	e.broken = make(chan struct{})
}

// intercept notes a call and says whether a fault answered it.
func (e *Engine) intercept(w http.ResponseWriter, call string) bool {
	e.mu.Lock()
	e.calls = append(e.calls, call)
	i := slices.IndexFunc(e.faults, func(f *fault) bool { return f.times > 0 && f.call.MatchString(call) })
	if i < 0 {
		e.mu.Unlock()
		return false
	}
	f := e.faults[i]
	f.times--
	e.mu.Unlock()
	if f.status == 0 {
		panic(http.ErrAbortHandler)
	}
	fail(w, f.status, f.message)
	return true
}

// add stores a copy of c under a new id; the lock is held.
func (e *Engine) add(c Container) *Container {
	e.next++
	c.ID = fmt.Sprintf("%064x", e.next)
	if c.Created.IsZero() {
		c.Created = time.Now()
	}
	e.containers = append(e.containers, &c)
	return &c
}

// find looks a container up by id or name; the lock is held.
func (e *Engine) find(id string) *Container {
	for _, c := range e.containers {
		if c.ID == id || c.Name == id {
			return c
		}
	}
	return nil
}

func (e *Engine) change(id string, action events.Action, fn func(*Container)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(id); c != nil {
		fn(c)
		e.tell(c, action)
	}
}

// tell sends an event; the lock is held.
func (e *Engine) tell(c *Container, action events.Action) {
	attributes := map[string]string{"name": c.Name, "image": c.Image, "exitCode": fmt.Sprint(c.ExitCode)}
	for k, v := range c.Labels {
		attributes[k] = v
	}
	e.send(events.Message{
		Type: events.ContainerEventType, Action: action,
		Actor: events.Actor{ID: c.ID, Attributes: attributes}, TimeNano: time.Now().UnixNano(), Time: time.Now().Unix(),
	})
}

// send gives m to all streams that want it; the lock is held.
func (e *Engine) send(m any) {
	for ch, wants := range e.streams {
		if wants(m) {
			ch <- m // deep enough for any test, see subscribe
		}
	}
}

func (c *Container) exposed() nat.PortSet {
	set := nat.PortSet{}
	for _, p := range c.Exposed {
		set[nat.Port(p)] = struct{}{}
	}
	return set
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// version is what clients put before every path, such as /v1.41.
var version = regexp.MustCompile(`^/v[0-9.]+/`)

func (e *Engine) handler() http.Handler {
	mux := e.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/" + strings.TrimPrefix(version.ReplaceAllString(r.URL.Path, "/"), "/")
		r.URL.RawPath = ""
		if r.URL.Path != "/_ping" && e.intercept(w, r.Method+" "+r.URL.Path) {
			return
		}
		mux.ServeHTTP(w, r)
	})
}
