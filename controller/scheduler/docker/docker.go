// Package docker runs app containers on the local Engine.
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
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"golang.org/x/sync/singleflight"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
)

const (
	pullTimeout    = 10 * time.Minute
	callTimeout    = 30 * time.Second
	cleanupTimeout = 30 * time.Second
	settled        = 2 * time.Minute // a container that has run so long is not asked for details
)

// Config is where containers run.
type Config struct {
	Platform string            // DEIS_NAME
	Network  string            // of app containers
	Registry string            // as the Engine reaches it
	HostTags map[string]string // what this host offers
}

// Scheduler implements scheduler.Scheduler.
type Scheduler struct {
	cfg    Config
	engine *engine.Client
	log    *slog.Logger
	pulls  singleflight.Group

	mu  sync.Mutex
	ids map[string]string // UUID to the Engine's id, as far as known
}

var _ scheduler.Scheduler = (*Scheduler)(nil)

// New makes a Scheduler on an Engine.
func New(cfg Config, e *engine.Client, log *slog.Logger) *Scheduler {
	return &Scheduler{cfg: cfg, engine: e, log: log, ids: map[string]string{}}
}

// Create makes a container (see scheduler.Scheduler).
func (s *Scheduler) Create(ctx context.Context, spec deis.Spec) error {
	_, err := s.create(ctx, spec, false)
	return err
}

func (s *Scheduler) create(ctx context.Context, spec deis.Spec, once bool) (id string, err error) {
	if tag := unmet(s.cfg.HostTags, spec.Tags); tag != "" {
		return "", deis.Errorf(deis.Unavailable, "No host has the tag %s.", tag)
	}
	p := s.cfg.planContainer(spec, once)
	if err := s.ensureImage(ctx, p.Config.Image); err != nil {
		return "", err
	}
	for range 2 {
		id, err = s.createNamed(ctx, p)
		if !engine.IsConflict(err) {
			break
		}
		// The name is taken: by this very container, or by a leftover.
		if id, err = s.clearName(ctx, p); id != "" || err != nil {
			break
		}
	}
	if err != nil {
		return "", engineError(p.Name+" could not be created", err)
	}
	s.remember(spec.Identity.UUID, id)
	return id, nil
}

func (s *Scheduler) createNamed(ctx context.Context, p plan) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := s.engine.ContainerCreate(ctx, p.Config, p.Host, p.Network, nil, p.Name)
	return resp.ID, err
}

// clearName looks at the container that has a plan's name. If it is the one
// that is wanted its id is returned; a leftover of this platform is removed.
func (s *Scheduler) clearName(ctx context.Context, p plan) (id string, err error) {
	c, err := s.engine.ContainerInspect(ctx, p.Name)
	if engine.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	switch l := c.Config.Labels; {
	case l[labels.Platform] != s.cfg.Platform:
		return "", fmt.Errorf("the name is taken by a container that is not the platform's")
	case l[labels.UUID] == p.Config.Labels[labels.UUID]:
		return c.ID, nil
	}
	return "", s.removeID(ctx, c.ID)
}

// ensureImage pulls an image that the Engine does not have, once for all who
// want it at the same time.
func (s *Scheduler) ensureImage(ctx context.Context, ref string) error {
	if _, err := s.engine.ImageInspect(ctx, ref); err == nil {
		return nil
	} else if !engine.IsNotFound(err) {
		return engineError("the Engine did not answer", err)
	}
	done := s.pulls.DoChan(ref, func() (any, error) {
		// Not the first caller's context: others wait for the same pull.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullTimeout)
		defer cancel()
		r, err := s.engine.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: s.engine.RegistryAuth(ref)})
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return nil, engine.Stream(r, io.Discard, nil)
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-done:
		if result.Err != nil {
			return &deis.Error{Kind: deis.Unavailable, Detail: "The release's image could not be pulled.", Err: result.Err}
		}
		return nil
	}
}

// Start starts a container (see scheduler.Scheduler).
func (s *Scheduler) Start(ctx context.Context, uuid string) error {
	id, err := s.find(ctx, uuid)
	if err != nil {
		return err
	}
	if id == "" {
		return deis.Errorf(deis.Unavailable, "The container is gone.")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = s.engine.ContainerStart(ctx, id, container.StartOptions{})
	if err != nil {
		if c, ierr := s.engine.ContainerInspect(ctx, id); ierr == nil && c.State.Paused {
			err = s.engine.ContainerUnpause(ctx, id)
		}
	}
	return engineError("the container could not be started", err)
}

// Stop stops a container (see scheduler.Scheduler).
func (s *Scheduler) Stop(ctx context.Context, uuid string) error {
	id, err := s.find(ctx, uuid)
	if err != nil || id == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopSeconds*time.Second+callTimeout)
	defer cancel()
	seconds := stopSeconds
	err = s.engine.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if engine.IsNotFound(err) {
		err = nil
	}
	return engineError("the container could not be stopped", err)
}

// Destroy removes a container (see scheduler.Scheduler).
func (s *Scheduler) Destroy(ctx context.Context, uuid string) error {
	id, err := s.find(ctx, uuid)
	if err != nil || id == "" {
		return err
	}
	if err := s.removeID(ctx, id); err != nil {
		return engineError("the container could not be removed", err)
	}
	s.mu.Lock()
	delete(s.ids, uuid)
	s.mu.Unlock()
	return nil
}

func (s *Scheduler) removeID(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := s.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if engine.IsNotFound(err) || engine.IsConflict(err) { // gone, or going
		return nil
	}
	return err
}

// find is the Engine's id of a container, empty if there is none.
func (s *Scheduler) find(ctx context.Context, uuid string) (string, error) {
	s.mu.Lock()
	id := s.ids[uuid]
	s.mu.Unlock()
	if id != "" {
		return id, nil
	}
	list, err := s.list(ctx, filters.Arg("label", labels.UUID+"="+uuid))
	if err != nil || len(list) == 0 {
		return "", err
	}
	s.remember(uuid, list[0].ID)
	return list[0].ID, nil
}

func (s *Scheduler) remember(uuid, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[uuid] = id
}

func (s *Scheduler) list(ctx context.Context, more ...filters.KeyValuePair) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	args := filters.NewArgs(append(more, filters.Arg("label", labels.Platform+"="+s.cfg.Platform), filters.Arg("label", labels.Job))...)
	list, err := s.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	return list, engineError("the Engine did not answer", err)
}

// States lists containers (see scheduler.Scheduler).
func (s *Scheduler) States(ctx context.Context, app string) ([]deis.Status, error) {
	var more []filters.KeyValuePair
	if app != "" {
		more = append(more, filters.Arg("label", labels.App+"="+app))
	}
	list, err := s.list(ctx, more...)
	if err != nil {
		return nil, err
	}
	out := make([]deis.Status, 0, len(list))
	for _, c := range list {
		id, ok, err := labels.Parse(c.Labels)
		if err != nil || !ok {
			s.log.Warn("container with labels that make no sense", "container", c.ID, "err", err)
			continue
		}
		st := deis.Status{UUID: id.UUID, Job: id.ID, Container: c.ID, State: state(c.State), Started: time.Unix(c.Created, 0)}
		if app != "" && (st.State != deis.StateUp || time.Since(st.Started) < settled) {
			if st, ok, err = s.detail(ctx, st); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		out = append(out, st)
	}
	return out, nil
}

// detail adds what only the Engine's own record of a container says; ok is
// false if the container has gone meanwhile.
func (s *Scheduler) detail(ctx context.Context, st deis.Status) (_ deis.Status, ok bool, err error) {
	c, err := s.engine.ContainerInspect(ctx, st.Container)
	if engine.IsNotFound(err) {
		return st, false, nil
	}
	if err != nil {
		return st, false, engineError("the Engine did not answer", err)
	}
	st.State = state(c.State.Status)
	st.ExitCode = c.State.ExitCode
	st.Restarts = c.RestartCount
	if t, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && !t.IsZero() {
		st.Started = t
	}
	for port := range c.Config.ExposedPorts {
		st.Exposed = st.Exposed || port.Proto() == "tcp"
	}
	return st, true, nil
}

// Run runs a one-off container (see scheduler.Scheduler).
func (s *Scheduler) Run(ctx context.Context, spec deis.Spec, output io.Writer) (int, error) {
	id, err := s.create(ctx, spec, true)
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := s.Destroy(ctx, spec.Identity.UUID); err != nil {
			s.log.Error("one-off container left", "container", id, "err", err)
		}
	}()
	stream, err := s.engine.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return 0, engineError("the command could not be run", err)
	}
	defer stream.Close()
	copied := make(chan error, 1)
	go func() { copied <- engine.Demultiplex(output, output, stream.Reader) }()
	waited, failed := s.engine.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := s.engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		stream.Close()
		<-copied
		return 0, &deis.Error{Kind: deis.Unavailable, Detail: "The command could not be run: " + startReason(err), Err: err}
	}
	select {
	case end := <-waited:
		<-copied // ends with the container's output
		return int(end.StatusCode), nil
	case err = <-failed:
	}
	stream.Close()
	<-copied
	if ctx.Err() != nil {
		return 0, deis.Errorf(deis.Unavailable, "The command took too long and was ended.")
	}
	return 0, engineError("the command could not be run", err)
}

// LastLines are a container's last lines (see scheduler.Scheduler).
func (s *Scheduler) LastLines(ctx context.Context, uuid string, n int) ([]string, error) {
	id, err := s.find(ctx, uuid)
	if err != nil || id == "" {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := s.engine.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if err != nil {
		return nil, engineError("the Engine did not answer", err)
	}
	defer r.Close()
	var text bytes.Buffer
	if err := engine.Demultiplex(&text, &text, io.LimitReader(r, 1<<20)); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return strings.FieldsFunc(text.String(), func(r rune) bool { return r == '\n' || r == '\r' }), nil
}

// RemoveImages removes an app's images (see scheduler.Scheduler).
func (s *Scheduler) RemoveImages(ctx context.Context, app string, keep []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	repository := s.cfg.repository(app)
	list, err := s.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return engineError("the Engine did not answer", err)
	}
	kept := make(map[string]bool, len(keep))
	for _, d := range keep {
		kept[repository+"@"+d] = true
	}
	for _, img := range list {
		refs := img.RepoDigests
		if keep == nil {
			refs = append(refs, img.RepoTags...) // also what the builder tagged
		}
		for _, ref := range refs {
			if kept[ref] || !strings.HasPrefix(ref, repository+"@") && !strings.HasPrefix(ref, repository+":") {
				continue
			}
			_, err := s.engine.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
			if err != nil && !engine.IsNotFound(err) && !engine.IsConflict(err) { // gone, or in use
				return engineError("an image could not be removed", err)
			}
		}
	}
	return nil
}

// engineError makes an Engine's failure fit for users; nil stays nil.
func engineError(what string, err error) error {
	var e *deis.Error
	if err == nil || errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return err
	}
	return &deis.Error{Kind: deis.Unavailable, Detail: "The scheduler failed: " + what + ": " + startReason(err) + ".", Err: err}
}

// startReason is the part of the Engine's words that a user can act on.
func startReason(err error) string {
	text := strings.TrimPrefix(err.Error(), "Error response from daemon: ")
	if _, after, ok := strings.Cut(text, "starting container process caused: "); ok {
		text = after
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(strings.TrimSuffix(text, ": unknown"), ".")
}
