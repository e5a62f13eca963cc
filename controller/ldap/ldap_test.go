package ldap

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deis/deis/controller/deis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// buffer is a log that several goroutines write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// ask logs in once with settings of its own.
func ask(t *testing.T, s Settings, username, password string) (deis.Person, error) {
	t.Helper()
	return New(quiet, func() Settings { return s }).Authenticate(t.Context(), username, password)
}

// nobody fails the test unless err says that there is no such person.
func nobody(t *testing.T, what string, p deis.Person, err error) {
	t.Helper()
	if deis.KindOf(err) != deis.NotFound || p != (deis.Person{}) {
		t.Errorf("%s: %+v %v", what, p, err)
	}
}

// away fails the test unless err says that the directory could not be asked,
// and why.
func away(t *testing.T, what string, err error, why string) {
	t.Helper()
	if err == nil || deis.KindOf(err) == deis.NotFound || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want %q", what, err, why)
	}
}

var ann = deis.Person{Username: "ann", Email: "ann@example.org", FirstName: "Ann", LastName: "Other"}

func TestAuthenticate(t *testing.T) {
	s := start(t)
	set := s.settings("ldap://" + s.plain)
	for _, x := range []struct {
		username, password string
		want               deis.Person
	}{
		{"ann", "secret", ann},
		{"bob.smith", "bobs", deis.Person{Username: "bob.smith", LastName: "Smith"}},
		{"BOB.SMITH", "bobs", deis.Person{Username: "BOB.SMITH", LastName: "Smith"}},
	} {
		if got, err := ask(t, set, x.username, x.password); got != x.want || err != nil {
			t.Errorf("%s: %+v %v", x.username, got, err)
		}
	}
	for _, x := range [][2]string{
		{"ann", "wrong"}, {"ann", "Secret"}, {"ann", "bobs"}, {"nobody", "secret"},
		{"ann", ""}, {"", "secret"}, {"", ""}, // which would bind as nobody, and succeed
		{"nopass", "secret"}, {"nopass", ""},
		{"twin", "twins"},   // two have the name
		{"guest", "guests"}, // not below the base
		{"reader", "reads"},
		{"*", "secret"}, {"an*", "secret"}, {"*)(uid=*", "secret"}, {"ann)(objectClass=*", "secret"}, {"ann\x00", "secret"}, {`ann\`, "secret"}, {`\61nn`, "secret"},
		{"ann ", "secret"}, // equal to LDAP, not to us
	} {
		p, err := ask(t, set, x[0], x[1])
		nobody(t, x[0]+" "+x[1], p, err)
	}
}

// TestFilterIsEscaped: characters with a meaning in filters stand for
// themselves, so that names which have them are found.
func TestFilterIsEscaped(t *testing.T) {
	s := start(t)
	set := s.settings("ldap://" + s.plain)
	set.UserFilter = "cn"
	if p, err := ask(t, set, `odd (one) *\`, "odds"); p.LastName != "Odd" || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	for _, name := range []string{"odd*", "*", `odd \28one\29 *\5c`} {
		p, err := ask(t, set, name, "odds")
		nobody(t, name, p, err)
	}
	// An attribute whose values are compared loosely.
	set.UserFilter = "mobile"
	if p, err := ask(t, set, "12 34", "bobs"); p.LastName != "Smith" || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	for _, name := range []string{"1234", "12-34", "1-2-3-4"} {
		p, err := ask(t, set, name, "bobs")
		nobody(t, name, p, err)
	}
}

func TestAnonymousSearch(t *testing.T) {
	s := start(t)
	set := Settings{Endpoint: "ldap://" + s.plain, BindDN: " ", BindPassword: " ", UserBase: "ou=lobby," + suffix, UserFilter: "uid"}
	if p, err := ask(t, set, "guest", "guests"); p.LastName != "Guest" || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	p, err := ask(t, set, "guest", "wrong")
	nobody(t, "guest", p, err)
	set.UserBase = suffix // where the anonymous see the lobby only
	_, err = ask(t, set, "ann", "secret")
	if err == nil {
		t.Error("found what only the reader may see")
	}
}

func TestWrongSettings(t *testing.T) {
	s := start(t)
	for name, x := range map[string]struct {
		change func(*Settings)
		why    string
	}{
		"reader's password": {func(s *Settings) { s.BindPassword = "wrong" }, "bind as cn=reader," + suffix + ": LDAP Result Code 49"},
		"no password":       {func(s *Settings) { s.BindPassword = "" }, "empty password"},
		"no such base":      {func(s *Settings) { s.UserBase = "ou=nowhere," + suffix }, `search below "ou=nowhere,` + suffix + `": LDAP Result Code 32`},
		"no filter":         {func(s *Settings) { s.UserFilter = " " }, `user/filter "" is no attribute`},
		"a whole filter":    {func(s *Settings) { s.UserFilter = "(|(uid=*)(cn" }, "is no attribute"},
		"no scheme":         {func(s *Settings) { s.Endpoint = "127.0.0.1:389" }, "endpoint is not like ldaps://host:port"},
		"another scheme":    {func(s *Settings) { s.Endpoint = "http://127.0.0.1" }, `endpoint has the scheme "http", which is neither ldap, ldap+tls nor ldaps`},
		"a path":            {func(s *Settings) { s.Endpoint += "/dc=example" }, "endpoint is not like"},
		"nobody there":      {func(s *Settings) { s.Endpoint = "ldap://127.0.0.1:1" }, "connection refused"},
		"verify":            {func(s *Settings) { s.Verify = "maybe" }, `verify is "maybe", neither true nor false`},
		"ca":                {func(s *Settings) { s.CA = "x" }, "ca holds no certificate in PEM"},
	} {
		set := s.settings("ldap://" + s.plain)
		x.change(&set)
		_, err := ask(t, set, "ann", "secret")
		away(t, name, err, x.why)
		if err != nil && (strings.Contains(err.Error(), "reads") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: the error tells a password: %v", name, err)
		}
	}
	for _, endpoint := range []string{"", " "} { // there is no directory, whatever else is set
		p, err := ask(t, Settings{Endpoint: endpoint, UserFilter: "("}, "ann", "secret")
		nobody(t, "no endpoint", p, err)
	}
}

func TestTLS(t *testing.T) {
	s := start(t)
	_, tlsPort, err := net.SplitHostPort(s.tls)
	if err != nil {
		t.Fatal(err)
	}
	other := start(t).ca
	const untrusted, otherName = "certificate signed by unknown authority", "certificate is valid for 127.0.0.1, not 127.0.0.2"
	for _, x := range []struct {
		endpoint, verify, ca string
		why                  string // it fails
	}{
		{"ldaps://" + s.tls, "", s.ca, ""},
		{"ldaps://localhost:" + tlsPort, "true", s.ca, ""},
		{"ldaps://" + s.tls, "", "", untrusted},
		{"ldaps://" + s.tls, "1", "", untrusted},
		{"ldaps://" + s.tls, "", other, untrusted},
		{"ldaps://" + s.tls, "false", "", ""},
		{"ldaps://" + s.tls, "0", other, ""},
		{"ldap+tls://" + s.plain, "", s.ca, ""},
		{"ldap+tls://" + s.plain, "", "", untrusted},
		{"ldap+tls://" + s.plain, "", other, untrusted},
		{"ldap+tls://" + s.plain, "FALSE", other, ""},
		{"ldap+tls://" + s.tls, "false", "", "StartTLS with "}, // not what is spoken there
		{"ldaps://" + s.plain, "false", "", "TLS with "},
	} {
		set := s.settings(x.endpoint)
		set.Verify, set.CA = x.verify, x.ca
		p, err := ask(t, set, "ann", "secret")
		switch what := x.endpoint + " verify=" + x.verify; {
		case x.why != "":
			away(t, what, err, x.why)
		case p != ann || err != nil:
			t.Errorf("%s: %+v %v", what, p, err)
		default:
			p, err := ask(t, set, "ann", "wrong")
			nobody(t, what, p, err)
		}
	}
	// The right authority, another name. It never gets to a search.
	set := s.settings("ldaps://" + s.tls)
	srv, err := set.server()
	if err != nil || srv.tls.ServerName != "127.0.0.1" || srv.tls.InsecureSkipVerify {
		t.Error(srv, err)
	}
	relay := relayTo(t, "127.0.0.2:0", s.tls)
	set.Endpoint = "ldaps://" + relay
	_, err = ask(t, set, "ann", "secret")
	away(t, "another name", err, otherName)
}

// relayTo passes connections on until the test ends.
func relayTo(t *testing.T, listen, to string) string {
	t.Helper()
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					b := make([]byte, 4096)
					for {
						n, err := pair[0].Read(b)
						if err != nil {
							pair[1].Close()
							return
						}
						if _, err := pair[1].Write(b[:n]); err != nil {
							pair[0].Close()
							return
						}
					}
				})
			}
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// silent takes connections and says nothing, until the test ends.
func silent(t *testing.T) (address string, taken *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken = &atomic.Int64{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			taken.Add(1)
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String(), taken
}

// TestReferrals: what another server would say about somebody counts nothing,
// and no password is shown to it.
func TestReferrals(t *testing.T) {
	other, taken := silent(t)
	s := start(t)
	s.write("away.ldif", "dn: ou=away,ou=people,"+suffix+"\nobjectClass: referral\nobjectClass: extensibleObject\nou: away\nref: ldap://"+other+"/ou=people,"+suffix+"\n")
	s.end()
	s.add(filepath.Join(s.dir, "away.ldif"))
	s.begin()
	set := s.settings("ldap://" + s.plain)
	if p, err := ask(t, set, "ann", "secret"); p != ann || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	p, err := ask(t, set, "elsewhere", "secret")
	nobody(t, "elsewhere", p, err)
	set.UserBase = "ou=away,ou=people," + suffix
	_, err = ask(t, set, "ann", "secret")
	away(t, "the base is a referral", err, "LDAP Result Code 10")
	if n := taken.Load(); n != 0 {
		t.Errorf("%d connections to the other server", n)
	}
}

// TestStoppedAndStarted: the log says once that it is away and once that it is
// there again, however many log in.
func TestStoppedAndStarted(t *testing.T) {
	s := start(t)
	var log buffer
	set := s.settings("ldap://" + s.plain)
	d := New(slog.New(slog.NewTextHandler(&log, nil)), func() Settings { return set })
	in := func() error {
		_, err := d.Authenticate(t.Context(), "ann", "secret")
		return err
	}
	for range 2 {
		if err := in(); err != nil {
			t.Fatal(err)
		}
	}
	if lines := logged(log.String()); len(lines) != 0 {
		t.Error(lines)
	}
	s.end()
	for range 5 {
		away(t, "stopped", in(), "connection refused")
	}
	s.begin()
	s.eventually("there again", func() bool { return in() == nil })
	if _, err := d.Authenticate(t.Context(), "ann", "wrong"); deis.KindOf(err) != deis.NotFound {
		t.Error(err)
	}
	lines := logged(log.String())
	if len(lines) != 2 || !strings.Contains(lines[0], "directory does not answer") || !strings.Contains(lines[1], "directory answers again") || strings.Contains(log.String(), "secret") {
		t.Errorf("%q", lines)
	}
}

// TestEndsWithItsContext: a server that says nothing is not waited for.
func TestEndsWithItsContext(t *testing.T) {
	address, taken := silent(t)
	for _, scheme := range []string{"ldap", "ldap+tls", "ldaps"} {
		before := taken.Load()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		set := Settings{Endpoint: scheme + "://" + address, UserBase: suffix, UserFilter: "uid"}
		go func() {
			_, err := New(quiet, func() Settings { return set }).Authenticate(ctx, "ann", "secret")
			ended <- err
		}()
		for taken.Load() == before {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// TestFewAtOnce: logins wait their turn rather than open many connections.
func TestFewAtOnce(t *testing.T) {
	address, taken := silent(t)
	set := Settings{Endpoint: "ldap://" + address, UserBase: suffix, UserFilter: "uid"}
	d := New(quiet, func() Settings { return set })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 * atOnce {
		wg.Go(func() {
			if _, err := d.Authenticate(ctx, "ann", "secret"); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for taken.Load() < atOnce {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	if n := taken.Load(); n != atOnce {
		t.Errorf("%d connections", n)
	}
}

func TestPorts(t *testing.T) {
	for endpoint, want := range map[string]string{
		"ldap://x": "x:389", "ldap+tls://x": "x:389", "ldaps://x": "x:636", "ldap://x:7": "x:7", "ldaps://[::1]/": "[::1]:636",
	} {
		if srv, err := (Settings{Endpoint: endpoint}).server(); srv.address != want || err != nil {
			t.Errorf("%s: %s %v", endpoint, srv.address, err)
		}
	}
}
