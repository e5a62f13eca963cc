package deis_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/labels"
)

func health(path, delay, timeout string) deis.ConfigChange {
	values := map[string]any{"HEALTHCHECK_URL": path}
	if delay != "" {
		values["HEALTHCHECK_INITIAL_DELAY"] = delay
	}
	if timeout != "" {
		values["HEALTHCHECK_TIMEOUT"] = timeout
	}
	return deis.ConfigChange{Values: values}
}

// What users set is what the containers' labels tell the publisher: of routed
// types only, at deploys, scaling and restarts.
func TestHealthcheckGood(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 1, "worker": 1})
	n := p.needs()
	r := &recorder{Scheduler: n.Scheduler}
	n.Scheduler = r
	c := deis.New(n)
	expect := func(what string, count int, want *labels.HealthCheck) {
		t.Helper()
		specs := r.created()
		if len(specs) != count {
			t.Errorf("%s: %d containers", what, len(specs))
		}
		for _, s := range specs {
			got := s.Identity.Health
			switch {
			case s.Identity.ID.Type == "worker":
				if got != nil {
					t.Errorf("%s: a worker is checked", what)
				}
			case (got == nil) != (want == nil), got != nil && *got != *want:
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
	}
	set := func(in deis.ConfigChange) {
		t.Helper()
		_, _, err := c.SetConfig(t.Context(), p.by, "demo", in)
		p.must(err)
	}
	set(health("/ok?a=1", "", ""))
	expect("defaults", 2, &labels.HealthCheck{URL: "/ok?a=1", Timeout: 1})
	set(health("/", "2", "7"))
	full := &labels.HealthCheck{URL: "/", InitialDelay: 2, Timeout: 7}
	expect("all", 2, full)
	p.must(c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "2"}))
	expect("scale", 1, full)
	_, err := c.Restart(t.Context(), p.by, "demo", "web", 1)
	p.must(err)
	expect("restart", 1, full)
	set(deis.ConfigChange{Values: map[string]any{"HEALTHCHECK_URL": nil}})
	expect("unset", 3, nil)
	p.settle(c)
	p.consistent("demo", 5, map[string]int{"web": 2, "worker": 1})
	if n := p.logs.count("WARNING"); n != 0 {
		t.Error(p.logs.lines)
	}
}

// A check that keeps failing fails the operation in v1's words, tells each
// reason once, and what ran before goes on.
func TestHealthcheckBad(t *testing.T) {
	p := newPlatform(t)
	structure := map[string]int{"web": 2}
	p.app(p.controller(), "demo", structure)
	p.deployTimeout = 2 * time.Second
	p.started = func(deis.Status) {} // nobody is announced
	var asked atomic.Int64
	p.routes.check = func() string {
		if asked.Add(1)%3 == 0 {
			return "app failed health check (got '404', expected: '200')"
		}
		return "app failed health check (got '500', expected: '200')"
	}
	n := p.needs()
	var old atomic.Bool
	n.Scheduler = shaky{p.engine, &old}
	c := deis.New(n)
	p.routes.watch("demo")
	_, _, err := c.SetConfig(t.Context(), p.by, "demo", health("/bad", "", ""))
	p.kind(err, deis.Unavailable, "aborting, app containers failed to respond to health check: web.", " was not ready in time: app failed health check (got '",
		" It last printed:\nconnecting to the database\npanic: no such host")
	p.settle(c)
	p.started = nil
	p.consistent("demo", 2, structure)
	if fewest := p.routes.fewest("demo"); fewest != 2 {
		t.Errorf("routers knew only %d containers meanwhile", fewest)
	}
	for _, code := range []string{"500", "404"} {
		if n := p.logs.count("WARNING [demo]: app failed health check (got '" + code + "', expected: '200')"); n != 1 {
			t.Errorf("%s was told %d times", code, n)
		}
	}
	if asked.Load() < 4 {
		t.Error("asked too seldom to tell")
	}
	if n := p.logs.count("ERROR [demo]: release v3 failed: aborting, app containers failed to respond to health check: web."); n != 1 {
		t.Error(p.logs.lines)
	}
	// It leaves nothing behind that fails the next change (spec section 8.3).
	p.routes.check = nil
	if cfg, v, err := c.SetConfig(t.Context(), p.by, "demo", deis.ConfigChange{Values: map[string]any{"A": "1"}}); err != nil || v != 3 || cfg.Values["HEALTHCHECK_URL"] != "" {
		t.Error(cfg, v, err)
	}
	p.settle(c)
	p.consistent("demo", 3, structure)
}

// Scaling up is checked as well.
func TestHealthcheckBadOnScale(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	_, _, err := c.SetConfig(t.Context(), p.by, "demo", health("/", "", ""))
	p.must(err)
	p.settle(c)
	p.deployTimeout = 300 * time.Millisecond
	p.started, p.routes.detail = func(deis.Status) {}, "failed to connect to container (dial 10.0.0.2:5000: connect: connection refused)"
	c = p.controller()
	err = c.Scale(t.Context(), p.by, "demo", map[string]any{"web": "3"})
	p.kind(err, deis.Unavailable, "aborting, app containers failed to respond to health check: web.", "failed to connect to container (dial ")
	if n := p.logs.count("WARNING"); n != 0 {
		t.Error("a container that boots is no news:", p.logs.lines)
	}
	p.settle(c)
	p.consistent("demo", 3, map[string]int{"web": 1})
}

// The initial delay is on top of the time for a deploy.
func TestHealthcheckInitialDelay(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", map[string]int{"web": 1})
	p.deployTimeout = 100 * time.Millisecond
	c = p.controller()
	p.started = func(st deis.Status) {
		time.AfterFunc(700*time.Millisecond, func() { p.routes.announce(st) })
	}
	_, _, err := c.SetConfig(t.Context(), p.by, "demo", health("/", "5", ""))
	p.must(err)
	p.settle(c)
	p.consistent("demo", 3, map[string]int{"web": 1})
}

func TestHealthcheckThatMakesNoSense(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	for _, in := range []deis.ConfigChange{
		health("no-slash", "", ""), health("/a b", "", ""), health("/", "-1", ""), health("/", "x", ""), health("/", "", "99999"), health("/", "", "1.5"),
	} {
		_, _, err := c.SetConfig(context.WithoutCancel(t.Context()), p.by, "demo", in)
		p.kind(err, deis.Invalid, "HEALTHCHECK_")
		var e *deis.Error
		if !errors.As(err, &e) || len(e.Fields["values"]) != 1 || strings.Contains(e.Fields["values"][0], "\n") {
			t.Error(err)
		}
	}
}
