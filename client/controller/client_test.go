package controller

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/version"
)

// anything is an answer that has the fields of all nouns.
const anything = `{"id":"demo","uuid":"u","version":1,"results":[]}`

// serve answers every request alike and tells of the last one.
func serve(t *testing.T, status int, answer string) (srv *httptest.Server, last *string) {
	t.Helper()
	last = new(string)
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*last = strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body))
		w.Header()[api.HeaderAPIVersion] = []string{version.API} // as the controller spells it
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	return srv, last
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestNew(t *testing.T) {
	for address, want := range map[string]string{
		"http://deis.example.com/x?y#z": "http://deis.example.com",
		"https://deis.example.com:8443": "https://deis.example.com:8443",
		"deis.example.com":              "",
		"deis.example.com:8000":         "",
		"http://":                       "",
		"http://%zz":                    "",
	} {
		c, err := New(Options{URL: address})
		if (err == nil) != (want != "") || err == nil && c.URL() != want {
			t.Errorf("%s: %v, %v", address, c, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	var got http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.WriteString(w, anything)
	}))
	defer srv.Close()
	c := client(t, Options{URL: srv.URL, Token: "abc"})
	if _, err := c.ListApps(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Authorization": "token abc", "User-Agent": "Deis Client v" + version.Platform, "Content-Type": "application/json",
		"Accept-Encoding": "gzip", "Deis-Version": "", "X-Deis-Version": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if _, err := client(t, Options{URL: srv.URL, UserAgent: "mine"}).ListUsers(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if got.Get("Authorization") != "" || got.Get("User-Agent") != "mine" {
		t.Errorf("%v", got)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{404, `{"detail":"Not found"}`, "\n404 NOT FOUND\ndetail: Not found\n"},
		{400, `{"username":["a","b"],"email":["c"],"detail":"d"}`, "\n400 BAD REQUEST\ndetail: d\nemail: c\nusername: a\nusername: b\n"},
		{502, "<html>\nBad\n</html>\n", "\n502 BAD GATEWAY\n<html>\nBad\n</html>\n"},
		{409, "", "\n409 CONFLICT\n"},
		{400, `["x"]`, "\n400 BAD REQUEST\n[\"x\"]\n"},
		{599, "{}", "\n599\n"},
		{502, "<html><head><title>502\n Bad Gateway</title>" + strings.Repeat("<br>\n", 9), "\n502 BAD GATEWAY\na page of HTML titled \"502 Bad Gateway\" of 88 bytes, which is not the API's: something else answered, or a router on the way\n"},
		{500, "<!DOCTYPE html>" + strings.Repeat("x", 600), "\n500 INTERNAL SERVER ERROR\na page of HTML of 615 bytes, which is not the API's: something else answered, or a router on the way\n"},
		{500, strings.Repeat("x", 2<<20), "\n500 INTERNAL SERVER ERROR\na text of 1048576 bytes, which is not the API's: something else answered, or a router on the way\n"},
		{400, `{"detail":"` + strings.Repeat("x", 600) + `"}`, "\n400 BAD REQUEST\ndetail: " + strings.Repeat("x", 600) + "\n"},
	} {
		srv, _ := serve(t, c.status, c.body)
		_, err := client(t, Options{URL: srv.URL}).App(t.Context(), "demo")
		var refused *Error
		if !errors.As(err, &refused) || refused.Status != c.status || err.Error() != c.want {
			t.Errorf("%d %s: %q", c.status, c.body, err)
		}
	}
	for _, status := range []int{200, 201, 204} {
		srv, _ := serve(t, status, "")
		if err := client(t, Options{URL: srv.URL}).DestroyApp(t.Context(), "demo"); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestAnswersThatAreNotTheAPIs(t *testing.T) {
	for _, answer := range []string{"", "<html>", "[]", "{}", "null", `{"id":1}`, `{"created":"yesterday"}`, `{"id":"demo"`} {
		srv, _ := serve(t, 200, answer)
		c, ctx := client(t, Options{URL: srv.URL}), t.Context()
		for name, call := range map[string]func() error{
			"App":          func() error { _, err := c.App(ctx, "demo"); return err },
			"CreateApp":    func() error { _, err := c.CreateApp(ctx, "demo"); return err },
			"ListApps":     func() error { _, err := c.ListApps(ctx, 1); return err },
			"Config":       func() error { _, err := c.Config(ctx, "demo"); return err },
			"ChangeConfig": func() error { _, err := c.ChangeConfig(ctx, "demo", ConfigChange{}); return err },
			"Release":      func() error { _, err := c.Release(ctx, "demo", 1); return err },
			"Rollback":     func() error { _, err := c.Rollback(ctx, "demo", nil); return err },
			"Login":        func() error { _, err := c.Login(ctx, "bob", "pw"); return err },
			"Regenerate":   func() error { _, err := c.Regenerate(ctx); return err },
		} {
			if answer == `{"created":"yesterday"}` && name != "App" && name != "Config" {
				continue // has no such field
			}
			if err := call(); err == nil || !strings.HasPrefix(err.Error(), srv.URL+" gave an answer that is not the API's: ") {
				t.Errorf("%s: %q: %v", name, answer, err)
			}
		}
	}

	// Nor does a page of HTML count as done where nothing is to be read.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, "<!DOCTYPE html><title>Log in to the guest network</title>")
		}
	}))
	defer srv.Close()
	if err := client(t, Options{URL: srv.URL}).RemoveKey(t.Context(), "x"); err != nil {
		t.Error("empty, as Deis v1 answers:", err)
	}
	if err := client(t, Options{URL: srv.URL}).Scale(t.Context(), "demo", nil); err == nil || err.Error() != srv.URL+" gave an answer that is not the API's: it is a page of HTML" {
		t.Error(err)
	}
}

func TestOnVersion(t *testing.T) {
	var seen []string
	answer := func(status int, version string) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if version != "" {
				w.Header().Set(api.HeaderAPIVersion, version)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "{}")
		}))
		defer srv.Close()
		c := client(t, Options{URL: srv.URL, OnVersion: func(v string) { seen = append(seen, v) }})
		_, _ = c.App(t.Context(), "demo")
	}
	answer(200, version.API)
	answer(500, "9.9")
	answer(200, "1.6")
	answer(200, "")
	if fmt.Sprint(seen) != "[1.6 ]" {
		t.Errorf("%q", seen)
	}
}

func TestPath(t *testing.T) {
	for name, want := range map[string]string{
		"demo": "/a/demo/", "a/b": "/a/a%2Fb/", "*.x": "/a/%2A.x/", "a b": "/a/a%20b/", "a?b#c%": "/a/a%3Fb%23c%25/",
		"": "", ".": "", "..": "", "a\x00b": "", "a\nb": "", "\x1b[2J": "", "\u009b2J": "", "\xff": "", strings.Repeat("a", 1025): "",
	} {
		got, err := path("/a/%s/", name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func TestRequests(t *testing.T) {
	ctx := context.Background()
	two := 2
	for want, call := range map[string]func(*Client) error{
		`POST /v1/apps/demo/config/ {"values":{"A":"1","B":null},"memory":{"web":"1G"},"cpu":{"web":"1"},"tags":{"x":"y"}}`: func(c *Client) error {
			_, err := c.ChangeConfig(ctx, "demo", ConfigChange{Values: map[string]any{"A": "1", "B": nil}, Memory: map[string]any{"web": "1G"}, CPU: map[string]any{"web": "1"}, Tags: map[string]any{"x": "y"}})
			return err
		},
		`POST /v1/apps/demo/containers/web/2/restart/`:        func(c *Client) error { _, err := c.Restart(ctx, "demo", "web", &two); return err },
		`POST /v1/apps/demo/releases/rollback/ {"version":2}`: func(c *Client) error { _, err := c.Rollback(ctx, "demo", &two); return err },
		`GET /v1/apps/demo/logs?log_lines=2`: func(c *Client) error {
			body, err := c.Logs(ctx, "demo", LogOptions{Lines: 2})
			return errors.Join(err, body.Close())
		},
		`POST /v1/auth/register/ {"username":"u","password":"p","email":"e"}`: func(c *Client) error {
			return c.Register(ctx, Registration{Username: "u", Password: "p", Email: "e"})
		},
	} {
		answer := anything
		if strings.Contains(want, "restart") {
			answer = "[]"
		}
		srv, last := serve(t, 200, answer)
		if err := call(client(t, Options{URL: srv.URL})); err != nil || *last != want {
			t.Errorf("%s, %v, want %s", *last, err, want)
		}
	}
}

func TestRun(t *testing.T) {
	srv, last := serve(t, 200, `[3,"hi\n"]`)
	result, err := client(t, Options{URL: srv.URL}).Run(t.Context(), "demo", "echo hi")
	if want := `POST /v1/apps/demo/run {"command":"echo hi"}`; err != nil || result != (RunResult{3, "hi\n"}) || *last != want {
		t.Errorf("%+v, %v, %s", result, err, *last)
	}
	srv, _ = serve(t, 200, `{"rc":3}`)
	if _, err := client(t, Options{URL: srv.URL}).Run(t.Context(), "demo", "x"); err == nil {
		t.Error("no error")
	}
}

func TestProbe(t *testing.T) {
	var auth []string
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = append(auth, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	to := func(target string) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target+r.URL.Path, http.StatusMovedPermanently)
		}))
		t.Cleanup(srv.Close)
		return srv
	}
	plain := to(secure.URL)
	c := client(t, Options{URL: plain.URL, Token: "abc", RootCAs: roots})
	if at, err := c.Probe(t.Context()); err != nil || at != secure.URL || fmt.Sprint(auth) != "[]" {
		t.Errorf("%s, %v, %q", at, err, auth)
	}

	other := to(strings.Replace(secure.URL, "127.0.0.1", "localhost", 1))
	if _, err := client(t, Options{URL: other.URL, Insecure: true}).Probe(t.Context()); !errors.Is(err, ErrNotController) {
		t.Error("another host:", err)
	}
	loop := httptest.NewServer(nil)
	loop.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v1/", http.StatusFound) })
	defer loop.Close()
	if _, err := client(t, Options{URL: loop.URL}).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "10 redirects") {
		t.Error(err)
	}
	srv, _ := serve(t, 200, "{}")
	if _, err := client(t, Options{URL: srv.URL}).Probe(t.Context()); !errors.Is(err, ErrNotController) {
		t.Error(err)
	}

	// What changes something is not turned into a GET on the way.
	err := client(t, Options{URL: plain.URL, RootCAs: roots}).Scale(t.Context(), "demo", map[string]int{"web": 1})
	if want := plain.URL + " redirects to " + secure.URL + "/v1/apps/demo/scale/: log in at that address"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, anything) }))
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	for name, c := range map[string]struct {
		o  Options
		ok bool
	}{
		"system's":  {Options{}, false},
		"given":     {Options{RootCAs: roots}, true},
		"any":       {Options{Insecure: true}, true},
		"none fits": {Options{RootCAs: x509.NewCertPool()}, false},
	} {
		c.o.URL = srv.URL
		_, err := client(t, c.o).App(t.Context(), "demo")
		var unknown x509.UnknownAuthorityError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &unknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLocalhost: names under localhost need neither a name server nor a proxy.
func TestLocalhost(t *testing.T) {
	t.Setenv("http_proxy", "http://192.0.2.1:3128")
	srv, last := serve(t, 200, anything)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "deis.localhost", "a.b.LOCALHOST"} {
		*last = ""
		if _, err := client(t, Options{URL: "http://" + net.JoinHostPort(host, port)}).App(t.Context(), "demo"); err != nil || *last == "" {
			t.Errorf("%s: %v", host, err)
		}
	}
	for host, want := range map[string]bool{"localhost": true, "x.localhost.": true, "localhost.com": false, "xlocalhost": false, "": false} {
		if isLocalhost(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	u, err := proxy(&http.Request{URL: &url.URL{Scheme: "http", Host: "deis.localhost:80"}})
	if u != nil || err != nil {
		t.Error(u, err)
	}
}

// TestLocalhostIPv6: a controller that listens on ::1 alone is found too.
func TestLocalhostIPv6(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return // a machine without IPv6 has no such controller
	}
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, anything) })}}
	srv.Start()
	defer srv.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if _, err := client(t, Options{URL: "http://deis.localhost:" + port}).App(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	}))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	c := client(t, Options{URL: srv.URL})
	go func() { failed <- c.Scale(ctx, "demo", map[string]int{"web": 1}) }()
	<-entered
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLogsAreStreamed(t *testing.T) {
	read := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		<-read
		_, _ = io.WriteString(w, "two\n")
	}))
	defer srv.Close()
	body, err := client(t, Options{URL: srv.URL}).Logs(t.Context(), "demo", LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	line := make([]byte, 4)
	if _, err := io.ReadFull(body, line); err != nil || string(line) != "one\n" {
		t.Fatal(string(line), err)
	}
	close(read)
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "two\n" {
		t.Error(string(rest), err)
	}
}
