package enginetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/stdcopy"
)

// backlog is how many messages a stream may lag behind.
const backlog = 10_000

// line is what a container printed.
type line struct {
	container string
	stream    byte
	text      string
	at        time.Time
}

func (e *Engine) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("API-Version", "1.41") })
	mux.HandleFunc("GET /containers/json", e.list)
	mux.HandleFunc("POST /containers/create", e.create)
	mux.HandleFunc("GET /containers/{id}/json", e.with(e.inspect))
	mux.HandleFunc("GET /containers/{id}/logs", e.with(e.logs))
	mux.HandleFunc("POST /containers/{id}/start", e.with(e.start))
	mux.HandleFunc("POST /containers/{id}/stop", e.with(e.stop))
	mux.HandleFunc("POST /containers/{id}/attach", e.with(e.attach))
	mux.HandleFunc("POST /containers/{id}/wait", e.with(e.wait))
	mux.HandleFunc("POST /containers/{id}/resize", e.with(e.resize))
	mux.HandleFunc("POST /containers/{id}/kill", e.with(e.kill))
	mux.HandleFunc("GET /containers/{id}/top", e.with(e.top))
	mux.HandleFunc("DELETE /containers/{id}", e.with(e.remove))
	mux.HandleFunc("GET /events", e.events)
	mux.HandleFunc("GET /images/json", e.listImages)
	mux.HandleFunc("POST /images/create", e.pull)
	mux.HandleFunc("GET /images/{ref...}", e.inspectImage)
	mux.HandleFunc("DELETE /images/{ref...}", e.removeImage)
	return mux
}

// with looks the container up.
func (e *Engine) with(h func(http.ResponseWriter, *http.Request, *Container)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		e.mu.Lock()
		c := e.find(id)
		e.mu.Unlock()
		if c == nil {
			fail(w, http.StatusNotFound, "No such container: "+id)
			return
		}
		h(w, r, c)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func wanted(r *http.Request) filters.Args {
	args, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		return filters.NewArgs()
	}
	return args
}

func (e *Engine) list(w http.ResponseWriter, r *http.Request) {
	args, all := wanted(r), r.URL.Query().Get("all") == "1"
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []container.Summary{}
	for _, c := range e.containers {
		if !all && c.State != container.StateRunning || !args.MatchKVList("label", c.Labels) {
			continue
		}
		s := container.Summary{ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Image, ImageID: "id of " + c.Image, Labels: c.Labels, State: c.State, Created: c.Created.Unix()}
		switch c.State {
		case container.StateRunning:
			s.Status = "Up 2 hours"
			if up := time.Since(c.Started); up < time.Minute {
				s.Status = fmt.Sprintf("Up %d seconds", int(up.Seconds()))
			}
			for port := range c.exposed() {
				s.Ports = append(s.Ports, container.Port{PrivatePort: uint16(port.Int()), Type: port.Proto()})
			}
		default:
			s.Status = fmt.Sprintf("Exited (%d) 2 hours ago", c.ExitCode)
		}
		out = append(out, s)
	}
	answer(w, http.StatusOK, out)
}

func (e *Engine) create(w http.ResponseWriter, r *http.Request) {
	var body container.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	name := r.URL.Query().Get("name")
	switch {
	case !e.images[body.Image]:
		fail(w, http.StatusNotFound, "No such image: "+body.Image)
	case e.find(name) != nil:
		fail(w, http.StatusConflict, fmt.Sprintf("Conflict. The container name %q is already in use.", "/"+name))
	default:
		c := e.add(Container{Name: name, Image: body.Image, Labels: body.Labels, State: container.StateCreated, Config: body.Config, Host: body.HostConfig})
		answer(w, http.StatusCreated, container.CreateResponse{ID: c.ID})
	}
}

func (e *Engine) inspect(w http.ResponseWriter, _ *http.Request, c *Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	state := &container.State{Status: c.State, Running: c.State == container.StateRunning, ExitCode: c.ExitCode, StartedAt: c.Started.Format(time.RFC3339Nano)}
	answer(w, http.StatusOK, container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: c.ID, Name: "/" + c.Name, Image: c.Image, RestartCount: c.Restarts, State: state, Created: c.Created.Format(time.RFC3339Nano), HostConfig: c.Host},
		Config:            &container.Config{Image: c.Image, Labels: c.Labels, ExposedPorts: c.exposed()},
		NetworkSettings:   &container.NetworkSettings{},
	})
}

func (e *Engine) start(w http.ResponseWriter, _ *http.Request, c *Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.State == container.StateRunning {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	c.State, c.Started, c.Restarts = container.StateRunning, time.Now(), 0
	e.tell(c, events.ActionStart)
	e.begin(c)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) stop(w http.ResponseWriter, _ *http.Request, c *Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.State != container.StateRunning {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	c.State = container.StateExited
	e.tell(c, events.ActionDie)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) remove(w http.ResponseWriter, r *http.Request, c *Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.State == container.StateRunning && r.URL.Query().Get("force") != "1" {
		fail(w, http.StatusConflict, "You cannot remove a running container "+c.ID)
		return
	}
	e.containers = slices.DeleteFunc(e.containers, func(o *Container) bool { return o == c })
	e.tell(c, events.ActionDestroy)
	if c.attached != nil {
		c.attached.remove()
	}
	w.WriteHeader(http.StatusNoContent)
}

// subscribe opens a stream of what wants says yes to, and sends with write
// until the client or the test ends it.
func (e *Engine) subscribe(w http.ResponseWriter, r *http.Request, wants func(any) bool, write func(any) error) {
	e.mu.Lock()
	ch, broken := make(chan any, backlog), e.broken
	e.streams[ch] = wants
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.streams, ch)
	}()
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-broken:
			panic(http.ErrAbortHandler)
		case m := <-ch:
			if write(m) != nil || flush.Flush() != nil {
				return
			}
		}
	}
}

func (e *Engine) events(w http.ResponseWriter, r *http.Request) {
	args := wanted(r)
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	e.subscribe(w, r, func(m any) bool {
		ev, ok := m.(events.Message)
		return ok && args.MatchKVList("label", ev.Actor.Attributes) && (!args.Contains("event") || args.ExactMatch("event", string(ev.Action)))
	}, func(m any) error { return enc.Encode(m) })
}

func (e *Engine) logs(w http.ResponseWriter, r *http.Request, c *Container) {
	q := r.URL.Query()
	show := func(l line) error {
		text := l.text + "\n"
		if q.Get("timestamps") == "1" {
			text = l.at.UTC().Format(time.RFC3339Nano) + " " + text
		}
		_, err := io.WriteString(stdcopy.NewStdWriter(w, stdcopy.StdType(l.stream)), text)
		return err
	}
	e.mu.Lock()
	lines := slices.Clone(c.lines)
	e.mu.Unlock()
	if n, err := strconv.Atoi(q.Get("tail")); err == nil {
		lines = lines[max(0, len(lines)-n):]
	}
	for _, l := range lines {
		if show(l) != nil {
			return
		}
	}
	if q.Get("follow") == "1" {
		e.subscribe(w, r, func(m any) bool { l, ok := m.(line); return ok && l.container == c.ID }, func(m any) error { return show(m.(line)) })
	}
}

func (e *Engine) listImages(w http.ResponseWriter, r *http.Request) {
	pattern := wanted(r).Get("reference")
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []image.Summary{}
	for ref := range e.images {
		repository, _, digest := strings.Cut(ref, "@")
		s := image.Summary{ID: "id of " + ref}
		if digest {
			s.RepoDigests = []string{ref}
		} else {
			s.RepoTags = []string{ref}
			repository = ref[:strings.LastIndex(ref, ":")]
		}
		if len(pattern) == 0 || slices.Contains(pattern, repository) {
			out = append(out, s)
		}
	}
	answer(w, http.StatusOK, out)
}

func (e *Engine) pull(w http.ResponseWriter, r *http.Request) {
	ref := r.URL.Query().Get("fromImage")
	if tag := r.URL.Query().Get("tag"); strings.HasPrefix(tag, "sha256:") {
		ref += "@" + tag
	} else if tag != "" {
		ref += ":" + tag
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.pullable[ref] {
		fail(w, http.StatusNotFound, "manifest for "+ref+" not found: manifest unknown: manifest unknown")
		return
	}
	e.images[ref] = true
	answer(w, http.StatusOK, map[string]string{"status": "Pulled"})
}

func (e *Engine) inspectImage(w http.ResponseWriter, r *http.Request) {
	ref := strings.TrimSuffix(r.PathValue("ref"), "/json")
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.images[ref] {
		fail(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	answer(w, http.StatusOK, map[string]any{"Id": "id of " + ref})
}

func (e *Engine) removeImage(w http.ResponseWriter, r *http.Request) {
	ref := r.PathValue("ref")
	e.mu.Lock()
	defer e.mu.Unlock()
	switch used := slices.ContainsFunc(e.containers, func(c *Container) bool { return c.Image == ref }); {
	case !e.images[ref]:
		fail(w, http.StatusNotFound, "No such image: "+ref)
	case used:
		fail(w, http.StatusConflict, "conflict: unable to delete "+ref+": container is using it")
	default:
		delete(e.images, ref)
		answer(w, http.StatusOK, []any{})
	}
}
