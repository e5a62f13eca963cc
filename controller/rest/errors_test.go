package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
)

const sorry = `{"detail":"Something went wrong on the server."}`

// safeBuffer is a log that several goroutines write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestErrors(t *testing.T) {
	f, log := &fake{}, &safeBuffer{}
	c := serve(t, f, slog.New(slog.NewTextHandler(log, nil)))
	cause := errors.New("password of pg is hunter2")
	for name, x := range map[string]struct {
		err          error
		status, body string
	}{
		"field":       {deis.Field("id", "This field must be unique."), "400 BAD REQUEST", `{"id":["This field must be unique."]}`},
		"fields":      {&deis.Error{Kind: deis.Invalid, Fields: map[string][]string{"b": {"x", "y"}, "a": {"<z>"}}, Err: cause}, "400 BAD REQUEST", `{"a":["<z>"],"b":["x","y"]}`},
		"invalid":     {deis.Errorf(deis.Invalid, "version cannot be below 0"), "400 BAD REQUEST", `{"detail":"version cannot be below 0"}`},
		"forbidden":   {deis.Errorf(deis.Forbidden, textForbidden), "403 FORBIDDEN", forbidden},
		"not found":   {deis.ErrNotFound, "404 NOT FOUND", `{"detail":"Not found"}`},
		"conflict":    {deis.Errorf(deis.Conflict, "al still has applications assigned. Delete or transfer ownership"), "409 CONFLICT", `{"detail":"al still has applications assigned. Delete or transfer ownership"}`},
		"unavailable": {&deis.Error{Kind: deis.Unavailable, Detail: "aborting, failed to create some containers", Err: cause}, "503 SERVICE UNAVAILABLE", `{"detail":"aborting, failed to create some containers"}`},
		"too many":    {&deis.Error{Kind: deis.TooMany, Detail: "Too many wrong passwords. Try again in 30 seconds.", RetryAfter: 30 * time.Second, Err: cause}, "429 TOO MANY REQUESTS", `{"detail":"Too many wrong passwords. Try again in 30 seconds."}`},
		"internal":    {&deis.Error{Kind: deis.Internal, Detail: "secret detail", Err: cause}, "500 INTERNAL SERVER ERROR", sorry},
		"other":       {cause, "500 INTERNAL SERVER ERROR", sorry},
		"wrapped":     {fmt.Errorf("app demo: %w", deis.ErrNotFound), "404 NOT FOUND", `{"detail":"Not found"}`},
		"cancelled":   {fmt.Errorf("etcd: %w", context.Canceled), "500 INTERNAL SERVER ERROR", sorry}, // not by this client
		"late":        {fmt.Errorf("etcd: %w", context.DeadlineExceeded), "500 INTERNAL SERVER ERROR", sorry},
	} {
		f.err = x.err
		before := len(log.String())
		for _, r := range Routes() {
			if r.Pattern == probePattern || r.Pattern == "/v1/" || strings.HasSuffix(r.Pattern, "/logs") || r.Pattern == "/v1/apps/{app}/config" {
				continue // they have tests of their own
			}
			got := c.do(r.Method, example(r.Pattern), bodyFor(r.Pattern))
			if got.status != x.status || got.body != x.body || (got.header.Get("Retry-After") == "30") != (name == "too many") {
				t.Errorf("%s: %s %s: %s %s", name, r.Method, r.Pattern, got.status, got.body)
			}
		}
		logged := log.String()[before:]
		if strings.Contains(logged, "hunter2") != (strings.HasPrefix(x.status, "5") && errors.Is(x.err, cause)) {
			t.Errorf("%s: the log says %q", name, logged)
		}
	}
}

// bodyFor has all fields that the pattern's routes require.
func bodyFor(pattern string) string {
	if strings.HasSuffix(pattern, "/scale") {
		return `{"web":1}`
	}
	return pushBody[:len(pushBody)-1] + `,"image":"i","username":"u","password":"p","new_password":"n","id":"i","public":"p","command":"c","domain":"d","certificate":"c","key":"k","registry":"r"}`
}

func TestConfigLocked(t *testing.T) {
	f := &fake{err: deis.Errorf(deis.Conflict, "Another operation on demo is in progress.")}
	c := serve(t, f, quiet())
	got := c.do("POST", "/v1/apps/demo/config", `{"values":{}}`)
	if got.status != "409 CONFLICT" || got.body != `{"error":"Config changes already in progress.\n[Errno 11] Resource temporarily unavailable"}` {
		t.Error(got.status, got.body)
	}
	f.err = deis.Field("cpu", "CPU shares must be an integer")
	if got := c.do("POST", "/v1/apps/demo/config", `{"cpu":{"web":"x"}}`); got.status != "400 BAD REQUEST" || got.body != `{"cpu":["CPU shares must be an integer"]}` {
		t.Error(got.status, got.body)
	}
}

func TestLogsAway(t *testing.T) {
	f, log := &fake{}, &safeBuffer{}
	c := serve(t, f, slog.New(slog.NewTextHandler(log, nil)))
	for name, x := range map[string]struct {
		lines        []byte
		err          error
		status, body string
	}{
		"none":      {nil, nil, "204 NO CONTENT", ""},
		"away":      {nil, &deis.Error{Kind: deis.Unavailable, Detail: "x", Err: errors.New("no route")}, "500 INTERNAL SERVER ERROR", "Error accessing logs for demo"},
		"broken":    {nil, errors.New("no route"), "500 INTERNAL SERVER ERROR", "Error accessing logs for demo"},
		"no app":    {nil, deis.ErrNotFound, "404 NOT FOUND", `{"detail":"Not found"}`},
		"forbidden": {nil, deis.Errorf(deis.Forbidden, textForbidden), "403 FORBIDDEN", forbidden},
	} {
		f.logs = func() ([]byte, error) { return x.lines, x.err }
		got := c.do("GET", "/v1/apps/demo/logs", "")
		if got.status != x.status || got.body != x.body {
			t.Errorf("%s: %s %s", name, got.status, got.body)
		}
		if plain := got.header.Get("Content-Type") == "text/plain"; plain != strings.HasPrefix(x.status, "500") {
			t.Errorf("%s: %v", name, got.header)
		}
	}
	if n := strings.Count(log.String(), "no route"); n != 2 {
		t.Errorf("%d causes in %s", n, log.String())
	}
}

func TestPanic(t *testing.T) {
	f, log := &fake{}, &safeBuffer{}
	c := serve(t, f, slog.New(slog.NewTextHandler(log, nil)))
	f.run = func() (int, string, error) { panic("hunter2") }
	got := c.do("POST", "/v1/apps/demo/run", `{"command":"ls"}`, "Origin", "x")
	if got.status != "500 INTERNAL SERVER ERROR" || got.body != sorry || got.header.Get("DEIS_API_VERSION") != "1.7" || got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error(got)
	}
	if !strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), "errors_test.go") {
		t.Error("the log does not say what and where:", log.String())
	}
	f.run = nil
	if got := c.do("POST", "/v1/apps/demo/run", `{"command":"ls"}`); got.status != "200 OK" {
		t.Error("after a panic:", got.status)
	}
}

// TestHalfAnAnswer: a panic behind the status line must not look like success.
func TestHalfAnAnswer(t *testing.T) {
	s := &server{log: quiet(), metrics: newMetrics(prometheus.NewRegistry())}
	address := serveHandler(t, s.observe("x", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		writeAll(w, "half")
		panic("x")
	})))
	resp, err := http.Get("http://" + address)
	if err == nil {
		resp.Body.Close()
		t.Error("got", resp.Status)
	}
}

// TestOutcome: an operation's failure is not taken for its client's leaving,
// after which nothing would be logged.
func TestOutcome(t *testing.T) {
	ended, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), ended} {
		for _, err := range []error{nil, deis.ErrNotFound, errors.New("x"), &deis.Error{Kind: deis.Unavailable, Err: context.Canceled}} {
			if got := outcome(ctx, err); got != err {
				t.Errorf("%v becomes %v", err, got)
			}
		}
		lost := fmt.Errorf("lock of demo lost: %w", context.Canceled)
		if got := outcome(ctx, lost); errors.Is(got, context.Canceled) || got.Error() != lost.Error() {
			t.Error(got)
		}
		late := fmt.Errorf("etcd: %w", context.DeadlineExceeded)
		if got := outcome(ctx, late); (deis.KindOf(got) == deis.Unavailable) != (ctx == ended) {
			t.Error(got)
		}
	}
}

// TestOperationOverdue: what takes longer than 20 minutes is given up.
func TestOperationOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{createBuild: func(ctx context.Context) (deis.Build, int, error) {
			<-ctx.Done()
			return deis.Build{}, 0, fmt.Errorf("etcd: %w", ctx.Err())
		}}
		h := New(Config{Log: quiet(), Metrics: prometheus.NewRegistry(), Controller: f})
		began := time.Now()
		got := record(h, "POST", "/v1/apps/demo/builds", `{"image":"nginx"}`)
		if took := time.Since(began); took != operationTimeout {
			t.Error("given up after", took)
		}
		if got.status != "503 Service Unavailable" || got.body != `{"detail":"The operation did not end within 20 minutes."}` {
			t.Error(got)
		}
	})
}
