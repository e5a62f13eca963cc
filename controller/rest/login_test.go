package rest

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/deis/deis/controller/deis"
)

func TestClient(t *testing.T) {
	router := netip.MustParseAddr("203.0.113.5")
	s := &server{isRouter: func(a netip.Addr) bool { return a == router }}
	for _, x := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"127.0.0.1:99", nil, "127.0.0.1"},
		{"127.0.0.1:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"172.18.0.1:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"172.18.0.1:99", []string{"6.6.6.6, 198.51.100.7"}, "198.51.100.7"}, // the last is the router's
		{"172.18.0.1:99", []string{"6.6.6.6", "198.51.100.7"}, "198.51.100.7"},
		{"172.18.0.1:99", []string{"2001:db8::1"}, "2001:db8::1"},
		{"172.18.0.1:99", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"172.18.0.1:99", []string{"unknown"}, "172.18.0.1"},
		{"172.18.0.1:99", []string{"198.51.100.7,"}, "172.18.0.1"},
		{"[::1]:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[::ffff:10.0.0.1]:99", []string{"198.51.100.7"}, "198.51.100.7"},
		{"203.0.113.5:99", []string{"198.51.100.7"}, "198.51.100.7"}, // a router, known by its announcement
		{"203.0.113.6:99", []string{"198.51.100.7"}, "203.0.113.6"},  // no router: it may say what it likes
		{"[2001:db8::9]:99", []string{"198.51.100.7"}, "2001:db8::9"},
	} {
		r := httptest.NewRequest("POST", "/v1/auth/login/", nil)
		r.RemoteAddr = x.peer
		for _, f := range x.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := s.client(r).String(); got != x.want {
			t.Errorf("%s with %q comes from %s, want %s", x.peer, x.forwarded, got, x.want)
		}
	}
	s.isRouter = nil
	r := httptest.NewRequest("POST", "/v1/auth/login/", nil)
	r.RemoteAddr = "203.0.113.5:99"
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	if got := s.client(r); got != router {
		t.Errorf("nobody knows routers, but from is %s", got)
	}
}

// TestLogins: the client's address reaches the rules, and every login is
// counted by how it ends.
func TestLogins(t *testing.T) {
	var err error
	var from netip.Addr
	f := &fake{login: func(a netip.Addr) (string, error) { from = a; return "t", err }}
	c := serve(t, f, quiet())
	for _, x := range []struct {
		err                 error
		status, body, after string
	}{
		{nil, "200 OK", `{"token":"t"}`, ""},
		{deis.Field("non_field_errors", "Unable to log in with provided credentials."), "400 BAD REQUEST", `{"non_field_errors":["Unable to log in with provided credentials."]}`, ""},
		{&deis.Error{Kind: deis.TooMany, Detail: "Too many wrong passwords. Try again in 7 seconds.", RetryAfter: 7 * time.Second}, "429 TOO MANY REQUESTS", `{"detail":"Too many wrong passwords. Try again in 7 seconds."}`, "7"},
		{deis.Errorf(deis.Unavailable, "The database is not available."), "503 SERVICE UNAVAILABLE", `{"detail":"The database is not available."}`, ""},
		{errors.New("x"), "500 INTERNAL SERVER ERROR", sorry, ""},
	} {
		err = x.err
		got := c.do("POST", "/v1/auth/login/", `{"username":"bob","password":"secret"}`, "Authorization", "", "X-Forwarded-For", "198.51.100.7")
		if got.status != x.status || got.body != x.body || got.header.Get("Retry-After") != x.after || from.String() != "198.51.100.7" {
			t.Errorf("%v: %s %s, again after %q, from %s", x.err, got.status, got.body, got.header.Get("Retry-After"), from)
		}
	}
	const name = "deis_controller_logins_total"
	want := "# HELP " + name + " Logins with a password: ok, refused, limited (too many wrong ones before) or failed.\n# TYPE " + name + " counter\n"
	for outcome, n := range map[string]string{"ok": "1", "refused": "1", "limited": "1", "failed": "2"} {
		want += name + `{outcome="` + outcome + `"} ` + n + "\n"
	}
	if err := testutil.GatherAndCompare(c.metrics, strings.NewReader(want), name); err != nil {
		t.Error(err)
	}
}
