package deis_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

// held is a scheduler whose attended commands run until they are let go, or
// their context ends.
type held struct {
	deis.Scheduler
	begun chan deis.Spec
	letGo chan int
}

func (h held) Attach(ctx context.Context, s deis.Spec, session deis.Session) (int, error) {
	if err := h.Create(ctx, s); err != nil {
		return 0, err
	}
	defer func() { _ = h.Destroy(context.WithoutCancel(ctx), s.Identity.UUID) }()
	h.begun <- s
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case code := <-h.letGo:
		return code, nil
	}
}

// ancient are states of containers that are hours old.
type ancient struct{ deis.Scheduler }

func (a ancient) States(ctx context.Context, app string) ([]deis.Status, error) {
	all, err := a.Scheduler.States(ctx, app)
	for i := range all {
		all[i].Started = all[i].Started.Add(-5 * time.Hour)
	}
	return all, err
}

func session() (deis.Session, *io.PipeWriter) {
	r, w := io.Pipe()
	return deis.Session{Stdin: r, Stdout: io.Discard, Stderr: io.Discard}, w
}

func TestAttach(t *testing.T) {
	p := newPlatform(t)
	n := p.needs()
	h := held{ancient{n.Scheduler}, make(chan deis.Spec, 1), make(chan int)}
	n.Scheduler = h
	c := deis.New(n)
	p.app(c, "demo", map[string]int{"web": 0})

	type result struct {
		code int
		err  error
	}
	ended := make(chan result, 1)
	attach := func(ctx context.Context) (deis.Spec, *io.PipeWriter) {
		s, typed := session()
		go func() {
			code, err := c.Attach(ctx, p.by, "demo", "bash -l", s)
			ended <- result{code, err}
		}()
		return <-h.begun, typed
	}
	spec, typed := attach(t.Context())
	if len(spec.Command) != 1 || spec.Command[0] != "bash -l" || spec.Identity.ID.Type != "run" {
		t.Errorf("%+v", spec)
	}
	if !p.logs.said("INFO [demo]: ann runs 'bash -l'") {
		t.Error("the app's log does not tell")
	}
	// However old it is, it is no leftover while somebody attends it.
	if apps, err := c.Divergent(t.Context()); err != nil || len(apps) > 0 {
		t.Error(apps, err)
	}
	h.letGo <- 7
	if r := <-ended; r.code != 7 || r.err != nil {
		t.Error(r)
	}
	if _, err := typed.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Error("the input is open:", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	attach(ctx)
	cancel()
	if r := <-ended; !errors.Is(r.err, context.Canceled) {
		t.Error(r)
	}
	if all, err := p.engine.States(t.Context(), "demo"); err != nil || len(all) > 0 {
		t.Error(all, err)
	}
}

// talker is a scheduler whose commands print without end.
type talker struct{ deis.Scheduler }

func (talker) Run(_ context.Context, _ deis.Spec, output io.Writer) (int, error) {
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range 20 {
		if n, err := output.Write(block); n != len(block) || err != nil {
			return 0, err
		}
	}
	return 3, nil
}

func TestRunKeepsTheFirstOutput(t *testing.T) {
	p := newPlatform(t)
	n := p.needs()
	n.Scheduler = talker{n.Scheduler}
	c := deis.New(n)
	p.app(c, "demo", map[string]int{"web": 0})
	code, output, err := c.Run(t.Context(), p.by, "demo", "yes")
	if code != 3 || len(output) != 8<<20 || err != nil {
		t.Errorf("%d and %d bytes: %v", code, len(output), err)
	}
}

func TestAttachRefused(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	eve, err := p.db.CreateUser(t.Context(), deis.User{Username: "eve"}, "hash")
	p.must(err)
	for _, x := range []struct {
		by           deis.User
		app, command string
		kind         deis.Kind
		part         string
	}{
		{p.by, "nothing", "ls", deis.NotFound, ""},
		{eve, "demo", "ls", deis.Forbidden, ""},
		{p.by, "demo", "", deis.Invalid, "blank"},
		{p.by, "demo", "ls", deis.Invalid, "No build associated with this release to run this command"},
	} {
		s, typed := session()
		_, err := c.Attach(t.Context(), x.by, x.app, x.command, s)
		p.kind(err, x.kind, x.part)
		if _, err := typed.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Error("the input is open:", err)
		}
	}
}

func TestFollowLogs(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	eve, err := p.db.CreateUser(t.Context(), deis.User{Username: "eve"}, "hash")
	p.must(err)
	_, err = c.FollowLogs(t.Context(), eve, "demo", deis.LogStart{})
	p.kind(err, deis.Forbidden)
	for lines, want := range map[int]string{-5: "demo from 0\n", 0: "demo from 0\n", 12: "demo from 12\n", 1 << 30: "demo from 10000\n"} {
		log, err := c.FollowLogs(t.Context(), p.by, "demo", deis.LogStart{Lines: lines})
		p.must(err)
		if b, err := io.ReadAll(log); err != nil || string(b) != want {
			t.Errorf("%q %v", b, err)
		}
	}
}
