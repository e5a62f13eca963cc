package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/enginetest"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testConfig = Config{Platform: "test", Network: "test-apps", Registry: "127.0.0.1:5000"}

func newFake(t *testing.T) (*Scheduler, *enginetest.Engine) {
	e := enginetest.New(t)
	return New(testConfig, e.Client(), slog.New(slog.DiscardHandler)), e
}

func testSpec(num int) deis.Spec {
	return deis.Spec{Image: "sha256:" + strings.Repeat("a", 64), Identity: labels.Identity{
		UUID: fmt.Sprintf("uuid-%d", num), ID: jobid.ID{App: "demo", Version: 2, Type: "web", Num: num},
	}}
}

// reference is what the Engine knows testSpec's image as.
func reference() string { return testConfig.repository("demo") + "@" + testSpec(1).Image }

func detail(err error) string {
	var e *deis.Error
	if errors.As(err, &e) && e.Kind == deis.Unavailable {
		return e.Detail
	}
	return fmt.Sprintf("not fit for users: %v", err)
}

func TestCreatePullsOnceForAll(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := s.Create(t.Context(), testSpec(i+1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(e.Containers()); n != 20 {
		t.Errorf("%d containers", n)
	}
	// Whoever comes late may find the first pull over and begin another.
	if n := count(e.Calls(), "POST /images/create"); n == 0 || n >= 20 {
		t.Errorf("%d pulls", n)
	}
}

func TestImageThatVanishesIsPulledAgain(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	e.Fail("POST /containers/create", http.StatusNotFound, "No such image: "+reference(), 2)
	if err := s.Create(t.Context(), testSpec(1)); err != nil {
		t.Error(err)
	}
	e.Fail("POST /containers/create", http.StatusNotFound, "No such image: "+reference(), 100)
	if err := s.Create(t.Context(), testSpec(2)); !strings.Contains(detail(err), "again and again") {
		t.Error(err)
	}
}

func TestPullThatFails(t *testing.T) {
	s, e := newFake(t)
	err := s.Create(t.Context(), testSpec(1))
	want := fmt.Sprintf("web.1 cannot be created: its image %s cannot be pulled: manifest for %s not found: manifest unknown: manifest unknown.", testSpec(1).Image, reference())
	if detail(err) != want {
		t.Errorf("%s\nwant %s", detail(err), want)
	}
	if n := len(e.Containers()); n != 0 {
		t.Errorf("%d containers", n)
	}
}

func TestContainerThatDoesNotStart(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	if err := s.Create(t.Context(), testSpec(1)); err != nil {
		t.Fatal(err)
	}
	e.Fail("POST /containers/.*/start", http.StatusBadRequest, `failed to create shim task: OCI runtime create failed: unable to start container process: exec: "serve": not found: unknown`, 1)
	if err := s.Start(t.Context(), testSpec(1).Identity.UUID); detail(err) != `web.1 does not start: exec: "serve": not found.` {
		t.Error(err)
	}
}

func TestForeignContainerKeepsItsName(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	e.Add(enginetest.Container{Name: testConfig.planContainer(testSpec(1), false).Name, Image: reference()})
	if err := s.Create(t.Context(), testSpec(1)); detail(err) != "web.1 cannot be created: the name test.demo_v2.web.1 is taken by a container that is not the platform's." {
		t.Error(err)
	}
	if n := len(e.Containers()); n != 1 {
		t.Errorf("%d containers", n)
	}
}

func TestEngineAway(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	if err := s.Create(t.Context(), testSpec(1)); err != nil {
		t.Fatal(err)
	}
	e.Fail(".*", http.StatusInternalServerError, "containerd is not\nrunning.", 1_000_000)
	id := testSpec(1).Identity.UUID
	_, states := s.States(t.Context(), "")
	_, lines := s.LastLines(t.Context(), id, 3)
	_, run := s.Run(t.Context(), testSpec(2), nil)
	for what, err := range map[string]error{
		"create": s.Create(t.Context(), testSpec(2)), "start": s.Start(t.Context(), id), "stop": s.Stop(t.Context(), id),
		"destroy": s.Destroy(t.Context(), id), "images": s.RemoveImages(t.Context(), "demo", nil), "states": states, "lines": lines, "run": run,
	} {
		if d := detail(err); !strings.HasSuffix(d, ": containerd is not running.") {
			t.Errorf("%s: %s", what, d)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Start(ctx, id); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestStatesIsOneCallForWhatRunsUndisturbed(t *testing.T) {
	s, e := newFake(t)
	hour := time.Now().Add(-time.Hour)
	add := func(num int, c enginetest.Container) {
		c.Image, c.Name = fmt.Sprintf("%s-%d", reference(), num), fmt.Sprint(num)
		identity := testSpec(num).Identity
		identity.Platform = testConfig.Platform
		c.Labels = identity.Labels()
		e.Add(c)
	}
	for i := range 100 {
		add(i+1, enginetest.Container{Exposed: []string{"5000/tcp"}, Started: hour, Created: hour, Restarts: 3})
	}
	add(101, enginetest.Container{Exposed: []string{"53/udp"}, Started: hour, Created: hour})
	add(102, enginetest.Container{Exposed: []string{"5000/tcp"}, Restarts: 2, ExitCode: 9})
	add(103, enginetest.Container{Exposed: []string{"5000/tcp"}, State: "exited", ExitCode: 4, Started: hour})
	e.Add(enginetest.Container{Name: "component", Labels: map[string]string{labels.Platform: testConfig.Platform}})
	e.Add(enginetest.Container{Name: "nonsense", Labels: map[string]string{labels.Platform: testConfig.Platform, labels.Job: "x"}})

	look := func() (all map[string]deis.Status, inspections int) {
		before := len(e.Calls())
		list, err := s.States(t.Context(), "demo")
		if err != nil || len(list) != 103 {
			t.Fatalf("%d %v", len(list), err)
		}
		all = map[string]deis.Status{}
		for _, st := range list {
			all[st.UUID] = st
		}
		return all, len(e.Calls()) - before - 1
	}
	all, n := look()
	if n != 3 { // 101 since nobody knows its image yet
		t.Errorf("%d inspections", n)
	}
	for uuid, want := range map[string]deis.Status{
		"uuid-1":   {State: deis.StateUp, Exposed: true},
		"uuid-101": {State: deis.StateUp},
		"uuid-102": {State: deis.StateUp, Exposed: true, Restarts: 2, ExitCode: 9},
		"uuid-103": {State: deis.StateDown, Exposed: true, ExitCode: 4},
	} {
		got := all[uuid]
		if got.State != want.State || got.Exposed != want.Exposed || got.Restarts != want.Restarts || got.ExitCode != want.ExitCode || len(got.Container) != 64 {
			t.Errorf("%s: %+v", uuid, got)
		}
	}
	if _, n := look(); n != 2 {
		t.Errorf("%d inspections at the second look", n)
	}
}

func TestContainerGoneBetweenListAndInspection(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	if err := s.Create(t.Context(), testSpec(1)); err != nil {
		t.Fatal(err)
	}
	e.Fail("GET /containers/.*/json", http.StatusNotFound, "No such container", 1)
	if all, err := s.States(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
}

func TestRemovalUnderWay(t *testing.T) {
	s, e := newFake(t)
	e.Provide(reference())
	if err := s.Create(t.Context(), testSpec(1)); err != nil {
		t.Fatal(err)
	}
	e.Fail("DELETE /containers/", http.StatusConflict, "removal of container x is already in progress", 3)
	if err := s.Destroy(t.Context(), testSpec(1).Identity.UUID); err != nil {
		t.Error(err)
	}
	if n := len(e.Containers()); n != 0 {
		t.Errorf("%d containers", n)
	}
}

func TestChangesSurviveABrokenStream(t *testing.T) {
	s, e := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := s.Changes(ctx)
	next := func(want string) {
		t.Helper()
		select {
		case app := <-changes:
			if app != want {
				t.Fatalf("got %q, want %q", app, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%q did not come", want)
		}
	}
	next("")
	identity := testSpec(1).Identity
	identity.Platform = testConfig.Platform
	id := e.Add(enginetest.Container{Name: "a", Labels: identity.Labels()})
	e.Add(enginetest.Container{Name: "b", Labels: map[string]string{labels.Platform: "other", labels.Job: "x_v1.web.1", labels.App: "x"}})
	e.Die(id, "restarting", 1)
	next("demo")
	e.Disconnect()
	next("")
	e.Die(id, "exited", 1)
	next("demo")
	cancel()
	for range changes { // closed, or the test hangs
	}
}

func count(calls []string, call string) int {
	return len(slices.DeleteFunc(calls, func(c string) bool { return c != call }))
}

// BenchmarkStates is the Engine's part of a pass over 10,000 containers that
// run undisturbed.
func BenchmarkStates(b *testing.B) {
	e := enginetest.New(b)
	s := New(testConfig, e.Client(), slog.New(slog.DiscardHandler))
	hour := time.Now().Add(-time.Hour)
	for i := range 10_000 {
		identity := testSpec(i + 1).Identity
		identity.Platform = testConfig.Platform
		e.Add(enginetest.Container{Name: fmt.Sprint(i), Image: reference(), Labels: identity.Labels(), Exposed: []string{"5000/tcp"}, Started: hour, Created: hour})
	}
	for b.Loop() {
		if all, err := s.States(b.Context(), ""); err != nil || len(all) != 10_000 {
			b.Fatal(len(all), err)
		}
	}
}

// An image that comes after it was asked what to keep belongs to a release that
// was not known then.
func TestImageThatComesMeanwhile(t *testing.T) {
	s, e := newFake(t)
	old, young := testSpec(1), testSpec(2)
	young.Image = "sha256:" + strings.Repeat("b", 64)
	come := func(spec deis.Spec) {
		t.Helper()
		e.Provide(testConfig.repository("demo") + "@" + spec.Image)
		if err := errors.Join(s.Create(t.Context(), spec), s.Destroy(t.Context(), spec.Identity.UUID)); err != nil {
			t.Fatal(err)
		}
	}
	come(old)
	err := s.RemoveImages(t.Context(), "demo", func(context.Context) ([]string, error) {
		come(young)
		return nil, nil
	})
	if got := e.Images(); err != nil || len(got) != 1 || !strings.HasSuffix(got[0], young.Image) {
		t.Error(got, err)
	}
}
