package controller

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/keys"
)

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	host, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	c := New()
	c.Apply(etcd.State{Keys: map[string]etcd.Entry{
		keys.Host("controller"): {Value: host}, keys.Port("controller"): {Value: port}, keys.BuilderKey: {Value: "secret"},
	}})
	return c
}

// TestOnTheWire holds what Deis v1's controller must be sent, byte by byte.
func TestOnTheWire(t *testing.T) {
	var got *http.Request
	var body string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		switch r.URL.Path {
		case "/v1/hooks/push":
			w.WriteHeader(http.StatusCreated)
		case "/v1/hooks/config":
			_, _ = io.WriteString(w, `{"app":"demo","values":{"A":"1\n2"},"created":"2014-01-01T00:00:00UTC","updated":"2014-01-01T00:00:00UTC"}`)
		default:
			_, _ = io.WriteString(w, `{"release":{"version":7},"domains":["demo.example.com"]}`)
		}
	})
	ctx := t.Context()
	config, err := c.Config(ctx, "alice", "demo")
	if err != nil || config.Values["A"] != "1\n2" || body != `{"receive_user":"alice","receive_repo":"demo"}` {
		t.Error(config, err, body)
	}
	for name, want := range map[string]string{"X-Deis-Builder-Auth": "secret", "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "deis-builder"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
	if err := c.Push(ctx, api.PushHook{ReceiveUser: "alice", ReceiveRepo: "demo", SHA: "s", Fingerprint: "f", SSHConnection: "c", SSHOriginalCommand: "git-receive-pack 'x'"}); err != nil ||
		body != `{"receive_user":"alice","receive_repo":"demo","sha":"s","fingerprint":"f","ssh_connection":"c","ssh_original_command":"git-receive-pack 'x'"}` {
		t.Error(err, body)
	}
	result, err := c.Build(ctx, api.BuildHook{SHA: "12345678", ReceiveUser: "alice", ReceiveRepo: "demo", Image: "demo", Procfile: map[string]string{"web": "it's <&>"}, Dockerfile: "true"})
	if err != nil || result.Release.Version != 7 || result.Domains[0] != "demo.example.com" ||
		body != `{"sha":"12345678","receive_user":"alice","receive_repo":"demo","image":"demo","procfile":{"web":"it's <&>"},"dockerfile":"true"}` {
		t.Error(result, err, body)
	}
}

func TestRefusalsAreNotRepeated(t *testing.T) {
	var calls atomic.Int32
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		httpapi.WriteError(w, httpapi.Errorf(http.StatusForbidden, "no"))
	})
	_, err := c.Config(t.Context(), "bob", "demo")
	var e *httpapi.Error
	if !errors.As(err, &e) || e.Status != 403 || e.Detail != "no" || calls.Load() != 1 {
		t.Error(err, calls.Load())
	}
}

func TestOutagesAreRepeatedButNotBuilds(t *testing.T) {
	var calls atomic.Int32
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			httpapi.WriteError(w, httpapi.Errorf(http.StatusServiceUnavailable, "later"))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"values": map[string]string{}, "created": "2014-01-01T00:00:00UTC", "updated": "2014-01-01T00:00:00UTC"})
	})
	if _, err := c.Config(t.Context(), "alice", "demo"); err != nil || calls.Load() != 3 {
		t.Error(err, calls.Load())
	}
	calls.Store(0)
	if _, err := c.Build(t.Context(), api.BuildHook{}); err == nil || calls.Load() != 1 {
		t.Error(err, calls.Load())
	}
}

func TestDetail(t *testing.T) {
	for _, c := range []struct{ kind, body, want string }{
		{"application/json", `{"detail":"one"}`, "one"},
		{"application/json", `{"image":["is missing"],"sha":["is odd"]}`, "image: is missing\nsha: is odd"},
		{"text/html", "<html>nginx</html>", "the controller answers 502 Bad Gateway"},
	} {
		resp := &http.Response{Status: "502 Bad Gateway", Header: http.Header{"Content-Type": {c.kind}}}
		if got := detail(resp, []byte(c.body)); got != c.want {
			t.Errorf("%q", got)
		}
	}
}

func TestUnknownController(t *testing.T) {
	c := New()
	if err := c.Check(t.Context()); err == nil {
		t.Error("known")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Config(ctx, "a", "b"); err == nil || !strings.Contains(err.Error(), "not announced") {
		t.Error(err)
	}
}

// TestLostAnswerIsAskedForAgain cuts the first connection without an answer:
// the second question must carry the same push id.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	var ids []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get(api.HeaderPush))
		if len(ids) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"release":{"version":7},"domains":["demo.example.com"]}`)
	})
	result, err := c.Build(t.Context(), api.BuildHook{ReceiveRepo: "demo"})
	if err != nil || result.Release.Version != 7 || len(ids) != 2 || ids[0] == "" || ids[0] != ids[1] {
		t.Error(result, err, ids)
	}
}
