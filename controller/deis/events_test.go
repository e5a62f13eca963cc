package deis_test

import (
	"context"
	"errors"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
)

// Whatever happens in an app's life is a line in its log, in Deis v1's words
// (spec section 3.9).
func TestEventsInTheLog(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	_, err := p.db.CreateUser(t.Context(), deis.User{Username: "bob"}, "hash")
	p.must(err)
	config := func(in deis.ConfigChange) error {
		_, _, err := c.SetConfig(t.Context(), p.by, "demo", in)
		return err
	}
	full := errors.New("full")
	for _, step := range []struct {
		what string
		do   func() error
		want []string
	}{
		{what: "create", do: func() error {
			id := "demo"
			_, err := c.CreateApp(t.Context(), p.by, deis.NewApp{ID: &id})
			return err
		}, want: []string{"INFO [demo]: ann created initial release"}},
		{what: "config without a build", do: func() error { return config(deis.ConfigChange{Values: map[string]any{"B": "1", "A": "2"}}) },
			want: []string{"INFO [demo]: ann added A, B", "INFO [demo]: No build associated with this release to publish"}},
		{what: "build", do: func() error {
			_, _, err := c.CreateBuild(t.Context(), p.by, "demo", build(0xabcdef0123456))
			return err
		}, want: []string{"INFO [demo]: ann deployed 0000000"}},
		{what: "pull", do: func() error {
			_, _, err := c.CreateBuild(t.Context(), p.by, "demo", deis.NewBuild{Image: "quay.io/team/tool:1", Procfile: map[string]any{"web": "serve", "worker": "work"}})
			return err
		}, want: []string{"INFO [demo]: ann deployed quay.io/team/tool:1"}},
		{what: "everything in one config", do: func() error {
			return config(deis.ConfigChange{
				Values: map[string]any{"A": "3", "B": nil, "C": "4"}, Memory: map[string]any{"web": "64M"}, CPU: map[string]any{"web": "512"}, Tags: map[string]any{"disk": nil},
			})
		}, want: []string{"INFO [demo]: ann added C, changed A, deleted B and ann changed limits for memory, cpu"}},
		{what: "nothing", do: func() error { return config(deis.ConfigChange{}) }, want: []string{"INFO [demo]: ann changed nothing"}},
		{what: "scale", do: func() error {
			return c.Scale(t.Context(), p.by, "demo", map[string]any{"worker": "1", "web": "2"})
		}, want: []string{"INFO [demo]: ann scaled containers web=2 worker=1"}},
		{what: "restart", do: func() error {
			_, err := c.Restart(context.WithoutCancel(t.Context()), p.by, "demo", "web", 0)
			return err
		}, want: []string{"INFO [demo]: ann restarted web.1 web.2"}},
		{what: "run", do: func() error {
			_, _, err := c.Run(context.WithoutCancel(t.Context()), p.by, "demo", "ls -l")
			return err
		}, want: []string{"INFO [demo]: ann runs 'ls -l'"}},
		{what: "rollback", do: func() error {
			_, err := c.Rollback(t.Context(), p.by, "demo", 3)
			return err
		}, want: []string{"INFO [demo]: ann rolled back to v3"}},
		{what: "domain", do: func() error {
			_, err := c.AddDomain(t.Context(), p.by, "demo", "www.example.org")
			return errors.Join(err, c.RemoveDomain(t.Context(), p.by, "demo", "www.example.org"))
		}, want: []string{"INFO [demo]: domain www.example.org added", "INFO [demo]: domain www.example.org removed"}},
		{what: "perms", do: func() error {
			return errors.Join(c.Share(t.Context(), p.by, "demo", "bob"), c.Unshare(t.Context(), p.by, "demo", "bob"))
		}, want: []string{"INFO [demo]: User bob was granted access to demo", "INFO [demo]: User bob was revoked access to demo"}},
		{what: "create fails", do: func() error {
			p.fail = failing(mock.Create, full)
			p.kind(c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "3"}), deis.Unavailable, "full")
			return nil
		}, want: []string{
			"ERROR [demo]: demo_v7.web.3 (create): web.3 could not be created: full", "ERROR [demo]: aborting, failed to create some containers",
			"ERROR [demo]: scaling failed: web.3 could not be created: full",
		}},
		{what: "start fails", do: func() error {
			p.fail = failing(mock.Start, full)
			p.kind(c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "3"}), deis.Unavailable, "full")
			return nil
		}, want: []string{
			"WARNING [demo]: demo_v7.web.3 (start): web.3 could not be started: full", "WARNING [demo]: warning, some containers failed to start",
			"ERROR [demo]: scaling failed: web.3 could not be started: full",
		}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		p.settle(c)
		p.fail = nil
		for _, line := range step.want {
			if !p.logs.said(line) {
				t.Errorf("%s: %q is not in the log", step.what, line)
			}
		}
		p.logs.forget()
	}
}

// forget empties the log.
func (l *logs) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

// The process type run is that of one-off containers.
func TestTypeRunIsReserved(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	in := build(1)
	in.Procfile["run"] = "x"
	_, _, err := c.CreateBuild(t.Context(), p.by, "demo", in)
	p.kind(err, deis.Invalid, "The process type run is reserved for `deis run`.")
	if _, n, err := p.db.Builds(t.Context(), "demo", all); n != 0 || err != nil {
		t.Error(n, err)
	}
}
