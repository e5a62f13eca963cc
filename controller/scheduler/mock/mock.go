// Package mock is a scheduler in memory: for tests, and to try a controller
// without an engine. Containers run nothing unless their image has a program,
// so ten thousand of them cost only memory.
package mock

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler"
	"github.com/deis/deis/internal/jobid"
)

// restartPause lies between the end of a container's program and its next start.
const restartPause = 50 * time.Millisecond

// keptLines bounds what a container remembers of its output.
const keptLines = 1000

// Image is what containers are made of.
type Image struct {
	Exposed  bool               // it exposes a TCP port
	Entry    []string           // its entrypoint
	Programs map[string]Program // by path; a command whose first word is none cannot be run
}

// Program runs in a container until it returns its exit code; it must return
// when ctx ends.
type Program func(ctx context.Context, p Process) int

// Process is the surroundings of a Program.
type Process struct {
	Args []string // the first is the program's path
	Spec deis.Spec
	// Hostname is what the program's host is called.
	Hostname string
	Stdin    io.Reader // nil, but in Attach
	Stdout   io.Writer
	Stderr   io.Writer
	*Terminal
}

// hostname is the name that a container has inside.
func (b *box) hostname() string {
	switch b.spec.Hostname {
	case "":
		return b.status.Container[:12] // as the Engine does
	case deis.ServerHostname:
		return "mock"
	}
	return b.spec.Hostname
}

// Op is a call that can be made to fail.
type Op string

// The calls of Scheduler.
const (
	Create       Op = "create"
	Start        Op = "start"
	Stop         Op = "stop"
	Destroy      Op = "destroy"
	States       Op = "states"
	Run          Op = "run"
	Attach       Op = "attach"
	LastLines    Op = "last lines"
	RemoveImages Op = "remove images"
)

// Options of a Scheduler.
type Options struct {
	Tags   map[string]string // of the only host
	Images map[string]Image  // by digest; nil: every image exists, exposes a port and has no program
	// Fail, if set, is asked before every call; job is zero for calls that are
	// not about one container. It is called without locks.
	Fail func(op Op, job jobid.ID) error
	// Started, if set, is told of every start, without locks.
	Started func(deis.Status)
}

// Scheduler is a scheduler.Scheduler.
type Scheduler struct {
	opt Options

	mu         sync.Mutex
	containers map[string]*box   // by UUID
	jobs       map[jobid.ID]*box // the same but for one-off containers
	listeners  []*scheduler.Pending
	calls      map[Op]int
}

var _ scheduler.Scheduler = (*Scheduler)(nil)

// New makes a Scheduler without containers.
func New(opt Options) *Scheduler {
	return &Scheduler{opt: opt, containers: map[string]*box{}, jobs: map[jobid.ID]*box{}, calls: map[Op]int{}}
}

// Calls says how often each call was made.
func (s *Scheduler) Calls() map[Op]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// End makes a container without a program end by itself, as if it crashed with
// the exit code; it is started again at once.
func (s *Scheduler) End(uuid string, exitCode int) {
	s.mu.Lock()
	b := s.containers[uuid]
	if b == nil || b.status.State != deis.StateUp {
		s.mu.Unlock()
		return
	}
	b.status.ExitCode = exitCode
	b.status.Restarts++
	b.status.Started = time.Now()
	st := b.status
	s.changed(b)
	s.mu.Unlock()
	s.started(st)
}

// Close stops all programs and waits for their end.
func (s *Scheduler) Close() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.containers))
	s.mu.Unlock()
	for _, b := range all {
		b.halt()
	}
}

// Create is part of scheduler.Scheduler.
func (s *Scheduler) Create(_ context.Context, spec deis.Spec) error {
	if err := s.begin(Create, spec.Identity.ID); err != nil {
		return err
	}
	if err := scheduler.CheckTags(spec, s.opt.Tags); err != nil {
		return err
	}
	img, err := s.image(spec)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.containers[spec.Identity.UUID] != nil {
		s.mu.Unlock()
		return nil
	}
	leftover := s.jobs[spec.Identity.ID]
	if leftover != nil {
		delete(s.containers, leftover.spec.Identity.UUID)
	}
	b := newBox(spec, img)
	s.containers[spec.Identity.UUID], s.jobs[spec.Identity.ID] = b, b
	s.mu.Unlock()
	if leftover != nil {
		leftover.halt()
	}
	return nil
}

// Start is part of scheduler.Scheduler.
func (s *Scheduler) Start(_ context.Context, uuid string) error {
	b, err := s.one(Start, uuid)
	if err != nil {
		return err
	}
	if b == nil {
		return scheduler.Gone()
	}
	program, args, err := b.program()
	if err != nil {
		return err
	}
	s.mu.Lock()
	if b.status.State == deis.StateUp || b.status.State == deis.StateCrashed {
		s.mu.Unlock()
		return nil
	}
	b.status.State, b.status.Started, b.status.Restarts = deis.StateUp, time.Now(), 0
	if program != nil {
		b.begin(func(ctx context.Context) { s.supervise(ctx, b, program, args) })
	}
	st := b.status
	s.changed(b)
	s.mu.Unlock()
	s.started(st)
	return nil
}

// supervise runs a program again and again until ctx ends.
func (s *Scheduler) supervise(ctx context.Context, b *box, program Program, args []string) {
	for {
		code := program(ctx, Process{Args: args, Spec: b.spec, Hostname: b.hostname(), Stdout: b, Stderr: b})
		s.mu.Lock()
		if ctx.Err() != nil {
			s.mu.Unlock()
			return
		}
		b.status.State, b.status.ExitCode = deis.StateCrashed, code
		s.changed(b)
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartPause):
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			s.mu.Unlock()
			return
		}
		b.status.State, b.status.Started = deis.StateUp, time.Now()
		b.status.Restarts++
		st := b.status
		s.changed(b)
		s.mu.Unlock()
		s.started(st)
	}
}

// Stop is part of scheduler.Scheduler.
func (s *Scheduler) Stop(_ context.Context, uuid string) error {
	b, err := s.one(Stop, uuid)
	if err != nil || b == nil {
		return err
	}
	b.halt()
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.status.State != deis.StateCreated && b.status.State != deis.StateDown {
		b.status.State = deis.StateDown
		s.changed(b)
	}
	return nil
}

// Destroy is part of scheduler.Scheduler.
func (s *Scheduler) Destroy(_ context.Context, uuid string) error {
	b, err := s.one(Destroy, uuid)
	if err != nil || b == nil {
		return err
	}
	s.remove(b)
	return nil
}

func (s *Scheduler) remove(b *box) {
	b.halt()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.containers[b.status.UUID] != b {
		return
	}
	delete(s.containers, b.status.UUID)
	if s.jobs[b.status.Job] == b {
		delete(s.jobs, b.status.Job)
	}
	if b.status.State == deis.StateUp || b.status.State == deis.StateCrashed {
		s.changed(b)
	}
}

// States is part of scheduler.Scheduler.
func (s *Scheduler) States(_ context.Context, app string) ([]deis.Status, error) {
	if err := s.begin(States, jobid.ID{}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]deis.Status, 0, len(s.containers))
	for _, b := range s.containers {
		if app == "" || b.status.Job.App == app {
			all = append(all, b.status)
		}
	}
	return all, nil
}

// LastLines is part of scheduler.Scheduler.
func (s *Scheduler) LastLines(_ context.Context, uuid string, n int) ([]string, error) {
	b, err := s.one(LastLines, uuid)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, nil
	}
	return b.last(n), nil
}

// RemoveImages is part of scheduler.Scheduler; there is nothing to remove.
func (s *Scheduler) RemoveImages(ctx context.Context, _ string, keep func(context.Context) ([]string, error)) error {
	err := s.begin(RemoveImages, jobid.ID{})
	if err == nil && keep != nil {
		_, err = keep(ctx)
	}
	return err
}

// Changes is part of scheduler.Scheduler.
func (s *Scheduler) Changes(ctx context.Context) <-chan string {
	p := scheduler.NewPending()
	p.Gap()
	s.mu.Lock()
	s.listeners = append(s.listeners, p)
	s.mu.Unlock()
	out := make(chan string)
	go func() {
		defer close(out)
		p.Deliver(ctx, out)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listeners = slices.DeleteFunc(s.listeners, func(l *scheduler.Pending) bool { return l == p })
	}()
	return out
}

// changed tells listeners of b; the lock is held.
func (s *Scheduler) changed(b *box) {
	for _, l := range s.listeners {
		l.Add(b.status.Job.App)
	}
}

func (s *Scheduler) started(st deis.Status) {
	if s.opt.Started != nil {
		s.opt.Started(st)
	}
}

// begin counts a call and lets it fail if it should.
func (s *Scheduler) begin(op Op, job jobid.ID) error {
	s.mu.Lock()
	s.calls[op]++
	s.mu.Unlock()
	if s.opt.Fail != nil {
		return s.opt.Fail(op, job)
	}
	return nil
}

// one begins a call about one container, nil if it does not exist.
func (s *Scheduler) one(op Op, uuid string) (*box, error) {
	s.mu.Lock()
	b := s.containers[uuid]
	s.mu.Unlock()
	var job jobid.ID
	if b != nil {
		job = b.spec.Identity.ID
	}
	return b, s.begin(op, job)
}

func (s *Scheduler) image(spec deis.Spec) (Image, error) {
	if s.opt.Images == nil {
		return Image{Exposed: true}, nil
	}
	img, ok := s.opt.Images[spec.Image]
	if !ok {
		return Image{}, scheduler.Refused(spec.Identity.ID, nil, "cannot be created: its image %s does not exist", spec.Image)
	}
	return img, nil
}

func newBox(spec deis.Spec, img Image) *box {
	return &box{spec: spec, image: img, status: deis.Status{
		UUID: spec.Identity.UUID, Job: spec.Identity.ID, Container: strings.ReplaceAll(uuid.NewString(), "-", ""),
		State: deis.StateCreated, Started: time.Now(), Exposed: img.Exposed,
	}}
}

// box is a container. Its status is guarded by the Scheduler's lock.
type box struct {
	spec   deis.Spec
	image  Image
	status deis.Status

	mu     sync.Mutex
	cancel context.CancelFunc // ends the program, nil if none runs
	done   chan struct{}      // closed when it has ended
	lines  []string
	rest   string // of a line without end
}

// program is what the container runs, nil if its image has none.
func (b *box) program() (Program, []string, error) {
	entry := b.spec.Entrypoint
	if entry == nil {
		entry = b.image.Entry
	}
	args := slices.Concat(entry, b.spec.Command)
	if b.image.Programs == nil {
		return nil, args, nil
	}
	if len(args) > 0 && b.image.Programs[args[0]] != nil {
		return b.image.Programs[args[0]], args, nil
	}
	return nil, nil, scheduler.Refused(b.spec.Identity.ID, nil, "does not start: %s", fmt.Sprintf("%q: not found", args))
}

func (b *box) begin(run func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.cancel, b.done = cancel, done
	go func() {
		defer close(done)
		run(ctx)
	}()
}

// halt ends the program and waits for its end.
func (b *box) halt() {
	b.mu.Lock()
	cancel, done := b.cancel, b.done
	b.cancel = nil
	b.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (b *box) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := strings.Split(b.rest+string(p), "\n")
	b.rest = lines[len(lines)-1]
	b.lines = append(b.lines, lines[:len(lines)-1]...)
	if over := len(b.lines) - keptLines; over > 0 {
		b.lines = slices.Delete(b.lines, 0, over)
	}
	return len(p), nil
}

func (b *box) last(n int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines[max(0, len(b.lines)-n):])
}
