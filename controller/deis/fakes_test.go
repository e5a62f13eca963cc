package deis_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/jobid"
)

// routes is etcd, a publisher and a router that follow at once.
type routes struct {
	mu        sync.Mutex
	revision  int64
	announced map[jobid.ID]int64  // to the revision
	withdrawn map[jobid.ID]string // to the container that is not announced again
	changed   chan struct{}
	bad       []jobid.ID     // ended while announced
	lowest    map[string]int // the fewest announced since watch, by app
	detail    string         // of failed checks
	check     func() string  // detail, if it changes
}

// announce does what the publisher does when a container has started.
func (r *routes) announce(st deis.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st.Job.Routable() && r.withdrawn[st.Job] != st.Container {
		r.revision++
		r.announced[st.Job] = r.revision
		r.change()
	}
}

// change wakes who waits; the lock is held.
func (r *routes) change() {
	close(r.changed)
	r.changed = make(chan struct{})
	for app, low := range r.lowest {
		count := 0
		for job := range r.announced {
			if job.App == app {
				count++
			}
		}
		r.lowest[app] = min(low, count)
	}
}

// watch notes the fewest containers that the routers know of the app.
func (r *routes) watch(app string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lowest = map[string]int{app: 1 << 30}
	r.change()
}

func (r *routes) fewest(app string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lowest[app]
}

// ended notes that a container is stopped, which routers must not know then.
func (r *routes) ended(job jobid.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.announced[job] != 0 {
		r.bad = append(r.bad, job)
		delete(r.announced, job)
		r.change()
	}
}

func (r *routes) violations() []jobid.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	bad := r.bad
	r.bad = nil
	return bad
}

func (r *routes) problem(app string, want []jobid.ID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for job := range r.announced {
		if job.App == app && !slices.Contains(want, job) {
			return fmt.Sprintf("%v is announced", job)
		}
	}
	for _, job := range want {
		if r.announced[job] == 0 {
			return fmt.Sprintf("%v is not announced", job)
		}
	}
	for job := range r.withdrawn {
		if job.App == app {
			return fmt.Sprintf("the withdrawal of %v stays", job)
		}
	}
	return ""
}

func (r *routes) Revision(context.Context) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revision, nil
}

func (r *routes) Announced(ctx context.Context, job jobid.ID, after int64) error {
	for {
		r.mu.Lock()
		ok, changed := r.announced[job] > after, r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (r *routes) CheckDetail(context.Context, jobid.ID) (string, error) {
	if r.check != nil {
		return r.check(), nil
	}
	return r.detail, nil
}

func (r *routes) Withdraw(_ context.Context, containers map[jobid.ID]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for job, id := range containers {
		delete(r.announced, job)
		r.withdrawn[job] = id
	}
	r.change()
	return nil
}

func (r *routes) Forget(_ context.Context, jobs []jobid.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, job := range jobs {
		delete(r.withdrawn, job)
	}
	return nil
}

// images makes digests of what an image would hold.
type images struct {
	release func(context.Context, deis.ReleaseImage) error

	mu      sync.Mutex
	last    deis.ReleaseImage
	tags    map[string][]int // versions, by app
	deleted map[string]bool
}

func (i *images) Release(ctx context.Context, in deis.ReleaseImage) (string, error) {
	if i.release != nil {
		if err := i.release(ctx, in); err != nil {
			return "", err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = in
	i.untag(in.App, in.Version)
	i.tags[in.App] = append(i.tags[in.App], in.Version)
	return fmt.Sprintf("sha256:%x", sha256.Sum256(fmt.Append(nil, in))), nil
}

func (i *images) untag(app string, version int) {
	i.tags[app] = slices.DeleteFunc(i.tags[app], func(v int) bool { return v == version })
}

func (i *images) Withdraw(_ context.Context, app string, version int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.untag(app, version)
	return nil
}

func (i *images) Ours(registry string) bool { return registry == "127.0.0.1:5000" }

func (i *images) Prune(context.Context, string, int) error { return nil }

func (i *images) Delete(_ context.Context, app string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.tags, app)
	i.deleted[app] = true
	return nil
}

func (i *images) gone(app string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.deleted[app]
}

type mirror struct{ update func() error }

func (m *mirror) Update(context.Context, ...deis.Part) error {
	if m.update != nil {
		return m.update()
	}
	return nil
}

func (*mirror) Answers(context.Context) error { return nil }

type logs struct {
	mu      sync.Mutex
	lines   []string
	deleted map[string]bool
}

func (l *logs) Tail(context.Context, string, int) ([]byte, error) { return nil, nil }

func (l *logs) Follow(_ context.Context, app string, from deis.LogStart) (deis.FollowedLog, error) {
	return deis.FollowedLog{ReadCloser: io.NopCloser(strings.NewReader(fmt.Sprintf("%s from %d\n", app, from.Lines)))}, nil
}

func (l *logs) Delete(_ context.Context, app string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deleted[app] = true
	return nil
}

func (l *logs) Event(level, app, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, level+" ["+app+"]: "+message)
}

func (l *logs) gone(app string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deleted[app]
}

// said says whether a line was written.
func (l *logs) said(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.lines, line)
}

// settings are the operator's; their value is the containers' unitHostname.
type settings string

func (settings) Domain() string           { return "example.com" }
func (settings) Subdomain() string        { return "deis" }
func (settings) RegistrationMode() string { return "enabled" }
func (s settings) UnitHostname() string   { return string(s) }
