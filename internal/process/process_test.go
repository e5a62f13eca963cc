package process

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type settings struct{ Runtime }

func TestMainFindsRuntimeInSettings(t *testing.T) {
	t.Setenv("HEALTH_LISTEN", "127.0.0.1:0")
	var ran bool
	code := Main("test", func(func(string) string) (settings, error) { return settings{}, nil }, func(_ context.Context, s settings) error {
		ran = s.Log != nil && s.Metrics != nil
		return nil
	})
	if code != 0 || !ran {
		t.Fatal(code, ran)
	}
}

func TestMainExitCodes(t *testing.T) {
	t.Setenv("HEALTH_LISTEN", "127.0.0.1:0")
	good := func(func(string) string) (settings, error) { return settings{}, nil }
	bad := func(func(string) string) (settings, error) { return settings{}, errors.New("PORT: no") }
	fail := func(context.Context, settings) error { return errors.New("no") }
	if code := Main("test", bad, fail); code != exitSettings {
		t.Error(code)
	}
	if code := Main("test", good, fail); code != exitFailed {
		t.Error(code)
	}
}

func TestPick(t *testing.T) {
	var got []string
	cs := Commands{"hook": func(_ context.Context, _ func(string) string, args []string) error { got = args; return Exit(3) }}
	for _, argv := range [][]string{{"/bin/hook", "a"}, {"/bin/builder", "hook", "a"}} {
		cmd, args, ok := pick(argv, []Commands{cs})
		if !ok || command(t.Context(), cmd, args) != 3 || len(got) != 1 || got[0] != "a" {
			t.Error(argv, ok, got)
		}
	}
	if _, _, ok := pick([]string{"/bin/builder"}, []Commands{cs}); ok {
		t.Error("picked a command for a bare call")
	}
}

func TestReadyz(t *testing.T) {
	rt := NewRuntime(slog.New(slog.NewTextHandler(io.Discard, nil)))
	var addr net.Addr
	rt.OnReady = func(a net.Addr) { addr = a }
	get := func() (int, string) {
		w := httptest.NewRecorder()
		rt.health.handler(rt.Metrics).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code, w.Body.String()
	}
	if code, body := get(); code != 503 || !strings.Contains(body, "starting") {
		t.Error(code, body)
	}
	var missing error
	rt.Check("etcd", func(context.Context) error { return missing })
	rt.Ready(&net.TCPAddr{Port: 1})
	if code, _ := get(); code != 200 || addr == nil {
		t.Error(code, addr)
	}
	missing = errors.New("no leader")
	if code, body := get(); code != 503 || !strings.Contains(body, "etcd: no leader") {
		t.Error(code, body)
	}
}
