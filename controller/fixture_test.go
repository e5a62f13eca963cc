package controller_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/pgtest"
)

// matrix is a platform on which cells are tried.
type matrix struct {
	*stack
	url     string
	http    *http.Client
	db      *postgres.DB
	records func() map[string]string
	hash    string // of password
	world   *world
}

// world is what cells may use until one has changed it.
type world struct {
	own     things            // of those who ask
	foreign things            // of the stranger, and of guest, who has access to every app
	digest  map[string]string // of all that is there, nil if something was made since
}

// things are what was made for cells.
type things struct {
	n      int               // of their names
	tokens map[string]string // by user
	made   map[string]string // by what it is for
}

func newMatrix(t *testing.T) *matrix {
	s := newStack(t)
	m := &matrix{stack: s, world: &world{}, http: &http.Client{Transport: &http.Transport{}}}
	m.url, _ = s.controller()
	t.Cleanup(m.http.CloseIdleConnections)
	s.as(m.url, "root") // the first is an admin, and stays
	var err error
	m.db, err = postgres.Connect(t.Context(), quiet, func(context.Context) (postgres.Config, error) { return s.database, nil })
	s.must(err)
	t.Cleanup(m.db.Close)
	m.hash, err = m.db.PasswordHash(t.Context(), "root")
	s.must(err)
	d := s.database
	m.records = pgtest.Digests(t, fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=disable", url.PathEscape(d.User), url.PathEscape(d.Password), d.Host, d.Port, d.Name))
	m.reset(true)
	return m
}

// in is the matrix for a subtest.
func (m *matrix) in(t *testing.T) *matrix {
	inside, s := *m, *m.stack
	s.T = t
	inside.stack = &s
	return &inside
}

// reset forgets what a cell has changed: new things are made for the next.
func (m *matrix) reset(foreign bool) {
	w := m.world
	w.digest = nil
	w.own = things{n: w.own.n + 1, tokens: map[string]string{}, made: map[string]string{}}
	if foreign {
		w.foreign = things{n: w.foreign.n + 1, tokens: map[string]string{}, made: map[string]string{}}
	}
}

// of are the things among which what is called so is.
func (m *matrix) of(name string) *things {
	if strings.Contains(name, "stranger") || strings.Contains(name, "guest") {
		return &m.world.foreign
	}
	return &m.world.own
}

// register sets who may register and waits until the controller knows: nobody
// who registers badly is then answered with the code.
func (m *matrix) register(mode string, code int) {
	m.put(keys.RegistrationKey, mode)
	m.world.digest = nil
	anybody := client{url: m.url, http: m.http}
	m.eventually(func() string {
		if a := m.call(anybody, "POST", "/v1/auth/register", `{"username":"?","password":"p"}`); a.code != code {
			return a.line + " " + a.body
		}
		return ""
	})
}

// digest is all that the platform has written down.
func (m *matrix) digest() map[string]string {
	m.Helper()
	d := m.records()
	s, err := m.kv.List(m.Context(), "/deis/")
	m.must(err)
	for key, e := range s.Keys {
		d[key] = fmt.Sprint(e)
	}
	return d
}

// before is the digest before a request.
func (m *matrix) before() map[string]string {
	m.Helper()
	if m.world.digest == nil {
		m.world.digest = m.digest()
	}
	return maps.Clone(m.world.digest)
}

// unchanged fails if something is not as it was.
func (m *matrix) unchanged(before map[string]string) {
	m.Helper()
	after := m.digest()
	m.world.digest = after
	for _, where := range slices.Sorted(maps.Keys(after)) {
		if after[where] != before[where] {
			m.Errorf("%s was %q, is %q", where, before[where], after[where])
		}
		delete(before, where)
	}
	for where, what := range before {
		m.Errorf("%s was %q, is gone", where, what)
	}
}

// rest waits until nothing goes on any more behind an answer.
func (m *matrix) rest() {
	m.Helper()
	m.eventually(func() string {
		containers, err := m.db.Containers(m.Context(), "")
		m.must(err)
		destroyed, err := m.db.DestroyedApps(m.Context())
		m.must(err)
		withdrawn, err := m.kv.List(m.Context(), keys.Withdrawals)
		m.must(err)
		busy := slices.ContainsFunc(containers, func(c deis.Container) bool { return c.Phase != deis.Serving })
		if busy || len(destroyed) > 0 || len(withdrawn.Keys) > 0 {
			return fmt.Sprint(containers, destroyed, withdrawn.Keys)
		}
		return ""
	})
}

// fixture is the world as a role sees it, for a kind of object.
type fixture struct {
	*matrix
	role, object string
	client       client
}

// fixture makes the role, and what there is of the stranger's.
func (m *matrix) fixture(role, object string) fixture {
	f := fixture{m, role, object, client{url: m.url, http: m.http}}
	m.app("stranger", "stranger")
	m.key("stranger")
	m.cert("stranger")
	switch role {
	case "anonymous":
	case "builder":
		f.client.key = builderKey
	default:
		f.client = m.user(role)
	}
	if role == "owner" {
		m.app("owner", "owner") // an owner owns something
	}
	return f
}

// name is something's name in this world.
func (m *matrix) name(what string) string { return fmt.Sprintf("%s-%d", what, m.of(what).n) }

// once makes what there is one of.
func (m *matrix) once(what string, make func() string) string {
	made := m.of(what).made
	if _, ok := made[what]; !ok {
		made[what] = make()
		m.world.digest = nil
	}
	return made[what]
}

// user is a user's client.
func (m *matrix) user(name string) client {
	m.Helper()
	username := m.name(name)
	m.once("user "+name, func() string {
		_, err := m.db.CreateUser(m.Context(), deis.User{Username: username, Active: true}, m.hash)
		m.must(err)
		if name == "admin" {
			m.must(m.db.SetSuperuser(m.Context(), username, true))
		}
		token := fmt.Sprintf("%x", sha256.Sum256([]byte(rand.Text())))[:40]
		hash := sha256.Sum256([]byte(token))
		m.must(m.db.CreateToken(m.Context(), username, hash[:]))
		m.of(name).tokens[name] = token
		return username
	})
	return client{url: m.url, token: m.of(name).tokens[name], http: m.http}
}

// app is a deployed app with a domain, and with access for guest.
func (m *matrix) app(of, owner string) string {
	m.Helper()
	return m.once("app "+of, func() string {
		id, c := m.name(of+"-app"), m.user(owner)
		m.deploy(c, id)
		m.succeed(c, "POST", "/v1/apps/"+id+"/domains", map[string]string{"domain": id + ".example.org"})
		m.succeed(c, "POST", "/v1/apps/"+id+"/credentials", map[string]string{"registry": "quay.io", "username": "robot", "password": "p"})
		m.user("guest")
		m.succeed(c, "POST", "/v1/apps/"+id+"/perms", map[string]string{"username": m.name("guest")})
		return id
	})
}

// key is the id of a user's key.
func (m *matrix) key(of string) string {
	m.Helper()
	return m.once("key "+of, func() string {
		id := m.name(of + "-key")
		m.succeed(m.user(of), "POST", "/v1/keys", map[string]string{"id": id, "public": m.public(of)})
		return id
	})
}

// public is an SSH public key.
func (m *matrix) public(of string) string {
	return m.once("public "+of, func() string {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		m.must(err)
		k, err := ssh.NewPublicKey(public)
		m.must(err)
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
	})
}

// cert is the common name of a user's certificate.
func (m *matrix) cert(of string) string {
	m.Helper()
	return m.once("cert "+of, func() string {
		name := m.name(of) + ".example.info"
		chain, key := selfSigned(m.T, name)
		m.succeed(m.user(of), "POST", "/v1/certs", map[string]string{"certificate": chain, "key": key})
		return name
	})
}

// inJSON is a text as it is written between quotes.
func inJSON(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

func (m *matrix) succeed(c client, method, path string, body any) answer {
	m.Helper()
	a := m.call(c, method, path, body)
	if a.code > 299 {
		m.Fatalf("%s %s: %s %s", method, path, a.line, a.body)
	}
	return a
}

var braces = regexp.MustCompile(`\{([a-z]+(?: [a-z]+)*)(?:=([^}]*))?\}`)

// pattern is a path of the matrix as rest.Routes spells it.
func pattern(path string) string { return braces.ReplaceAllString(path, "{$1}") }

// expand fills in what is in braces.
func (f fixture) expand(text string) string {
	return braces.ReplaceAllStringFunc(text, func(found string) string {
		part := braces.FindStringSubmatch(found)
		if part[2] != "" {
			return f.value(part[2])
		}
		return f.value(part[1])
	})
}

// value is what a name stands for; a name that is none stands for itself.
func (f fixture) value(name string) string {
	f.Helper()
	byObject := func(own, foreign, missing string) string {
		return map[string]string{"own": own, "foreign": foreign, "missing": missing}[f.object]
	}
	user := func(name string) string { f.user(name); return f.name(name) }
	self := func() string {
		if f.client.token == "" {
			return user("guest")
		}
		return f.name(f.role)
	}
	switch name {
	case "self":
		return self()
	case "guest", "friend": // has access to every app; has access to none
		return user(name)
	case "nobody":
		return "nobody"
	case "object": // a user: oneself, another, none
		return byObject(self(), user("friend"), "nobody")
	case "known":
		return byObject(user("guest"), user("guest"), "nobody")
	case "password":
		return byObject(password, "wrong", password)
	case "new":
		return f.name("new")
	case "new user":
		return byObject(f.name("new"), user("guest"), "")
	case "new app":
		return byObject(f.name("new"), f.app("stranger", "stranger"), "")
	case "new key":
		return byObject(f.public("new"), f.public("stranger"), "")
	case "new cert", "new cert key": // the two belong together
		host := byObject(f.name("new")+".example.info", f.cert("stranger"), f.app("stranger", "stranger")+".example.org")
		both := f.once("pair "+host, func() string {
			chain, key := selfSigned(f.T, host)
			return inJSON(chain) + " " + inJSON(key)
		})
		i := strings.Index(both, ` -----BEGIN PRIVATE`)
		return map[string]string{"new cert": both[:i], "new cert key": both[i+1:]}[name]
	case "pusher":
		if f.role == "builder" && f.object == "foreign" {
			return user("friend")
		}
		return user("stranger")
	case "app":
		return f.ownApp()
	case "uuid":
		return f.build(f.ownApp())
	case "foreign build":
		return f.build(f.app("stranger", "stranger"))
	case "version":
		return "v2"
	case "type":
		return "web"
	case "num":
		return "1"
	case "domain":
		return f.ownApp() + ".example.org"
	case "foreign domain":
		return f.app("stranger", "stranger") + ".example.org"
	case "cn":
		if f.client.token == "" || f.object != "own" {
			return byObject("none", f.cert("stranger"), "none")
		}
		return f.cert(f.role)
	case "id":
		if f.client.token == "" || f.object != "own" {
			return byObject("none", f.key("stranger"), "none")
		}
		return f.key(f.role)
	}
	return name
}

// ownApp is the app that a cell is about.
func (f fixture) ownApp() string {
	f.Helper()
	switch {
	case f.object == "missing":
		return "missing"
	case f.object == "foreign" || f.client.token == "":
		return f.app("stranger", "stranger")
	case f.role != "collaborator":
		return f.app(f.role, f.role)
	}
	id := f.app("lent", "lender")
	f.once("lent", func() string {
		f.succeed(f.user("lender"), "POST", "/v1/apps/"+id+"/perms", map[string]string{"username": f.name("collaborator")})
		return id
	})
	return id
}

// build is the UUID of an app's build.
func (f fixture) build(app string) string {
	f.Helper()
	if app == "missing" {
		return "none"
	}
	builds, _, err := f.db.Builds(f.Context(), app, deis.Page{Size: 1, Number: 1})
	f.must(err)
	return builds[0].UUID
}

// do is call for one who asks as the fixture's role. What becomes another
// protocol is left at once.
func (f fixture) do(method, path, body string) answer {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+path, strings.NewReader(body))
	f.must(err)
	req.Header.Set("Content-Type", "application/json")
	if f.client.token != "" {
		req.Header.Set("Authorization", "token "+f.client.token)
	}
	if f.client.key != "" {
		req.Header.Set("X-Deis-Builder-Auth", f.client.key)
	}
	resp, err := f.http.Do(req)
	f.must(err)
	defer resp.Body.Close()
	a := answer{line: resp.Status, code: resp.StatusCode, header: resp.Header}
	if a.code != http.StatusSwitchingProtocols {
		text, err := io.ReadAll(resp.Body)
		f.must(err)
		a.body = string(text)
	}
	return a
}
