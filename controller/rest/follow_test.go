package rest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

// serveStreams is serve with bounds of streams that a test changes.
func serveStreams(t *testing.T, f *fake, change func(*streams)) client {
	t.Helper()
	reg := prometheus.NewRegistry()
	s := newServer(Config{Log: quiet(), Metrics: reg, Controller: f})
	change(s.streams)
	return client{t, serveHandler(t, s.handler(routes(f))), reg}
}

// get asks without reading the answer's body.
func (c client) get(path string, headers ...string) *http.Response {
	c.t.Helper()
	req, err := http.NewRequest("GET", "http://"+c.address+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "token bob")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// piped is a followed log that a test writes.
func piped(gap string) (*fake, *io.PipeWriter) {
	r, w := io.Pipe()
	return &fake{follow: func(ctx context.Context, _ deis.LogStart) (deis.FollowedLog, error) {
		context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
		return deis.FollowedLog{ReadCloser: r, Position: api.LogPosition{Log: "0123456789abcdef", Offset: 42}, Gap: gap}, nil
	}}, w
}

func TestFollow(t *testing.T) {
	f, w := piped("17")
	c := serve(t, f, quiet())
	resp := c.get("/v1/apps/demo/logs?follow=1")
	h := resp.Header
	if resp.Status != "200 OK" || h.Get("Content-Type") != "text/plain" || h.Get("Deis-Log-Position") != "0123456789abcdef-42" || h.Get("Deis-Log-Gap") != "17" {
		t.Error(resp.Status, h)
	}
	in := bufio.NewReader(resp.Body)
	for _, line := range []string{"one\n", "\n", "two\n"} { // each comes at once, the one that shows life too
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		if got, err := in.ReadString('\n'); err != nil || got != line {
			t.Fatalf("%q %v", got, err)
		}
	}
	w.Close() // the logger goes away
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

// TestFollowEndsWithTheServer: serve checks that it does not wait.
func TestFollowEndsWithTheServer(t *testing.T) {
	f, w := piped("")
	defer w.Close()
	client := t // outlives the server
	var resp *http.Response
	t.Run("while it serves", func(t *testing.T) {
		c := serve(t, f, quiet())
		c.t = client
		resp = c.get("/v1/apps/demo/logs?follow=1")
	})
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("no clean end: %q %v", rest, err)
	}
	if _, err := w.Write([]byte("x\n")); !errors.Is(err, context.Canceled) {
		t.Error("goes on:", err)
	}
}

func TestFollowEndsWhenAccessDoes(t *testing.T) {
	for name, revoke := range map[string]error{
		"token":    deis.Errorf(deis.Unauthorized, "Invalid token"),
		"database": deis.Errorf(deis.Unavailable, "The database is away."),
	} {
		f, w := piped("")
		var revoked atomic.Bool
		var asked atomic.Int32
		f.authenticate = func(string) (deis.User, error) {
			if revoked.Load() {
				asked.Add(1)
				return deis.User{}, revoke
			}
			return bob, nil
		}
		c := serveStreams(t, f, func(s *streams) { s.recheck, s.uncertain = time.Millisecond, 20*time.Millisecond })
		resp := c.get("/v1/apps/demo/logs?follow=1")
		in := bufio.NewReader(resp.Body)
		go io.WriteString(w, "one\n")
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(name, err)
		}
		revoked.Store(true)
		if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q %v", name, rest, err)
		}
		if n := asked.Load(); (n > 1) != (name == "database") {
			t.Errorf("%s: ended after %d failures", name, n)
		}
	}
}

// A user who may no longer use the app, or whose app is destroyed.
func TestFollowEndsWithTheApp(t *testing.T) {
	f, w := piped("")
	defer w.Close()
	c := serveStreams(t, f, func(s *streams) { s.recheck = time.Millisecond })
	resp := c.get("/v1/apps/demo/logs?follow=1")
	f.mu.Lock()
	f.err = deis.ErrNotFound
	f.mu.Unlock()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

func TestFollowRefused(t *testing.T) {
	f := &fake{}
	c := serveStreams(t, f, func(s *streams) { s.follows = newGate(0, 0) })
	if got := c.do("GET", "/v1/apps/demo/logs?follow=1", ""); got.status != "503 SERVICE UNAVAILABLE" || got.body != `{"detail":"Too many follow logs at the moment."}` {
		t.Error(got)
	}
	for _, position := range []string{"x", "0123456789abcdef", "0123456789abcdef-x", "0123456789abcdef-1%0a"} {
		got := c.do("GET", "/v1/apps/demo/logs?follow=1&position="+position, "")
		if got.status != "400 BAD REQUEST" || got.body != `{"position":["This is not a position in a log."]}` {
			t.Error(got)
		}
	}
	if calls := f.noted(); calls != "" {
		t.Error(calls)
	}
	c = serve(t, f, quiet())
	for _, x := range []struct {
		err          error
		status, body string
	}{
		{&deis.Error{Kind: deis.Internal, Detail: "x", Err: errors.New("refused")}, "500 INTERNAL SERVER ERROR", "Error accessing logs for demo"},
		{deis.Errorf(deis.Unavailable, "Too many follow logs at the moment."), "503 SERVICE UNAVAILABLE", `{"detail":"Too many follow logs at the moment."}`},
		{deis.Errorf(deis.Forbidden, textForbidden), "403 FORBIDDEN", forbidden},
		{deis.ErrNotFound, "404 NOT FOUND", `{"detail":"Not found"}`},
	} {
		f.follow = func(context.Context, deis.LogStart) (deis.FollowedLog, error) { return deis.FollowedLog{}, x.err }
		if got := c.do("GET", "/v1/apps/demo/logs?follow=1", ""); got.status != x.status || got.body != x.body {
			t.Error(got)
		}
	}
}

func TestGate(t *testing.T) {
	g := newGate(3, 2)
	enter := func(user string, want bool) func() {
		t.Helper()
		leave, ok := g.enter(user)
		if ok != want {
			t.Errorf("%s: %v", user, ok)
		}
		return leave
	}
	leave := enter("ann", true)
	enter("ann", true)
	enter("ann", false)
	enter("bob", true)
	enter("bob", false)
	leave()
	leave()
	enter("bob", true)
	enter("ann", false)
	if g.n != 3 || g.of["ann"] != 1 {
		t.Errorf("%+v", g)
	}
}
