package controller_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/deis/deis/controller/rest"
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
	// Here, as nobody but the owner has got an app yet.
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
	{"GET /v1/apps/{app}/run/stream", "", "111 x34 x34 x34 xx4 111", `426 UPGRADE REQUIRED {"detail":"This takes a WebSocket."}`, ""}, // else who may is let in
	{"GET /v1/apps/{app}/logs", "", "111 .34 .34 .34 ..4 111", "", ""},

	{"GET /v1/apps/{app}/domains", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/domains", `{"domain":"{new}.example.net"}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/domains", `{"domain":"{foreign domain}"}`, "111 x34 x34 x34 x-4 111", `400 BAD REQUEST {"domain":["The domain {foreign domain} is already in use by another app"]}`, ""},
	{"DELETE /v1/apps/{app}/domains/{domain}", "", "111 .34 334 .34 ..4 111", "", ""},
	{"DELETE /v1/apps/{app}/domains/{domain=foreign domain}", "", "111 434 334 434 4.4 111", "", ""},

	{"GET /v1/apps/{app}/credentials", "", "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/credentials", `{"registry":"ghcr.io","username":"robot","password":"p"}`, "111 .34 .34 .34 ..4 111", "", ""},
	{"POST /v1/apps/{app}/credentials", `{"registry":"127.0.0.1:5000","username":"robot","password":"p"}`, "111 x34 x34 x34 xx4 111", `400 BAD REQUEST {"registry":["The registry 127.0.0.1:5000 is the platform's own."]}`, ""},
	{"DELETE /v1/apps/{app}/credentials/{registry=quay.io}", "", "111 .34 334 .34 ..4 111", "", ""},
	{"DELETE /v1/apps/{app}/credentials/{registry=ghcr.io}", "", "111 434 334 434 444 111", "", ""},

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

	{"GET /v1/certs", "", "1-- .-- .-- .-- .-- 1--", "", ""},
	{"POST /v1/certs", `{"certificate":"{new cert}","key":"{new cert key}"}`, "11- .x- .x- .x- .x- 11-", `400 BAD REQUEST {"common_name":["This field must be unique."]}`, ""},
	{"POST /v1/certs", `{"certificate":"{new cert}","key":"{new cert key}"}`, "--1 --x --x --x --. --1", `400 BAD REQUEST {"common_name":["The domain {foreign domain} is already in use by another app"]}`, ""}, // for a stranger's domain
	{"GET /v1/certs/{cn}", "", "111 .44 .44 .44 .44 111", "", ""},
	{"DELETE /v1/certs/{cn}", "", "111 .44 .44 .44 .44 111", "", ""},

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
	before := m.before()
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
	before := m.before()
	got := f.do(route.Method, path, body)
	if sign == '.' {
		if want := fmt.Sprintf("%d %s", route.Status, strings.ToUpper(http.StatusText(route.Status))); got.line != want {
			m.Fatalf("%s %s: %s %s, want %s", route.Method, path, got.line, got.body, want)
		}
		m.hides(route, role, object, got)
		if route.Method != http.MethodGet {
			m.reset(object != "own" || role == "builder" || strings.Contains(body, `"all"`))
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
