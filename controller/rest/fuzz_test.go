package rest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/httpapi"
	etcdkeys "github.com/deis/deis/internal/keys"
)

func FuzzPage(f *testing.F) {
	for _, query := range []string{"", "page=2&page_size=10", "page=last", "page=0", "page=-1", "page=x", "page=99999999999999999999", "page_size=0", "page_size=2147483648&page=1&a=b%20c&a=d", "page=%zz", "page=1&page=last"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query := (&url.URL{RawQuery: raw}).Query()
		p, err := pageOf(query)
		if err != nil {
			if deis.KindOf(err) != deis.NotFound || err.Error() == "" {
				t.Fatal(err)
			}
			return
		}
		if p.Size < 1 || p.Size > maxNumber || p.Number < 1 || p.Number > maxNumber || p.Last != (query.Get("page") == "last") {
			t.Fatalf("%q asks for %+v", raw, p)
		}
		r := &http.Request{Host: "deis.example.com", URL: &url.URL{Path: "/v1/apps", RawQuery: raw}}
		next, err := url.Parse(*pageURL(r, r.URL.Query(), p.Number))
		if err != nil || next.Host != r.Host || next.Path != r.URL.Path {
			t.Fatalf("%v: %v", next, err)
		}
		for name, values := range next.Query() {
			if name != "page" && strings.Join(values, "\n") != strings.Join(query[name], "\n") {
				t.Fatalf("%s of %q became %q", name, raw, values)
			}
		}
		if again, err := pageOf(next.Query()); err != nil || again.Number != p.Number || again.Size != p.Size {
			t.Fatalf("%v asks for %+v: %v", next, again, err)
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	for _, header := range []string{"token bob", "Token 0123456789abcdef0123456789abcdef01234567", "token", "token a b", "bearer x", "Basic YTpi", "", " token\tx ", "tokenx y", "token \u00a0", "token \u2003x"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		var asked []string
		s := &server{identities: &fake{authenticate: func(token string) (deis.User, error) {
			asked = append(asked, token)
			return bob, nil
		}}}
		by, known, err := s.identify(&http.Request{Header: http.Header{"Authorization": {header}}})
		words := strings.FieldsFunc(header, unicode.IsSpace)
		if len(words) == 0 || !strings.EqualFold(words[0], "token") {
			if known || err != nil || len(asked) > 0 {
				t.Fatalf("%q is %q: %v", header, by.Username, err)
			}
			return
		}
		if len(words) != 2 {
			if known || deis.KindOf(err) != deis.Unauthorized || len(asked) > 0 {
				t.Fatalf("%q is %q: %v", header, by.Username, err)
			}
			return
		}
		if !known || err != nil || len(asked) != 1 || asked[0] != words[1] {
			t.Fatalf("%q is %q, asked for %q: %v", header, by.Username, asked, err)
		}
	})
}

func FuzzAccept(f *testing.F) {
	for _, accept := range []string{"", "application/json", "*/*", "text/html, application/*;q=0.5", "text/plain", "application/json; indent=4", "application/JSON", ",", "a;b=\"", "*/*;q=0", "application/json;"} {
		f.Add(accept, "")
	}
	f.Add("text/plain", "json")
	f.Add("", "api")
	f.Fuzz(func(t *testing.T, accept, format string) {
		ask := func(accept string) error {
			return negotiate(&http.Request{Header: http.Header{"Accept": {accept}}, URL: &url.URL{RawQuery: url.Values{"format": {format}}.Encode()}})
		}
		err := ask(accept)
		if format != "" && format != "json" {
			if deis.KindOf(err) != deis.NotFound {
				t.Fatalf("format %q: %v", format, err)
			}
			return
		}
		var e *httpapi.Error
		low := strings.ToLower(accept)
		switch {
		case err == nil:
			if strings.TrimSpace(accept) != "" && !strings.Contains(low, "*/*") && !strings.Contains(low, "application/*") && !strings.Contains(low, "application/json") {
				t.Fatalf("%q takes JSON", accept)
			}
		case !errors.As(err, &e) || e.Status != http.StatusNotAcceptable || e.Detail == "":
			t.Fatal(err)
		}
		for _, more := range []string{accept + ",application/json", "*/*, " + accept} {
			if err := ask(more); err != nil {
				t.Fatalf("%q does not take JSON: %v", more, err)
			}
		}
	})
}

func FuzzLogLines(f *testing.F) {
	for _, asked := range []string{"", "1", "0", "-1", "x", "2147483648", "99999999999999999999", "+5", " 5", "1e3", "٣"} {
		f.Add(asked)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		got := lines(asked)
		if got < 1 || got > maxNumber {
			t.Fatalf("%q asks for %d", asked, got)
		}
		if n, err := strconv.ParseUint(asked, 10, 64); err == nil && n > 0 && uint64(got) != min(n, maxNumber) && n <= math.MaxInt {
			t.Fatalf("%q asks for %d", asked, got)
		}
	})
}

// FuzzPath finds routes as the server does.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/v1/", "/v1", "/v1/apps", "/v1/apps/", "/v1/apps/demo", "/v1/apps/demo/containers/web/1/restart/", "/v1/apps/demo/containers/restart/restart",
		"/v1/apps/demo/domains/*.example.org", "/v1/apps/demo/perms/a.b@c+d", "/v1/keys/a/b/", "/v1/keys//", "/v1/apps/../keys", "/v1/apps//config",
		"/v1/apps/FOO", "/v1/apps/demo/releases/v3", "/v1/apps/demo/releases/3", "/v1/keys/a\nb", "/v1/auth/login", "/healthz", "/v1/apps/demo/config/zzz", "/v1/apps/demo\n",
	} {
		f.Add(path)
	}
	m := mux.NewRouter().SkipClean(true)
	patterns := map[string]string{}
	for _, res := range resources(Routes()) {
		patterns[muxPath(res.pattern)] = res.pattern
		m.Handle(muxPath(res.pattern), http.NotFoundHandler())
	}
	forms := map[string]*regexp.Regexp{}
	for name, form := range segments {
		forms[name] = regexp.MustCompile(`\A(?:` + form + `)\z`)
	}
	f.Fuzz(func(t *testing.T, path string) {
		var match mux.RouteMatch
		if !m.Match(&http.Request{Method: "GET", URL: &url.URL{Path: path}}, &match) || match.MatchErr != nil {
			return
		}
		template, err := match.Route.GetPathTemplate()
		if err != nil {
			t.Fatal(err)
		}
		rebuilt := patterns[template]
		for name, value := range match.Vars {
			if name == "slash" {
				rebuilt += value
				continue
			}
			if !forms[name].MatchString(value) || value == "" || name != "id" && strings.ContainsAny(value, "/ \r\n\x00") {
				t.Fatalf("%q has the %s %q", path, name, value)
			}
			if name == "app" && etcdkeys.Last(etcdkeys.App(value)) != value {
				t.Fatalf("the key of %q is %q", value, etcdkeys.App(value))
			}
			rebuilt = strings.Replace(rebuilt, "{"+name+"}", value, 1)
		}
		if rebuilt != path {
			t.Fatalf("%q matches %s with %v, which is %q", path, template, match.Vars, rebuilt)
		}
	})
}

// FuzzRequest sends whole requests: whatever a client sends is at most its own
// fault, and told in a form that Deis v1's clients can print.
func FuzzRequest(f *testing.F) {
	const auth, jsonBody = "Authorization: token bob\r\n", "Content-Type: application/json\r\nContent-Length: "
	for _, text := range []string{
		"GET /v1/apps?page_size=1 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
		"POST /v1/apps HTTP/1.1\r\nHost: x\r\n" + auth + jsonBody + "13\r\n\r\n{\"id\":\"demo\"}",
		"POST /v1/apps/demo/config HTTP/1.1\r\nHost: x\r\n" + auth + jsonBody + "22\r\n\r\n{\"values\":{\"A\":\"b\"}}  ",
		"POST /v1/apps/demo/scale HTTP/1.1\r\nHost: x\r\n" + auth + jsonBody + "9\r\n\r\n{\"web\":2}",
		"POST /v1/apps/demo/run HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"command\":\"ls\"}\r\n0\r\n\r\n",
		"POST /v1/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 27\r\n\r\nusername=bob&password=a%20b",
		"POST /v1/hooks/build HTTP/1.1\r\nHost: x\r\nX-Deis-Builder-Auth: builder-key\r\n" + jsonBody + "57\r\n\r\n{\"receive_user\":\"bob\",\"receive_repo\":\"demo\",\"image\":\"demo\"}",
		"DELETE /v1/apps/demo/perms/bob HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
		"OPTIONS /v1/apps HTTP/1.1\r\nHost: x\r\nOrigin: y\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		"GET /v1/apps HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nDeis-Version: 2\r\n\r\n",
		"GET /v1/apps/demo/logs?log_lines=-1 HTTP/1.0\r\n" + auth + "\r\n",
		"PUT /v1/<b> HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	c := &fake{}
	h := New(Config{Log: quiet(), Metrics: prometheus.NewRegistry(), Controller: c})
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return // net/http answers
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(t.Context()))
		c.noted()
		if w.Code < 200 || w.Code >= 500 {
			t.Fatalf("%q is answered with %d %s", text, w.Code, w.Body)
		}
		switch w.Header().Get("Content-Type") {
		case "application/json":
			if !utf8.Valid(w.Body.Bytes()) || !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%q is answered with %q", text, w.Body)
			}
		case "text/html; charset=utf-8":
			if body := w.Body.String(); strings.Count(body, "<") != 4 && body != "OK" {
				t.Fatalf("%q is answered with %q", text, body)
			}
		}
		if w.Code < 400 || w.Header().Get("Content-Type") != "application/json" {
			return
		}
		var values map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &values); err != nil || len(values) == 0 {
			t.Fatalf("%q is answered with %s: %v", text, w.Body, err)
		}
		for name, v := range values {
			texts, isList := v.([]any)
			if !isList {
				texts = []any{v}
			}
			for _, v := range texts {
				if s, ok := v.(string); !ok || s == "" {
					t.Fatalf("%q is answered with %s: %s has no sentence", text, w.Body, name)
				}
			}
		}
	})
}
