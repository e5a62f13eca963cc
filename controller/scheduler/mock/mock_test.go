package mock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/schedulertest"
	"github.com/deis/deis/controller/scheduler/schedulertest/program"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(ctx context.Context, p Process) int {
	q := program.Process{
		Args: p.Args[1:], Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr,
		Limits: func() (memory, cpu int64) { return p.Spec.Memory, p.Spec.CPU },
		Name:   func() string { return p.Hostname },
	}
	if p.Terminal != nil {
		q.Size = func() (rows, cols int) { return int(p.Size().Rows), int(p.Size().Cols) }
		q.Resized, q.Trap = p.Resized(), p.Trap
	}
	return program.Run(ctx, q)
}

func TestSuite(t *testing.T) {
	img := Image{Exposed: true, Entry: []string{program.Path}, Programs: map[string]Program{program.Path: run}}
	plain := img
	plain.Exposed = false
	s := New(Options{Tags: map[string]string{"disk": "ssd"}, Images: map[string]Image{"sha256:1": img, "sha256:2": plain}})
	t.Cleanup(s.Close)
	schedulertest.Run(t, schedulertest.Backend{
		Scheduler: s, Platform: "test", App: "demo", Exposed: "sha256:1", Plain: "sha256:2", Missing: "sha256:3", Hostname: "mock",
	})
}

func spec(num int) deis.Spec {
	return deis.Spec{Image: "sha256:1", Identity: labels.Identity{
		UUID: fmt.Sprint(num), ID: jobid.ID{App: fmt.Sprintf("app-%d", num%1000), Version: 1, Type: "web", Num: num + 1},
	}}
}

func TestTenThousandContainers(t *testing.T) {
	var started int
	s := New(Options{Started: func(deis.Status) { started++ }})
	const many = 10_000
	for i := range many {
		if err := s.Create(t.Context(), spec(i)); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := s.States(t.Context(), ""); err != nil || len(all) != many || started != many {
		t.Error(len(all), started, err)
	}
	if of, err := s.States(t.Context(), "app-7"); err != nil || len(of) != many/1000 {
		t.Error(len(of), err)
	}
}

func TestFailAndEnd(t *testing.T) {
	no := errors.New("no")
	s := New(Options{Fail: func(op Op, job jobid.ID) error {
		if op == Start && job.Num == 2 {
			return no
		}
		return nil
	}})
	for i := range 2 {
		if err := s.Create(t.Context(), spec(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(t.Context(), "0"); err != nil {
		t.Error(err)
	}
	if err := s.Start(t.Context(), "1"); !errors.Is(err, no) {
		t.Error(err)
	}
	s.End("0", 9)
	s.End("1", 9) // does not run
	all, err := s.States(t.Context(), "app-0")
	if err != nil || len(all) != 1 || all[0].Restarts != 1 || all[0].ExitCode != 9 || all[0].State != deis.StateUp {
		t.Errorf("%+v %v", all, err)
	}
	if calls := s.Calls(); calls[Create] != 2 || calls[Start] != 2 || calls[States] != 1 {
		t.Error(calls)
	}
	if code, err := s.Run(t.Context(), spec(3), io.Discard); code != 0 || err != nil {
		t.Error(code, err)
	}
}
