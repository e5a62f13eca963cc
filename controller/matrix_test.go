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
	"github.com/deis/deis/controller/rest"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/pgtest"
)

// line is a line of the permission matrix: what each role gets from a route,
// for an object of its own, of somebody else's, and that is not there.
type line struct {
	route string // as in rest.Routes; {name=value} gives a variable another value than its usual
	body  string
	cells string // see below
	odd   string // status line and body of the refusal x
	mode  string // registrationMode, empty: enabled
}

var (
	roles   = []string{"anonymous", "user", "collaborator", "owner", "admin", "builder"}
	objects = []string{"own", "foreign", "missing"}
)

// refusals are what the signs in cells mean. Besides, . is the success of the
// route, x the refusal odd, and - a cell that makes no sense.
var refusals = map[byte]string{
	'1': `401 UNAUTHORIZED {"detail":"Authentication credentials were not provided."}`,
	'3': `403 FORBIDDEN {"detail":"You do not have permission to perform this action."}`,
	'4': `404 NOT FOUND {"detail":"Not found"}`,
}

const hookBody = `{"receive_user":"{pusher}","receive_repo":"{app}","image":"{app}","sha":"0123456789","procfile":{"web":"serve"},` +
	`"fingerprint":"aa:bb","ssh_connection":"1 2 3 4","ssh_original_command":"git-receive-pack"}`

// permissions is the matrix: a route that is not here fails, as does a line
// whose route is gone. Values in braces are explained at fixture.value.
var permissions = []line{
	// each three cells: object own, foreign, missing       anon user coll own. adm. builder
	{"GET /healthz", "", ".-- .-- .-- .-- .-- .--", "", ""},
	{"GET /v1/", "", "1-- .-- .-- .-- .-- 1--", "", ""},

	{"POST /v1/auth/register", `{"username":"{new user}","password":"p"}`, ".x- .x- .x- .x- .x- .x-", `400 BAD REQUEST {"username":["This field must be unique."]}`, ""},
	{"POST /v1/auth/register", `{"username":"{new user}","password":"p"}`, "x-- x-- x-- x-- x-- x--", `403 FORBIDDEN {"detail":"Registration is disabled"}`, "disabled"},
	{"POST /v1/auth/register", `{"username":"{new user}","password":"p"}`, "x-- 3-- 3-- 3-- .-- x--", `403 FORBIDDEN {"detail":"Authentication credentials were not provided."}`, "admin_only"},
	{"POST /v1/auth/login/", `{"username":"{known}","password":"{password}"}`, ".xx .xx .xx .xx .xx .xx", `400 BAD REQUEST {"non_field_errors":["Unable to log in with provided credentials."]}`, ""},
	{"DELETE /v1/auth/cancel", "", "1-- .-- .-- x-- .-- 1--", `409 CONFLICT {"detail":"{self} still has applications assigned. Delete or transfer ownership"}`, ""},
	{"DELETE /v1/auth/cancel", `{"username":"{object}"}`, "111 .33 .33 x33 ..4 111", `409 CONFLICT {"detail":"{self} still has applications assigned. Delete or transfer ownership"}`, ""},
	{"POST /v1/auth/passwd", `{"username":"{object}","password":"correct horse","new_password":"n"}`, "111 .33 .33 .33 ..4 111", "", ""},
	{"POST /v1/auth/passwd", `{"password":"wrong","new_password":"n"}`, "1-- x-- x-- x-- x-- 1--", `400 BAD REQUEST {"detail":"Current password does not match"}`, ""},
	{"POST /v1/auth/tokens/", "", "1-- .-- .-- .-- .-- 1--", "", ""},
	{"POST /v1/auth/tokens/", `{"username":"{object}"}`, "111 333 333 333 ..4 111", "", ""},
	{"POST /v1/auth/tokens/", `{"all":true}`, "1-- 3-- 3-- 3-- .-- 1--", "", ""},

	{"GET /v1/apps", "", "1-- .-- .-- .-- .-- 1--", "", ""},
	{"POST /v1/apps", `{"id":"{new app}"}`, "11- .x- .x- .x- .x- 11-", `400 BAD REQUEST {"id":["This field must be unique."]}`, ""},
	{"GET /v1/apps/{app}", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}", `{"owner":"{friend}"}`, "111 .34 334 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}", `{"owner":"{nobody}"}`, "111 434 334 434 444 111", "", ""},
	{"DELETE /v1/apps/{app}", "", "111 .34 334 .34 ..4 111", "", ""},

	{"GET /v1/apps/{app}/config", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/config", `{"values":{"A":"2"}}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/builds", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/builds", `{"image":"nginx"}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/builds/{uuid}", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/builds/{uuid=foreign build}", "", "111 434 434 434 4.4 111", "", ""},
	{"GET /v1/apps/{app}/releases", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/releases/{version}", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/releases/{version=v99}", "", "111 434 434 434 444 111", "", ""},
	{"POST /v1/apps/{app}/releases/rollback", `{"version":2}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/releases/rollback", `{"version":99}`, "111 434 434 434 444 111", "", ""},

	{"GET /v1/apps/{app}/containers", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/containers/{type}", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/containers/{type}/{num}", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/containers/{type}/{num=99}", "", "111 434 434 434 444 111", "", ""},
	{"POST /v1/apps/{app}/containers/restart", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/containers/{type}/restart", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/containers/{type}/{num}/restart", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/scale", `{"web":2}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/run", `{"command":"ls"}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"GET /v1/apps/{app}/logs", "", "111 .34 .34 .34 ..4 111", "", ""},

	{"GET /v1/apps/{app}/domains", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/domains", `{"domain":"{new}.example.net"}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/domains", `{"domain":"{foreign domain}"}`, "111 x34 x34 x34 x-4 111", `400 BAD REQUEST {"domain":["The domain {foreign domain} is already in use by another app"]}`, ""},
	{"DELETE /v1/apps/{app}/domains/{domain}", "", "111 .34 334 .34 ..4 111", "", ""},
	{"DELETE /v1/apps/{app}/domains/{domain=foreign domain}", "", "111 434 334 434 4.4 111", "", ""},

	{"GET /v1/apps/{app}/perms", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/perms", `{"username":"{friend}"}`, "111 .34 334 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/perms", `{"username":"{nobody}"}`, "111 434 334 434 444 111", "", ""},
	{"DELETE /v1/apps/{app}/perms/{username=guest}", "", "111 .34 334 .34 ..4 111", "", ""},
	{"DELETE /v1/apps/{app}/perms/{username=self}", "", "111 334 .34 334 334 111", "", ""}, // only who has a grant
	{"DELETE /v1/apps/{app}/perms/{username=nobody}", "", "111 434 334 434 444 111", "", ""},

	// What is one's own, admins' too.
	{"GET /v1/keys", "", "1-- .-- .-- .-- .-- 1--", "", ""},
	{"POST /v1/keys", `{"id":"new","public":"{new key}"}`, "11- .x- .x- .x- .x- 11-", `400 BAD REQUEST {"public":["This field must be unique."]}`, ""},
	{"GET /v1/keys/{id}", "", "111 .44 .44 .44 .44 111", "", ""},
	{"DELETE /v1/keys/{id}", "", "111 .44 .44 .44 .44 111", "", ""},

	{"GET /v1/admin/perms", "", "1-- 3-- 3-- 3-- .-- 1--", "", ""},
	{"POST /v1/admin/perms", `{"username":"{object}"}`, "111 333 333 333 ..4 111", "", ""},
	{"DELETE /v1/admin/perms/{username=object}", "", "111 333 333 333 ..4 111", "", ""},
	{"GET /v1/users", "", "1-- 3-- 3-- 3-- .-- 1--", "", ""},

	// For the builder the object is foreign if who pushes may not.
	{"POST /v1/hooks/push", hookBody, "111 333 333 333 333 .34", "", ""},
	{"POST /v1/hooks/config", hookBody, "111 333 333 333 333 .34", "", ""},
	{"POST /v1/hooks/build", hookBody, "111 333 333 333 333 .34", "", ""},
	{"POST /v1/hooks/builds", hookBody, "111 333 333 333 333 .34", "", ""},
	{"POST /v1/hooks/config", `{"receive_user":"{nobody}","receive_repo":"{app}"}`, "1-- 3-- 3-- 3-- 3-- 4--", "", ""},
}

// wantCells is how many cells there must be at least.
const wantCells = 440

func TestPermissions(t *testing.T) {
	m := newMatrix(t)
	byRoute := map[string]rest.Route{}
	for _, r := range rest.Routes() {
		byRoute[r.Method+" "+r.Pattern] = r
	}
	shown, cells := map[string]bool{}, 0
	for _, l := range permissions {
		method, path, _ := strings.Cut(l.route, " ")
		route, ok := byRoute[method+" "+pattern(path)]
		if !ok {
			t.Errorf("%s: there is no such route", l.route)
			continue
		}
		shown[method+" "+route.Pattern] = true
		signs := strings.ReplaceAll(l.cells, " ", "")
		if len(signs) != len(roles)*len(objects) {
			t.Errorf("%s: %d cells in %q", l.route, len(signs), l.cells)
			continue
		}
		m.reset()
		if l.mode != "" {
			m.register(l.mode, http.StatusForbidden)
		}
		for i := range signs {
			role, object, sign := roles[i/len(objects)], objects[i%len(objects)], signs[i]
			if sign == '-' {
				continue
			}
			cells++
			t.Run(fmt.Sprintf("%s %s/%s/%s", l.route, l.mode, role, object), func(t *testing.T) {
				m.in(t).check(l, route, role, object, sign)
			})
		}
		if l.mode != "" {
			m.register("enabled", http.StatusBadRequest)
		}
	}
	for route := range byRoute {
		if !shown[route] {
			t.Errorf("%s: nobody says who may", route)
		}
	}
	if cells < wantCells {
		t.Errorf("%d cells, want %d", cells, wantCells)
	}
	t.Log(cells, "cells")
}

// TestMethods asks every path for what it does not have.
func TestMethods(t *testing.T) {
	m := newMatrix(t)
	methods := map[string][]string{} // by pattern, of the matrix: it is checked against the routes
	var patterns []string
	for _, l := range permissions {
		method, path, _ := strings.Cut(l.route, " ")
		p := pattern(path)
		if methods[p] == nil {
			patterns = append(patterns, p)
		}
		methods[p] = append(methods[p], method)
	}
	for _, p := range patterns {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if slices.Contains(methods[p], strings.Replace(method, "HEAD", "GET", 1)) {
				continue
			}
			for _, role := range []string{"anonymous", "owner", "builder"} {
				t.Run(method+" "+p+"/"+role, func(t *testing.T) { m.in(t).refuse(method, p, methods[p], role) })
			}
		}
	}
}

// refuse asks for a method that a path does not have. Who may not know the
// path is told that first.
func (m *matrix) refuse(method, pattern string, has []string, role string) {
	f := m.fixture(role, "own")
	path := f.expand(strings.Replace(pattern, "{username}", "{username=guest}", 1))
	before := m.digest()
	got := f.do(method, path, "{}")
	want, allow := fmt.Sprintf(`405 METHOD NOT ALLOWED {"detail":"Method '%s' not allowed."}`, method), allowed(has)
	open := strings.HasPrefix(pattern, "/v1/auth/register") || strings.HasPrefix(pattern, "/v1/auth/login") || pattern == "/healthz"
	switch {
	case pattern == "/healthz":
		want, allow = "405 METHOD NOT ALLOWED ", "GET, HEAD"
	case open:
	case strings.HasPrefix(pattern, "/v1/hooks/") && role == "owner":
		want = refusals['3']
	case role == "anonymous" || role == "builder" && !strings.HasPrefix(pattern, "/v1/hooks/"):
		want = refusals['1']
	}
	if method == "OPTIONS" && strings.HasPrefix(want, "405") && pattern != "/healthz" {
		want = `200 OK {"name":"` + pattern + `","renders":["application/json"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}`
	}
	if method == "HEAD" {
		status, _, _ := strings.Cut(want, "{")
		want = status
	}
	if answered := got.line + " " + got.body; answered != want || got.header.Get("Allow") != allow {
		m.Errorf("%s, allows %s; want %s, %s", answered, got.header.Get("Allow"), want, allow)
	}
	m.unchanged(before)
}

// allowed is the Allow header of a path with these methods.
func allowed(has []string) string {
	var out []string
	for _, method := range []string{"GET", "POST", "DELETE"} {
		if slices.Contains(has, method) {
			out = append(out, method)
		}
	}
	if slices.Contains(has, "GET") {
		out = append(out, "HEAD")
	}
	return strings.Join(append(out, "OPTIONS"), ", ")
}

// check asks as a role and compares the answer with what the matrix says. What
// is refused, and what only reads, must have changed nothing.
func (m *matrix) check(l line, route rest.Route, role, object string, sign byte) {
	f := m.fixture(role, object)
	path, body, odd := f.expand(l.route[len(route.Method)+1:]), f.expand(l.body), f.expand(l.odd)
	before := m.digest()
	got := f.do(route.Method, path, body)
	if sign == '.' {
		if want := fmt.Sprintf("%d %s", route.Status, strings.ToUpper(http.StatusText(route.Status))); got.line != want {
			m.Fatalf("%s %s: %s %s, want %s", route.Method, path, got.line, got.body, want)
		}
		m.hides(route, role, object, got)
		if route.Method != http.MethodGet {
			m.reset()
			m.rest()
			return
		}
	} else {
		want := refusals[sign]
		if sign == 'x' {
			want = odd
		}
		if answered := got.line + " " + got.body; answered != want {
			m.Errorf("%s %s: %s, want %s", route.Method, path, answered, want)
		}
		if challenge := got.header.Get("WWW-Authenticate"); (challenge == "Token") != (got.code == http.StatusUnauthorized) {
			m.Errorf("%s with challenge %q", got.line, challenge)
		}
	}
	if route.Method == http.MethodGet && route.Status != http.StatusSwitchingProtocols {
		if head := f.do(http.MethodHead, path, ""); head.line != got.line || head.body != "" {
			m.Errorf("HEAD: %s %q, GET: %s", head.line, head.body, got.line)
		}
	}
	m.unchanged(before)
}

// hides checks that an answer about one's own names nothing of the stranger's.
func (m *matrix) hides(route rest.Route, role, object string, got answer) {
	personal := strings.HasPrefix(route.Pattern, "/v1/keys") || strings.HasPrefix(route.Pattern, "/v1/certs")
	all := role == "builder" || role == "admin" && !personal
	if object == "own" && !all && strings.Contains(got.body, "stranger") {
		m.Errorf("%s shows %s", route.Pattern, got.body)
	}
}

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
	n      int
	tokens map[string]string // by user
	made   map[string]string // what there is, by what it is for
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
	m.reset()
	return m
}

// in is the matrix for a subtest.
func (m *matrix) in(t *testing.T) *matrix {
	inside, s := *m, *m.stack
	s.T = t
	inside.stack = &s
	return &inside
}

// reset begins a new world: nothing in it has been touched.
func (m *matrix) reset() {
	*m.world = world{n: m.world.n + 1, tokens: map[string]string{}, made: map[string]string{}}
}

// register sets who may register and waits until the controller knows: nobody
// who registers badly is then answered with the code.
func (m *matrix) register(mode string, code int) {
	m.put(keys.RegistrationKey, mode)
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

// unchanged fails if something is not as it was.
func (m *matrix) unchanged(before map[string]string) {
	m.Helper()
	after := m.digest()
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
func (m *matrix) name(of string) string { return fmt.Sprintf("%s-%d", of, m.world.n) }

// once makes what there is one of in this world.
func (m *matrix) once(what string, make func() string) string {
	if _, ok := m.world.made[what]; !ok {
		m.world.made[what] = make()
	}
	return m.world.made[what]
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
		m.world.tokens[name] = token
		return username
	})
	return client{url: m.url, token: m.world.tokens[name], http: m.http}
}

// app is a deployed app with a domain, and with access for guest.
func (m *matrix) app(of, owner string) string {
	m.Helper()
	return m.once("app "+of, func() string {
		id, c := m.name(of+"-app"), m.user(owner)
		m.deploy(c, id)
		m.succeed(c, "POST", "/v1/apps/"+id+"/domains", map[string]string{"domain": id + ".example.org"})
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

func (m *matrix) succeed(c client, method, path string, body any) answer {
	m.Helper()
	a := m.call(c, method, path, body)
	if a.code > 299 {
		m.Fatalf("%s %s: %s %s", method, path, a.line, a.body)
	}
	return a
}

var braces = regexp.MustCompile(`\{([a-z]+(?: [a-z]+)?)(?:=([^}]*))?\}`)

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
