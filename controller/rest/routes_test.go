package rest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

// patternOf finds the pattern that a path is routed to.
func patternOf(path string) string {
	m := mux.NewRouter().SkipClean(true)
	for _, res := range resources(Routes()) {
		m.NewRoute().Name(res.pattern).Path(muxPath(res.pattern))
	}
	var match mux.RouteMatch
	if !m.Match(httptest.NewRequest("GET", path, nil), &match) {
		return unrouted
	}
	return match.Route.GetName()
}

// example is a path that a pattern matches.
func example(pattern string) string {
	return strings.NewReplacer("{app}", "demo", "{uuid}", "u-1", "{version}", "v3", "{type}", "web", "{num}", "1",
		"{domain}", "a.example.com", "{username}", "al", "{id}", "k", "{cn}", "a.example.com", "{registry}", "quay.io").Replace(pattern)
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"}

func TestWrongMethods(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, res := range resources(Routes()) {
		if res.pattern == probePattern {
			continue
		}
		for _, method := range methods {
			_, ok := res.routes[strings.Replace(method, "HEAD", "GET", 1)]
			if ok {
				continue
			}
			got := c.do(method, example(res.pattern), "{}")
			status, body := "405 METHOD NOT ALLOWED", `{"detail":"Method '`+method+`' not allowed."}`
			switch method {
			case "HEAD":
				body = ""
			case "OPTIONS":
				status, body = "200 OK", `{"name":"`+res.pattern+`","renders":["application/json"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}`
			}
			if got.status != status || got.body != body {
				t.Errorf("%s %s: %s %s", method, res.pattern, got.status, got.body)
			}
		}
	}
	if calls := f.noted(); calls != "" {
		t.Error("wrong methods call", calls)
	}
}

func TestAllow(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for path, want := range map[string]string{
		"/v1/":                              "GET, HEAD, OPTIONS",
		"/v1/apps":                          "GET, POST, HEAD, OPTIONS",
		"/v1/apps/demo":                     "GET, POST, DELETE, HEAD, OPTIONS",
		"/v1/apps/demo/scale":               "POST, OPTIONS",
		"/v1/apps/demo/domains/a.b":         "DELETE, OPTIONS",
		"/v1/apps/demo/containers/restart":  "POST, OPTIONS",
		"/v1/apps/demo/containers/restarts": "GET, HEAD, OPTIONS",
	} {
		for _, method := range methods {
			for _, token := range []string{"token bob", "token bad", ""} {
				got := c.do(method, path, "", "Authorization", token)
				if allow := got.header.Get("Allow"); allow != want {
					t.Errorf("%s %s %s allows %q, want %q", method, path, got.status, allow, want)
				}
			}
		}
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, r := range Routes() {
		if r.Method != "GET" {
			continue
		}
		get, getCalls := c.do("GET", example(r.Pattern), ""), f.noted()
		head, headCalls := c.do("HEAD", example(r.Pattern), ""), f.noted()
		if head.status != get.status || head.body != "" || headCalls != getCalls || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
			t.Errorf("%s: %v, want %v", r.Pattern, head, get)
		}
	}
}

func TestSlashes(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for _, r := range Routes() {
		path := example(r.Pattern)
		other, status := path+"/", "" // the slash is optional
		switch {
		case r.Pattern == probePattern:
			status = "404 NOT FOUND"
		case strings.HasSuffix(path, "/"):
			other, status = strings.TrimSuffix(path, "/"), "404 NOT FOUND"
		}
		body := pushBody[:len(pushBody)-1] + `,"image":"i","username":"u","password":"p","new_password":"n","id":"i","public":"p","command":"c","domain":"d","certificate":"c","key":"k","registry":"r"}`
		if strings.HasSuffix(path, "scale") {
			body = ""
		}
		first := c.do(r.Method, path, body)
		if status == "" {
			status = first.status
		}
		if got := c.do(r.Method, other, body); got.status != status || first.status[:3] >= "300" && r.Status != http.StatusSwitchingProtocols {
			t.Errorf("%s %s: %s, %s: %s, want %s", r.Method, path, first.status, other, got.status, status)
		}
	}
}

func TestUnrouted(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, path := range []string{
		"/", "/v1", "/v2/", "//v1/", "/v1//apps", "/v1/apps//", "/v1/apps/demo//config", "/v1/./apps", "/v1/apps/../users",
		"/v1/apps/FOO", "/v1/apps/foo/zzz", "/v1/apps/foo_bar", "/v1/apps/demo/releases/1", "/v1/apps/demo/releases/v", "/v1/apps/demo/builds/a.b",
		"/v1/apps/demo/containers/web/1/restart/x", "/v1/apps/demo/perms/a%2Fb", "/v1/apps/demo/perms/%C3%BC", "/v1/admin/perms/a%20b",
		"/v1/keys/a%00b", "/v1/keys/a%0Ab", "/v1/appsx", "/v1/certificates", "/v1/hooks/buildss", "/healthz/", "/healthz/x", "/favicon.ico",
		"/v1/apps/demo%0A", "/v1/auth/login", "/v1/auth/tokens", "/v1/auth/login//",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := c.do(method, path, "", "Authorization", "")
			if got.status != "404 NOT FOUND" || !strings.HasPrefix(got.body, "<h1>Not Found</h1><p>The requested URL /") ||
				!strings.HasSuffix(got.body, " was not found on this server.</p>") || got.header.Get("Location") != "" {
				t.Errorf("%s %s: %s %s", method, path, got.status, got.body)
			}
		}
	}
	if got := c.do("GET", "/<script>", ""); got.body != "<h1>Not Found</h1><p>The requested URL /&lt;script&gt; was not found on this server.</p>" {
		t.Error(got.body)
	}
	if calls := f.noted(); calls != "" {
		t.Error("nowhere calls", calls)
	}
}

// TestNothingThere is about paths that are routed, but cannot name anything.
func TestNothingThere(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, s := range []string{
		"GET /v1/apps/demo/releases/v0", "GET /v1/apps/demo/releases/v99999999999999999999", "GET /v1/apps/demo/releases/v2147483648",
		"GET /v1/apps/demo/containers/web/x", "GET /v1/apps/demo/containers/web/0", "GET /v1/apps/demo/containers/web/-1",
		"POST /v1/apps/demo/containers/web/0/restart", "POST /v1/apps/demo/containers/web/x/restart",
	} {
		method, path, _ := strings.Cut(s, " ")
		if got := c.do(method, path, ""); got.status != "404 NOT FOUND" || got.body != `{"detail":"Not found"}` {
			t.Errorf("%s: %s %s", s, got.status, got.body)
		}
	}
	if calls := f.noted(); calls != "" {
		t.Error("these call", calls)
	}
}

func TestProbe(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for _, method := range methods {
		got := c.do(method, "/healthz", "", "Authorization", "token bad", "Accept", "image/png")
		want := answer{status: "405 METHOD NOT ALLOWED"}
		switch method {
		case "GET":
			want = answer{status: "200 OK", body: "OK"}
		case "HEAD":
			want = answer{status: "200 OK"}
		}
		if got.status != want.status || got.body != want.body {
			t.Errorf("%s: %s %q", method, got.status, got.body)
		}
	}
}

func TestTable(t *testing.T) {
	seen := map[string]Who{}
	for _, r := range Routes() {
		if who, ok := seen[r.Pattern]; ok && who != r.Who {
			t.Errorf("%s is for %s and for %s", r.Pattern, who, r.Who)
		}
		seen[r.Pattern] = r.Who
		if r.Status != http.StatusSwitchingProtocols && (r.Status < 200 || r.Status > 299) || !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodDelete}, r.Method) {
			t.Errorf("odd route %+v", r)
		}
		for _, v := range variable.FindAllStringSubmatch(r.Pattern, -1) {
			if segments[v[1]] == "" {
				t.Errorf("%s: nobody says what %s is", r.Pattern, v[1])
			}
		}
		if got := patternOf(example(r.Pattern)); got != r.Pattern {
			t.Errorf("%s is routed to %s", r.Pattern, got)
		}
	}
}
