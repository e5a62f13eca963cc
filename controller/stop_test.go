package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

// held makes the next release wait until it may go on, or its context ends.
func (s *stack) held() (begun <-chan struct{}, release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	s.images.failing(func(ctx context.Context, _ deis.ReleaseImage) error {
		s.images.failing(nil)
		close(in)
		select {
		case <-out:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return in, func() { close(out) }
}

// late is an answer, or why there is none.
type late struct {
	answer
	err error
}

// later sends a request and does not wait for the answer.
func (n *node) later(method, path, body string) <-chan late {
	c := make(chan late, 1)
	go func() {
		a, err := n.do(context.Background(), method, path, body)
		c <- late{a, err}
	}()
	return c
}

// version is the app's latest release's, by the API.
func (n *node) version(app string) int {
	n.Helper()
	var list struct{ Results []struct{ Version int } }
	must(n, json.Unmarshal([]byte(n.expect(200, "GET", "/v1/apps/"+app+"/releases", "")), &list))
	return list.Results[0].Version
}

// running are the states of an app's containers, by the API.
func (n *node) running(app string) string {
	n.Helper()
	var list struct {
		Results []struct{ Release, Type, State string }
	}
	must(n, json.Unmarshal([]byte(n.expect(200, "GET", "/v1/apps/"+app+"/containers", "")), &list))
	var out []string
	for _, c := range list.Results {
		out = append(out, c.Release+"."+c.Type+"="+c.State)
	}
	return strings.Join(out, " ")
}

// A deploy under way when the controller is told to stop is finished and
// answered; new connections are not taken.
func TestStopFinishesADeploy(t *testing.T) {
	s := newStack(t)
	n := s.start(30 * time.Second)
	n.login()
	n.deployed("demo")
	begun, release := s.held()
	answer := n.later("POST", "/v1/apps/demo/builds", buildOf("demo", 2))
	<-begun
	n.cancel()
	eventually(t, "no new connections are taken", func() bool {
		_, err := n.do(t.Context(), "GET", "/v1/apps", "")
		return err != nil
	})
	select {
	case <-n.ended:
		t.Fatal("ended before the deploy did:", n.err)
	default:
	}
	release()
	if r := <-answer; r.code != 201 || r.err != nil {
		t.Error(r)
	}
	if <-n.ended; !errors.Is(n.err, context.Canceled) && n.err != nil {
		t.Error(n.err)
	}
	n = s.start(time.Second)
	if v := n.version("demo"); v != 3 {
		t.Error("at version", v)
	}
	eventually(t, "the new release runs alone", func() bool { return n.running("demo") == "v3.web=up" })
}

// One that takes too long is undone while the controller still can, and whoever
// waits for it is told; the next controller has nothing to repair.
func TestStopHandsOver(t *testing.T) {
	s := newStack(t)
	n := s.start(100 * time.Millisecond)
	n.login()
	n.deployed("demo")
	begun, _ := s.held()
	answer := n.later("POST", "/v1/apps/demo/builds", buildOf("demo", 2))
	<-begun
	n.stop()
	if r := <-answer; r.code != 503 || r.body != `{"detail":"The controller is being stopped; ask again."}` || r.err != nil {
		t.Error(r)
	}
	if st, err := s.engine.States(t.Context(), "demo"); err != nil || len(st) != 1 || st[0].Job.Version != 2 {
		t.Error("not undone:", st, err)
	}
	n = s.start(time.Second)
	if v := n.version("demo"); v != 2 {
		t.Error("at version", v)
	}
	if got := n.running("demo"); got != "v2.web=up" {
		t.Error(got)
	}
	n.expect(201, "POST", "/v1/apps/demo/builds", buildOf("demo", 3))
	if v := n.version("demo"); v != 3 {
		t.Error("the number was not given back:", v)
	}
}

// Two controllers overlap, as when one is being replaced: the second waits for
// what the first still does.
func TestNextControllerWaitsForTheLast(t *testing.T) {
	s := newStack(t)
	one := s.start(30 * time.Second)
	one.login()
	one.deployed("demo")
	begun, release := s.held()
	first := one.later("POST", "/v1/apps/demo/builds", buildOf("demo", 2))
	<-begun
	one.cancel()
	two := s.start(time.Second)
	second := two.later("POST", "/v1/apps/demo/builds", buildOf("demo", 3))
	if got := two.running("demo"); got != "v2.web=up" {
		t.Error(got)
	}
	release()
	if r := <-first; r.code != 201 || r.err != nil {
		t.Error(r)
	}
	if r := <-second; r.code != 201 || r.err != nil {
		t.Error(r)
	}
	one.stop()
	if v := two.version("demo"); v != 4 {
		t.Error("at version", v)
	}
	eventually(t, "the newest release runs alone", func() bool { return two.running("demo") == "v4.web=up" })
}
