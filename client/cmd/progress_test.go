package cmd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deis/deis/client/controller"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/version"
)

// deploying makes the session one at a controller whose deploys take as long
// as post does. Its processes are what the answers to looks say in turn, the
// last one again and again.
func (s *scene) deploying(post http.HandlerFunc, looks ...string) (srv *httptest.Server, looked *atomic.Int32) {
	s.t.Helper()
	looked = new(atomic.Int32)
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.HeaderAPIVersion, version.API)
		switch {
		case r.Method == http.MethodPost:
			_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed that the client leaves
			post(w, r)
		case strings.HasSuffix(r.URL.Path, "/containers/"):
			n := int(looked.Add(1))
			fmt.Fprint(w, looks[min(n, len(looks))-1])
		default:
			fmt.Fprint(w, configJSON(`"values":{"A":"1"}`))
		}
	}))
	s.t.Cleanup(srv.Close)
	s.write("../.deis/client.json", fmt.Sprintf(`{"username":"bob","ssl_verify":true,"controller":"%s","token":"abc","response_limit":100}`, srv.URL))
	return srv, looked
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// cutLater ends it in the middle of the answer.
func cutLater(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, "{")
	_ = http.NewResponseController(w).Flush()
	cut(w, r)
}

const deploys = `config:set A=1
config:unset A
config:push
builds:create x:1
releases:rollback
ps:scale web=1
ps:restart
limits:set web=1G
limits:unset web
tags:set a=b
tags:unset a`

const goesOn = "The deploy goes on at the controller if it has begun there: follow it with 'deis ps -a demo' and 'deis logs -a demo'.\n"

// TestDeployCut: whatever deploys says what becomes of a deploy whose answer
// is lost.
func TestDeployCut(t *testing.T) {
	for _, call := range strings.Split(deploys, "\n") {
		s := newScene(t)
		env("A=1\n")(s)
		srv, _ := s.deploying(cut)
		_, stderr, code := s.run(append(words(call), "-a", "demo")...)
		if want := "Error: the connection to " + srv.URL + " was cut: EOF\n" + goesOn; code != exitFailed || stderr != want {
			t.Errorf("%s: exit %d, %q, want %q", call, code, stderr, want)
		}
	}
	s := newScene(t)
	srv, _ := s.deploying(cutLater)
	_, stderr, code := s.run(words("config:set A=1")...)
	if want := "Error: the connection to " + srv.URL + " was cut: unexpected EOF\n" + goesOn; code != exitFailed || stderr != want {
		t.Errorf("exit %d, %q, want %q", code, stderr, want)
	}
}

// TestDeployInterrupted: Ctrl-C leaves the deploy to the controller, and says so.
func TestDeployInterrupted(t *testing.T) {
	for _, call := range strings.Split(deploys, "\n") {
		s := newScene(t)
		env("A=1\n")(s)
		ctx, interrupt := context.WithCancel(t.Context())
		s.deploying(func(_ http.ResponseWriter, r *http.Request) {
			interrupt()
			<-r.Context().Done()
		})
		io, out, errOut := testIOStreams("")
		code := execute(ctx, NewFactory(io, s.env), append(words(call), "-a", "demo"))
		if code != exitInterrupted || errOut.String() != "\n"+goesOn || strings.Contains(out.String(), "done") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", call, code, out, errOut)
		}
	}
}

// TestDeployNotSent: nothing goes on where nothing was asked for, or where the
// controller has answered.
func TestDeployNotSent(t *testing.T) {
	s := newScene(t)
	srv, _ := s.deploying(cut)
	srv.Close()
	if _, stderr, code := s.run(words("config:set A=1")...); code != exitFailed || strings.Contains(stderr, "goes on") || !strings.Contains(stderr, "refused") {
		t.Errorf("no controller: exit %d, %q", code, stderr)
	}
	for status, unknown := range map[int]bool{400: false, 503: false, 200: false, 502: true, 504: true} { // the last two are a router's
		s := newScene(t)
		s.deploying(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>")
		})
		_, stderr, code := s.run(words("config:set A=1")...)
		if code != exitFailed || strings.HasSuffix(stderr, goesOn) != unknown || strings.Contains(stderr, "goes on") != unknown {
			t.Errorf("%d: exit %d, %q", status, code, stderr)
		}
	}
}

// TestDeployInPipe: where no terminal shows progress, nobody asks for it.
func TestDeployInPipe(t *testing.T) {
	s := newScene(t)
	_, looked := s.deploying(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond) // many looks' worth
		fmt.Fprint(w, configJSON(""))
	})
	io, out, _ := testIOStreams("")
	f := NewFactory(io, s.env)
	f.every = time.Millisecond
	code := execute(t.Context(), f, words("config:set A=1 -a demo"))
	if want := "Creating config... done\n\n=== demo Config\nA      1\n"; code != exitOK || out.String() != want || looked.Load() != 0 {
		t.Errorf("exit %d, %q, %d looks", code, out, looked.Load())
	}
}

func TestHowFar(t *testing.T) {
	is := func(procType, state, release string) controller.Container {
		return controller.Container{Type: procType, State: state, Release: release}
	}
	for _, c := range []struct {
		containers []controller.Container
		want       string
	}{
		{nil, ""},
		{[]controller.Container{is("web", "up", "v2")}, "web 1/1 up (v2)"},
		{[]controller.Container{is("web", "up", "v9"), is("web", "up", "v10"), is("worker", "created", "v10"), is("web", "initialized", "v10")}, "web 1/2, worker 0/1 up (v10)"},
		{[]controller.Container{is("web", "crashed", "odd")}, "web 0/1 up (v0)"},
	} {
		if got := howFar(c.containers); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
