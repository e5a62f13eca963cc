// Package schedulertest is the suite that every scheduler backend passes.
package schedulertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

// patience bounds every wait of the suite.
const patience = time.Minute

// Backend is a scheduler under test. Its host has the tag disk=ssd.
type Backend struct {
	Scheduler scheduler.Scheduler
	Platform  string
	App       string // whose repository has the images below
	Exposed   string // digest of an image of package program that exposes 5000/tcp
	Plain     string // the same without a port
	Missing   string // digest that no registry has
	Hostname  string // of the host
}

// suite is one test's view of a Backend.
type suite struct {
	*testing.T
	Backend
	num int
}

// Run runs the suite. It leaves no container of the platform behind, and fails
// if the backend does.
func Run(t *testing.T, b Backend) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"CreateIsIdempotent", testCreate},
		{"StartStopStart", testStartStop},
		{"Destroy", testDestroy},
		{"StatesOfMany", testStates},
		{"RestartsWhatEnds", testRestart},
		{"CommandThatCannotRun", testBadCommand},
		{"Changes", testChanges},
		{"LastLines", testLastLines},
		{"Limits", testLimits},
		{"Hostname", testHostname},
		{"Tags", testTags},
		{"LeftoverWithTheName", testLeftover},
		{"MissingImage", testMissingImage},
		{"RemoveImages", testRemoveImages},
		{"Run", testRun},
		{"RunCancelled", testRunCancelled},
		{"RunWithBrokenOutput", testRunBrokenOutput},
		{"RunRefused", testRunRefused},
		{"AttachInput", testAttachInput},
		{"AttachTerminal", testAttachTerminal},
		{"AttachSignals", testAttachSignals},
		{"AttachEarlySignal", testAttachEarlySignal},
		{"AttachOutputThatNobodyTakes", testAttachBackpressure},
		{"AttachCancelled", testAttachCancelled},
		{"AttachWithBrokenOutput", testAttachBrokenOutput},
		{"AttachRefused", testAttachRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &suite{T: t, Backend: b}
			t.Cleanup(s.clean)
			test.run(s)
		})
	}
}

// clean destroys what a test has left on purpose.
func (s *suite) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	left, err := s.Scheduler.States(ctx, "")
	if err != nil {
		s.Error(err)
	}
	for _, st := range left {
		if err := s.Scheduler.Destroy(ctx, st.UUID); err != nil {
			s.Error(err)
		}
	}
	if left, err := s.Scheduler.States(ctx, ""); err != nil || len(left) != 0 {
		s.Errorf("left: %v %v", left, err)
	}
}

// spec asks for a container of a process type that runs the program with args.
func (s *suite) spec(processType string, args ...string) deis.Spec {
	s.num++
	return deis.Spec{
		Identity: labels.Identity{
			Platform: s.Platform, UUID: uuid.NewString(),
			ID: jobid.ID{App: s.App, Version: 2, Type: processType, Num: s.num},
		},
		Image:   s.Exposed,
		Command: args,
		Memory:  64 << 20,
	}
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// create creates a container and starts it if asked to.
func (s *suite) create(spec deis.Spec, start bool) string {
	s.Helper()
	s.must(s.Scheduler.Create(s.Context(), spec))
	if start {
		s.must(s.Scheduler.Start(s.Context(), spec.Identity.UUID))
	}
	return spec.Identity.UUID
}

// status finds one container.
func (s *suite) status(uuid string) (deis.Status, bool) {
	s.Helper()
	all, err := s.Scheduler.States(s.Context(), s.App)
	s.must(err)
	for _, st := range all {
		if st.UUID == uuid {
			return st, true
		}
	}
	return deis.Status{}, false
}

func (s *suite) expect(uuid string, want deis.State) deis.Status {
	s.Helper()
	st, ok := s.status(uuid)
	if !ok || st.State != want {
		s.Fatalf("state is %q (exists: %v), want %q", st.State, ok, want)
	}
	return st
}

// await waits until ok is true.
func (s *suite) await(what string, ok func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if err := retry.Until(ctx, 20*time.Millisecond, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		s.Fatalf("never: %s", what)
	}
}

// sentence fails the test unless err is one sentence for a user, of that kind.
func (s *suite) sentence(err error, kind deis.Kind, part string) {
	s.Helper()
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != kind {
		s.Fatalf("error is %v, want one of kind %d", err, kind)
	}
	if strings.Contains(e.Detail, "\n") || !strings.HasSuffix(e.Detail, ".") || !strings.Contains(e.Detail, part) {
		s.Errorf("%q is not one sentence with %q", e.Detail, part)
	}
}

func testCreate(s *suite) {
	spec := s.spec("web", "serve")
	id := s.create(spec, false)
	first := s.expect(id, deis.StateCreated)
	if first.Job != spec.Identity.ID || first.Container == "" || !first.Exposed || time.Since(first.Started) > patience {
		s.Errorf("%+v", first)
	}
	s.create(spec, false)
	if again := s.expect(id, deis.StateCreated); again.Container != first.Container {
		s.Error("a second Create made another container")
	}
	s.must(s.Scheduler.Start(s.Context(), id))
	s.create(spec, false)
	if again := s.expect(id, deis.StateUp); again.Container != first.Container || !again.Exposed {
		s.Errorf("Create touched a running container: %+v", again)
	}
	plain := s.spec("worker", "serve")
	plain.Image = s.Plain
	if st := s.expect(s.create(plain, true), deis.StateUp); st.Exposed {
		s.Error("an image without a port counts as exposed")
	}
}

func testStartStop(s *suite) {
	s.sentence(s.Scheduler.Start(s.Context(), uuid.NewString()), deis.Unavailable, "gone")
	s.must(s.Scheduler.Stop(s.Context(), uuid.NewString()))

	id := s.create(s.spec("web", "serve"), false)
	s.must(s.Scheduler.Stop(s.Context(), id)) // not running: nothing to do
	for range 2 {
		s.must(s.Scheduler.Start(s.Context(), id))
		st := s.expect(id, deis.StateUp)
		if st.Restarts != 0 || st.Started.IsZero() || time.Since(st.Started) > patience {
			s.Errorf("%+v", st)
		}
		s.must(s.Scheduler.Start(s.Context(), id))
		s.expect(id, deis.StateUp)
		s.must(s.Scheduler.Stop(s.Context(), id))
		s.expect(id, deis.StateDown)
		s.must(s.Scheduler.Stop(s.Context(), id))
		s.expect(id, deis.StateDown)
	}
}

func testDestroy(s *suite) {
	s.must(s.Scheduler.Destroy(s.Context(), uuid.NewString()))
	for _, start := range []bool{false, true} {
		id := s.create(s.spec("web", "serve"), start)
		for range 2 {
			s.must(s.Scheduler.Destroy(s.Context(), id))
			if st, ok := s.status(id); ok {
				s.Errorf("still there: %+v", st)
			}
		}
	}
}

func testStates(s *suite) {
	var up []string
	for range 3 {
		up = append(up, s.create(s.spec("web", "serve"), true))
	}
	created := s.create(s.spec("worker", "serve"), false)
	for app, want := range map[string]int{s.App: 4, "": 4, s.App + "-2": 0, "a": 0} {
		all, err := s.Scheduler.States(s.Context(), app)
		if err != nil || len(all) != want {
			s.Errorf("app %q: %d containers, want %d: %v", app, len(all), want, err)
		}
	}
	for _, id := range up {
		s.expect(id, deis.StateUp)
	}
	s.expect(created, deis.StateCreated)
}

func testRestart(s *suite) {
	id := s.create(s.spec("worker", "exit", "3"), true)
	s.await("five restarts", func() bool { // of which the controller makes a crash
		st, ok := s.status(id)
		return ok && st.Restarts >= 5 && st.ExitCode == 3
	})
	s.await("seen between two starts", func() bool {
		st, ok := s.status(id)
		return ok && st.State == deis.StateCrashed
	})
	s.must(s.Scheduler.Stop(s.Context(), id))
	s.expect(id, deis.StateDown)
	s.must(s.Scheduler.Start(s.Context(), id))
	s.await("restart after Start", func() bool {
		st, ok := s.status(id)
		return ok && st.Restarts >= 1
	})
	s.must(s.Scheduler.Destroy(s.Context(), id))
}

func testBadCommand(s *suite) {
	spec := s.spec("web", "serve")
	spec.Entrypoint = []string{"/no-such-program"}
	id := s.create(spec, false)
	s.sentence(s.Scheduler.Start(s.Context(), id), deis.Unavailable, "web.1 does not start: ")
	if st, ok := s.status(id); !ok || st.State == deis.StateUp {
		s.Errorf("%+v %v", st, ok)
	}
}

func testChanges(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	changes := s.Scheduler.Changes(ctx)
	next := func(want string) {
		s.Helper()
		select {
		case app, ok := <-changes:
			if !ok || app != want {
				s.Fatalf("got %q (%v), want %q", app, ok, want)
			}
		case <-time.After(patience):
			s.Fatalf("%q did not come", want)
		}
	}
	next("")
	s.must(s.Scheduler.Destroy(s.Context(), s.create(s.spec("web", "serve"), true)))
	next(s.App)
	s.create(s.spec("worker", "exit", "1"), true)
	next(s.App)
	cancel()
	s.await("the channel is closed", func() bool {
		select {
		case _, ok := <-changes:
			return !ok
		default:
			return false
		}
	})
}

func testLastLines(s *suite) {
	if lines, err := s.Scheduler.LastLines(s.Context(), uuid.NewString(), 3); err != nil || len(lines) != 0 {
		s.Errorf("%q %v", lines, err)
	}
	id := s.create(s.spec("web", "lines", "50"), false)
	if lines, err := s.Scheduler.LastLines(s.Context(), id, 3); err != nil || len(lines) != 0 {
		s.Errorf("%q %v", lines, err)
	}
	s.must(s.Scheduler.Start(s.Context(), id))
	s.await("the last lines", func() bool {
		lines, err := s.Scheduler.LastLines(s.Context(), id, 3)
		s.must(err)
		return slices.Equal(lines, []string{"line 48", "line 49", "line 50"})
	})
	id = s.create(s.spec("web", "exit", "1"), true)
	s.await("both streams", func() bool {
		lines, err := s.Scheduler.LastLines(s.Context(), id, 100)
		s.must(err)
		return slices.Contains(lines, "out") && slices.Contains(lines, "err")
	})
}

func testLimits(s *suite) {
	spec := s.spec("web", "limits")
	spec.Memory, spec.CPU = 96<<20, 512
	id := s.create(spec, true)
	s.await("limits applied", func() bool {
		lines, err := s.Scheduler.LastLines(s.Context(), id, 100)
		s.must(err)
		return slices.Contains(lines, fmt.Sprintf("memory=%d cpu=512", 96<<20))
	})
}

func testHostname(s *suite) {
	for asked, want := range map[string]string{"demo.v2.web.1": "demo.v2.web.1", deis.ServerHostname: s.Hostname} {
		spec := s.spec("web", "name")
		spec.Hostname = asked
		id := s.create(spec, true)
		s.await("a host that is called "+want, func() bool {
			lines, err := s.Scheduler.LastLines(s.Context(), id, 1)
			s.must(err)
			return slices.Equal(lines, []string{"name=" + want})
		})
	}
}

func testTags(s *suite) {
	spec := s.spec("web", "serve")
	spec.Tags = map[string]string{"disk": "ssd"}
	s.expect(s.create(spec, true), deis.StateUp)

	spec = s.spec("web", "serve")
	spec.Tags = map[string]string{"disk": "hdd"}
	s.sentence(s.Scheduler.Create(s.Context(), spec), deis.Unavailable, "disk=hdd")
	if st, ok := s.status(spec.Identity.UUID); ok {
		s.Errorf("created all the same: %+v", st)
	}
}

func testLeftover(s *suite) {
	spec := s.spec("web", "serve")
	old := s.create(spec, true)
	spec.Identity.UUID = uuid.NewString()
	now := s.create(spec, true)
	if _, ok := s.status(old); ok {
		s.Error("the leftover stays")
	}
	s.expect(now, deis.StateUp)
}

func testMissingImage(s *suite) {
	spec := s.spec("web", "serve")
	spec.Image = s.Missing
	s.sentence(s.Scheduler.Create(s.Context(), spec), deis.Unavailable, "web.1 ")
	if st, ok := s.status(spec.Identity.UUID); ok {
		s.Errorf("created all the same: %+v", st)
	}
}

func testRemoveImages(s *suite) {
	spec := s.spec("web", "serve")
	id := s.create(spec, true)
	s.must(s.Scheduler.RemoveImages(s.Context(), s.App, nil)) // in use: stays
	s.expect(id, deis.StateUp)
	s.must(s.Scheduler.Destroy(s.Context(), id))
	s.must(s.Scheduler.RemoveImages(s.Context(), s.App, func(context.Context) ([]string, error) { return []string{s.Exposed}, nil }))
	lost := errors.New("who knows")
	if err := s.Scheduler.RemoveImages(s.Context(), s.App, func(context.Context) ([]string, error) { return nil, lost }); !errors.Is(err, lost) {
		s.Errorf("images are removed though nobody knows which: %v", err)
	}
	for range 2 {
		s.must(s.Scheduler.RemoveImages(s.Context(), s.App, nil))
	}
	s.expect(s.create(spec, true), deis.StateUp) // fetched again
}

// output is a Run's output that a test may look at meanwhile.
type output struct {
	bytes.Buffer
	written func()
	err     error
}

func (o *output) Write(p []byte) (int, error) {
	if o.written != nil {
		defer o.written()
	}
	if o.err != nil {
		return 0, o.err
	}
	return o.Buffer.Write(p)
}

func (s *suite) nothingLeft(spec deis.Spec) {
	s.Helper()
	if st, ok := s.status(spec.Identity.UUID); ok {
		s.Errorf("left behind: %+v", st)
	}
}

func testRun(s *suite) {
	spec := s.spec("run", "exit", "7")
	var out output
	code, err := s.Scheduler.Run(s.Context(), spec, &out)
	if err != nil || code != 7 {
		s.Errorf("exit code %d, %v", code, err)
	}
	if lines := strings.Fields(out.String()); !slices.Contains(lines, "out") || !slices.Contains(lines, "err") || len(lines) != 2 {
		s.Errorf("output %q", out.String())
	}
	s.nothingLeft(spec)

	spec = s.spec("run", "say", `it's "1" $HOME`, "b c")
	spec.Entrypoint, spec.Command = append([]string{"/program"}, spec.Command[:1]...), spec.Command[1:]
	out = output{}
	if code, err := s.Scheduler.Run(s.Context(), spec, &out); err != nil || code != 0 || out.String() != `[it's "1" $HOME][b c]`+"\n" {
		s.Errorf("%d %v %q", code, err, out.String())
	}

	spec = s.spec("run", "limits")
	spec.Memory, spec.CPU = 80<<20, 256
	out = output{}
	if code, err := s.Scheduler.Run(s.Context(), spec, &out); err != nil || code != 0 || out.String() != fmt.Sprintf("memory=%d cpu=256\n", 80<<20) {
		s.Errorf("%d %v %q", code, err, out.String())
	}
	s.nothingLeft(spec)
}

func testRunCancelled(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	spec := s.spec("run", "serve")
	var seen bool
	out := output{written: func() {
		_, seen = s.status(spec.Identity.UUID)
		cancel()
	}}
	if _, err := s.Scheduler.Run(ctx, spec, &out); !errors.Is(err, context.Canceled) {
		s.Errorf("error is %v", err)
	}
	if !seen {
		s.Error("not among the states while it ran")
	}
	s.nothingLeft(spec)

	ctx, cancel = context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	spec = s.spec("run", "serve")
	_, err := s.Scheduler.Run(ctx, spec, &output{})
	s.sentence(err, deis.Unavailable, "in time")
	s.nothingLeft(spec)
}

func testRunBrokenOutput(s *suite) {
	broken := errors.New("no more room")
	spec := s.spec("run", "serve")
	if _, err := s.Scheduler.Run(s.Context(), spec, &output{err: broken}); !errors.Is(err, broken) {
		s.Errorf("error is %v", err)
	}
	s.nothingLeft(spec)
}

func testRunRefused(s *suite) {
	spec := s.spec("run", "serve")
	spec.Entrypoint = []string{"/bin/no-bash", "-c"}
	_, err := s.Scheduler.Run(s.Context(), spec, &output{})
	s.sentence(err, deis.Unavailable, "does not start: ")
	s.nothingLeft(spec)

	spec = s.spec("run", "serve")
	spec.Tags = map[string]string{"gpu": "1"}
	_, err = s.Scheduler.Run(s.Context(), spec, &output{})
	s.sentence(err, deis.Unavailable, "gpu=1")

	spec = s.spec("run", "serve")
	spec.Image = s.Missing
	_, err = s.Scheduler.Run(s.Context(), spec, &output{})
	s.sentence(err, deis.Unavailable, "run.")
	s.nothingLeft(spec)
}
