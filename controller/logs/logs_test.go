package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/syslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logger answers like the platform's; the app's name says how.
func logger(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); q.Get("follow") == "1" {
		followed(w, r, q)
		return
	}
	switch r.URL.Path {
	case "/demo":
		fmt.Fprintf(w, "%s log_lines=%s\n", r.Method, r.URL.Query().Get("log_lines"))
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	case "/none":
		http.NotFound(w, r)
	case "/moved":
		http.Redirect(w, r, "/demo", http.StatusFound)
	case "/cut":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "part of it")
	case "/slow":
		<-r.Context().Done()
	default:
		http.Error(w, "broken", http.StatusInternalServerError)
	}
}

// open announces a logger; host may be another one than where it is.
func open(t *testing.T, announced bool) (*Logs, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(logger))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	kv := etcdtest.New(t)
	l := New(kv, nil)
	t.Cleanup(l.Close)
	var host string
	if host, l.port, err = net.SplitHostPort(u.Host); err != nil {
		t.Fatal(err)
	}
	if announced {
		if _, err := kv.Put(t.Context(), "/deis/logs/host", host); err != nil {
			t.Fatal(err)
		}
	}
	return l, srv
}

func isAccessError(t *testing.T, err error, app string) {
	t.Helper()
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != deis.Internal || e.Detail != "Error accessing logs for "+app || e.Err == nil {
		t.Errorf("%s: %v", app, err)
	}
}

func TestTail(t *testing.T) {
	l, srv := open(t, true)
	b, err := l.Tail(t.Context(), "demo", 1000)
	if string(b) != "GET log_lines=1000\n" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	for _, app := range []string{"empty", "none"} {
		if b, err := l.Tail(t.Context(), app, 10); len(b) != 0 || err != nil {
			t.Errorf("%s: %q %v", app, b, err)
		}
	}
	for _, app := range []string{"broken", "moved", "cut"} {
		_, err := l.Tail(t.Context(), app, 10)
		isAccessError(t, err, app)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = l.Tail(ctx, "slow", 10)
	isAccessError(t, err, "slow")
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err = l.Tail(ctx, "demo", 10); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	srv.Close()
	_, err = l.Tail(t.Context(), "demo", 10)
	isAccessError(t, err, "demo")
}

func TestDelete(t *testing.T) {
	l, _ := open(t, true)
	for _, app := range []string{"demo", "empty", "none"} {
		if err := l.Delete(t.Context(), app); err != nil {
			t.Error(app, err)
		}
	}
	if err := l.Delete(t.Context(), "broken"); err == nil || !strings.Contains(err.Error(), "delete the logs of broken: logger: DELETE /broken: 500") {
		t.Error(err)
	}
}

func TestWithoutLogger(t *testing.T) {
	l, _ := open(t, false)
	_, err := l.Tail(t.Context(), "demo", 10)
	isAccessError(t, err, "demo")
	if err := l.Delete(t.Context(), "demo"); deis.KindOf(err) != deis.Unavailable || !strings.HasPrefix(err.Error(), "The logger is not available.") || !strings.Contains(err.Error(), "no logger is announced") {
		t.Error(err)
	}
}

func TestEventsAreWholeLines(t *testing.T) {
	out := new(bytes.Buffer) // unguarded: Logs write one at a time
	l := New(nil, out)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { l.Event("INFO", "demo", fmt.Sprintf("scaled\nweb=%d", i)) })
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 50 {
		t.Fatal(len(lines))
	}
	for _, line := range lines {
		level, app, message, ok := syslog.ParseEvent(line)
		if level != "INFO" || app != "demo" || !strings.HasPrefix(message, "scaled web=") || !ok {
			t.Error(line)
		}
	}
}
