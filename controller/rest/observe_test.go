package rest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/deis/deis/controller/deis"
)

// series are the lines of a metric, as they are scraped.
func series(t *testing.T, reg *prometheus.Registry, name string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var out []string
	for line := range strings.Lines(w.Body.String()) {
		if rest, ok := strings.CutPrefix(line, name+"{"); ok {
			out = append(out, strings.TrimSuffix(strings.NewReplacer(`"`, "", "} ", ": ").Replace(rest), "\n"))
		}
	}
	slices.Sort(out)
	return out
}

func TestMetrics(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, app := range []string{"one", "two"} {
		c.do("GET", "/v1/apps/"+app+"/", "")
	}
	c.do("GET", "/v1/apps/one", "", "Authorization", "")
	c.do("PUT", "/v1/apps/one", "")
	c.do("BREW", "/v1/apps/one", "")
	c.do("POST", "/v1/auth/login", "")
	c.do("OPTIONS", "/anywhere", "", "Access-Control-Request-Method", "GET")
	f.run = func() (int, string, error) { panic("x") }
	c.do("POST", "/v1/apps/one/run", `{"command":"ls"}`)
	f.err = deis.ErrNotFound
	c.do("GET", "/v1/apps/one", "")
	want := []string{
		"code=200,method=GET,route=/v1/apps/{app}: 2",
		"code=200,method=OPTIONS,route=none: 1",
		"code=401,method=GET,route=/v1/apps/{app}: 1",
		"code=404,method=GET,route=/v1/apps/{app}: 1",
		"code=404,method=POST,route=none: 1",
		"code=405,method=PUT,route=/v1/apps/{app}: 1",
		"code=405,method=other,route=/v1/apps/{app}: 1",
		"code=500,method=POST,route=/v1/apps/{app}/run: 1",
	}
	if got := series(t, c.metrics, "deis_controller_http_requests_total"); !slices.Equal(got, want) {
		t.Errorf("requests:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	want = []string{
		"method=GET,route=/v1/apps/{app}: 4",
		"method=OPTIONS,route=none: 1",
		"method=POST,route=/v1/apps/{app}/run: 1",
		"method=POST,route=none: 1",
		"method=PUT,route=/v1/apps/{app}: 1",
		"method=other,route=/v1/apps/{app}: 1",
	}
	if got := series(t, c.metrics, "deis_controller_http_request_duration_seconds_count"); !slices.Equal(got, want) {
		t.Errorf("durations:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestClientsThatLeaveAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := &server{log: quiet(), metrics: newMetrics(reg)}
	record(s.observe("x", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), "GET", "/", "")
	if got := series(t, reg, "deis_controller_http_requests_total"); !slices.Equal(got, []string{"code=499,method=GET,route=x: 1"}) {
		t.Error(got)
	}
}

func TestAccessLog(t *testing.T) {
	f, log := &fake{}, &safeBuffer{}
	c := serve(t, f, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c.do("POST", "/v1/auth/login/", `{"username":"bob","password":"hunter2"}`, "Authorization", "")
	c.do("GET", "/v1/apps?secret=hunter2", "", "Authorization", "token hunter2")
	c.do("POST", "/v1/hooks/config", `{"receive_user":"bob","receive_repo":"demo"}`, "X-Deis-Builder-Auth", "hunter2")
	got := log.String()
	for _, want := range []string{
		"method=POST path=/v1/auth/login/ code=200 bytes=28", "method=GET path=/v1/apps code=401", "path=/v1/hooks/config code=403", "addr=127.0.0.1:",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "hunter2") {
		t.Error("a secret is in the log:", got)
	}
}
