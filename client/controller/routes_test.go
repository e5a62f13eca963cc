package controller

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// routes are the API's endpoints, each with the method that calls it.
var routes = map[string]struct {
	method string
	call   func(context.Context, *Client) error
}{
	"GET /v1":                           {"Probe", func(ctx context.Context, c *Client) error { _, _ = c.Probe(ctx); return nil }}, // what is not 401 is no controller's
	"POST /v1/auth/register":            {"Register", func(ctx context.Context, c *Client) error { return c.Register(ctx, Registration{}) }},
	"POST /v1/auth/login":               {"Login", func(ctx context.Context, c *Client) error { _, err := c.Login(ctx, "u", "p"); return err }},
	"DELETE /v1/auth/cancel":            {"CancelUser", func(ctx context.Context, c *Client) error { return c.CancelUser(ctx, "") }},
	"POST /v1/auth/passwd":              {"SetPassword", func(ctx context.Context, c *Client) error { return c.SetPassword(ctx, Passwd{}) }},
	"POST /v1/auth/tokens":              {"Regenerate", func(ctx context.Context, c *Client) error { _, err := c.Regenerate(ctx); return err }},
	"POST /v1/auth/tokens?username":     {"RegenerateUser", func(ctx context.Context, c *Client) error { return c.RegenerateUser(ctx, "u") }},
	"POST /v1/auth/tokens?all":          {"RegenerateAll", func(ctx context.Context, c *Client) error { return c.RegenerateAll(ctx) }},
	"GET /v1/users":                     {"ListUsers", func(ctx context.Context, c *Client) error { _, err := c.ListUsers(ctx, 1); return err }},
	"GET /v1/admin/perms":               {"ListAdmins", func(ctx context.Context, c *Client) error { _, err := c.ListAdmins(ctx, 1); return err }},
	"POST /v1/admin/perms":              {"GrantAdmin", func(ctx context.Context, c *Client) error { return c.GrantAdmin(ctx, "u") }},
	"DELETE /v1/admin/perms/{username}": {"RevokeAdmin", func(ctx context.Context, c *Client) error { return c.RevokeAdmin(ctx, "{username}") }},
	"GET /v1/keys":                      {"ListKeys", func(ctx context.Context, c *Client) error { _, err := c.ListKeys(ctx, 1); return err }},
	"POST /v1/keys":                     {"AddKey", func(ctx context.Context, c *Client) error { return c.AddKey(ctx, "id", "public") }},
	"GET /v1/keys/{id}":                 {"Key", func(ctx context.Context, c *Client) error { _, err := c.Key(ctx, "{id}"); return err }},
	"DELETE /v1/keys/{id}":              {"RemoveKey", func(ctx context.Context, c *Client) error { return c.RemoveKey(ctx, "{id}") }},
	"GET /v1/certs":                     {"ListCerts", func(ctx context.Context, c *Client) error { _, err := c.ListCerts(ctx, 1); return err }},
	"POST /v1/certs":                    {"CreateCert", func(ctx context.Context, c *Client) error { return c.CreateCert(ctx, NewCert{}) }},
	"GET /v1/certs/{cn}":                {"Cert", func(ctx context.Context, c *Client) error { _, err := c.Cert(ctx, "{cn}"); return err }},
	"DELETE /v1/certs/{cn}":             {"RemoveCert", func(ctx context.Context, c *Client) error { return c.RemoveCert(ctx, "{cn}") }},
	"GET /v1/apps":                      {"ListApps", func(ctx context.Context, c *Client) error { _, err := c.ListApps(ctx, 1); return err }},
	"POST /v1/apps":                     {"CreateApp", func(ctx context.Context, c *Client) error { _, err := c.CreateApp(ctx, ""); return err }},
	"GET /v1/apps/{app}":                {"App", func(ctx context.Context, c *Client) error { _, err := c.App(ctx, "{app}"); return err }},
	"POST /v1/apps/{app}":               {"TransferApp", func(ctx context.Context, c *Client) error { return c.TransferApp(ctx, "{app}", "u") }},
	"DELETE /v1/apps/{app}":             {"DestroyApp", func(ctx context.Context, c *Client) error { return c.DestroyApp(ctx, "{app}") }},
	"GET /v1/apps/{app}/logs": {"Logs", func(ctx context.Context, c *Client) error {
		b, err := c.Logs(ctx, "{app}", LogOptions{})
		closed(b)
		return err
	}},
	"GET /v1/apps/{app}/logs?follow": {"FollowLogs", func(ctx context.Context, c *Client) error {
		for _, err := range c.FollowLogs(ctx, "{app}", FollowOptions{}) {
			if !errors.Is(err, ErrNoFollow) { // as this controller's answer has no position
				return fmt.Errorf("not refused: %w", err)
			}
		}
		return nil
	}},
	"GET /v1/apps/{app}/run/stream": {"Attend", func(ctx context.Context, c *Client) error {
		_, err := c.Attend(ctx, "{app}", RunStart{Command: "ls"})
		if errors.Is(err, ErrNoAttend) { // as this controller knows no WebSockets
			return nil
		}
		return fmt.Errorf("not refused: %w", err)
	}},
	"POST /v1/apps/{app}/run":   {"Run", func(ctx context.Context, c *Client) error { _, err := c.Run(ctx, "{app}", "ls"); return err }},
	"GET /v1/apps/{app}/config": {"Config", func(ctx context.Context, c *Client) error { _, err := c.Config(ctx, "{app}"); return err }},
	"POST /v1/apps/{app}/config": {"ChangeConfig", func(ctx context.Context, c *Client) error {
		_, err := c.ChangeConfig(ctx, "{app}", ConfigChange{})
		return err
	}},
	"GET /v1/apps/{app}/builds":             {"ListBuilds", func(ctx context.Context, c *Client) error { _, err := c.ListBuilds(ctx, "{app}", 1); return err }},
	"POST /v1/apps/{app}/builds":            {"CreateBuild", func(ctx context.Context, c *Client) error { return c.CreateBuild(ctx, "{app}", NewBuild{}) }},
	"GET /v1/apps/{app}/builds/{uuid}":      {"Build", func(ctx context.Context, c *Client) error { _, err := c.Build(ctx, "{app}", "{uuid}"); return err }},
	"GET /v1/apps/{app}/releases":           {"ListReleases", func(ctx context.Context, c *Client) error { _, err := c.ListReleases(ctx, "{app}", 1); return err }},
	"GET /v1/apps/{app}/releases/{version}": {"Release", func(ctx context.Context, c *Client) error { _, err := c.Release(ctx, "{app}", 7); return err }},
	"POST /v1/apps/{app}/releases/rollback": {"Rollback", func(ctx context.Context, c *Client) error { _, err := c.Rollback(ctx, "{app}", nil); return err }},
	"GET /v1/apps/{app}/containers":         {"ListContainers", func(ctx context.Context, c *Client) error { _, err := c.ListContainers(ctx, "{app}", 1); return err }},
	"GET /v1/apps/{app}/containers/{type}": {"ListContainersOf", func(ctx context.Context, c *Client) error {
		_, err := c.ListContainersOf(ctx, "{app}", "{type}", 1)
		return err
	}},
	"GET /v1/apps/{app}/containers/{type}/{num}": {"Container", func(ctx context.Context, c *Client) error {
		_, err := c.Container(ctx, "{app}", "{type}", 7)
		return err
	}},
	"POST /v1/apps/{app}/containers/restart": {"Restart", func(ctx context.Context, c *Client) error { _, err := c.Restart(ctx, "{app}", "", nil); return err }},
	"POST /v1/apps/{app}/containers/{type}/restart": {"Restart", func(ctx context.Context, c *Client) error {
		_, err := c.Restart(ctx, "{app}", "{type}", nil)
		return err
	}},
	"POST /v1/apps/{app}/containers/{type}/{num}/restart": {"Restart", func(ctx context.Context, c *Client) error {
		n := 7
		_, err := c.Restart(ctx, "{app}", "{type}", &n)
		return err
	}},
	"POST /v1/apps/{app}/scale":              {"Scale", func(ctx context.Context, c *Client) error { return c.Scale(ctx, "{app}", nil) }},
	"GET /v1/apps/{app}/domains":             {"ListDomains", func(ctx context.Context, c *Client) error { _, err := c.ListDomains(ctx, "{app}", 1); return err }},
	"POST /v1/apps/{app}/domains":            {"AddDomain", func(ctx context.Context, c *Client) error { return c.AddDomain(ctx, "{app}", "d") }},
	"DELETE /v1/apps/{app}/domains/{domain}": {"RemoveDomain", func(ctx context.Context, c *Client) error { return c.RemoveDomain(ctx, "{app}", "{domain}") }},
	"GET /v1/apps/{app}/perms":               {"AppPerms", func(ctx context.Context, c *Client) error { _, err := c.AppPerms(ctx, "{app}"); return err }},
	"POST /v1/apps/{app}/perms":              {"GrantApp", func(ctx context.Context, c *Client) error { return c.GrantApp(ctx, "{app}", "u") }},
	"GET /v1/apps/{app}/credentials":         {"ListCredentials", func(ctx context.Context, c *Client) error { _, err := c.ListCredentials(ctx, "{app}", 1); return err }},
	"POST /v1/apps/{app}/credentials": {"SetCredential", func(ctx context.Context, c *Client) error {
		_, err := c.SetCredential(ctx, "{app}", "quay.io", "u", "p")
		return err
	}},
	"DELETE /v1/apps/{app}/credentials/{registry}": {"RemoveCredential", func(ctx context.Context, c *Client) error {
		return c.RemoveCredential(ctx, "{app}", "{registry}")
	}},
	"DELETE /v1/apps/{app}/perms/{username}": {"RevokeApp", func(ctx context.Context, c *Client) error { return c.RevokeApp(ctx, "{app}", "{username}") }},
}

// notCalled are the endpoints that no method is for, and why.
var notCalled = map[string]string{
	"GET /healthz":          "for who watches over the controller",
	"POST /v1/hooks/push":   "the builder's",
	"POST /v1/hooks/config": "the builder's",
	"POST /v1/hooks/build":  "the builder's",
	"POST /v1/hooks/builds": "the builder's",
}

func closed(b io.Closer) {
	if b != nil {
		_ = b.Close()
	}
}

// TestRoutes: there is a method for every endpoint of docs/api.md, and it calls
// that one.
func TestRoutes(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var endpoints []string
	for _, m := range regexp.MustCompile("(?m)^### `([A-Z]+ [^`]+)`$").FindAllStringSubmatch(string(page), -1) {
		endpoints = append(endpoints, strings.TrimSuffix(m[1], "/"))
	}
	if len(endpoints) < 40 {
		t.Fatalf("docs/api.md has %d endpoints", len(endpoints))
	}
	for _, e := range endpoints {
		_, called := routes[e]
		_, excepted := notCalled[e]
		if called == excepted {
			t.Errorf("%s: has a method: %v, is an exception: %v", e, called, excepted)
		}
	}
	for e := range notCalled {
		if !slices.Contains(endpoints, e) {
			t.Errorf("%s is not in docs/api.md", e)
		}
	}
	var last string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.Method + " " + strings.TrimSuffix(r.URL.Path, "/")
		answer := `{"id":"x","uuid":"u","token":"t","common_name":"x","version":1,"results":[]}`
		switch {
		case strings.HasSuffix(last, "/restart"):
			answer = "[]"
		case strings.HasSuffix(last, "/run"):
			answer = `[0,""]`
		case strings.HasPrefix(last, "GET /v1/certs/"):
			answer = `{"common_name":"x"}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	c := client(t, Options{URL: srv.URL, Token: "t"})
	methods := map[string]bool{"URL": true, "FollowLogs": true, "Attend": true} // no request, or more than one; tested elsewhere
	for route, r := range routes {
		methods[r.method] = true
		endpoint, _, _ := strings.Cut(route, "?")
		if !slices.Contains(endpoints, endpoint) {
			t.Errorf("%s is not in docs/api.md", endpoint)
		}
		last = ""
		if err := r.call(t.Context(), c); err != nil {
			t.Errorf("%s: %v", r.method, err)
		}
		if want := strings.NewReplacer("{version}", "v7", "{num}", "7").Replace(endpoint); last != want {
			t.Errorf("%s asks for %s, want %s", r.method, last, want)
		}
	}
	for typ, i := reflect.TypeFor[*Client](), 0; i < typ.NumMethod(); i++ {
		if !methods[typ.Method(i).Name] {
			t.Errorf("%s is not among the routes", typ.Method(i).Name)
		}
	}
}

func TestNext(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.RequestURI)
		next := `"https://elsewhere.example.com/v1/apps/?page_size=1\u0026page=2"`
		if r.URL.Query().Get("page") == "2" {
			next = "null"
		}
		_, _ = io.WriteString(w, `{"count":2,"next":`+next+`,"previous":null,"results":[{"id":"x"}]}`)
	}))
	defer srv.Close()
	c := client(t, Options{URL: srv.URL})
	n := 0
	page, err := c.ListApps(t.Context(), 1)
	for err == nil && len(page.Results) > 0 {
		n += len(page.Results)
		page, err = Next(t.Context(), c, page)
	}
	if want := []string{"/v1/apps/?page_size=1", "/v1/apps/?page_size=1&page=2"}; err != nil || n != 2 || page.Count != 2 || !slices.Equal(asked, want) {
		t.Errorf("%d, %v, %q", n, err, asked)
	}
	asked = nil
	for _, led := range []string{"x:.example.com/v1/", "http://x/other/", "\x00"} { // nowhere else with the token
		if _, err := Next(t.Context(), c, Page[App]{Next: &led}); err == nil || len(asked) > 0 {
			t.Errorf("%q: %v, %q", led, err, asked)
		}
	}
}

// TestDocumentation: everything that is exported says what it is.
func TestDocumentation(t *testing.T) {
	files := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	pkg, err := doc.NewFromFiles(files, parsed, "github.com/deis/deis/client/controller")
	if err != nil {
		t.Fatal(err)
	}
	funcs := pkg.Funcs
	values := slices.Concat(pkg.Consts, pkg.Vars)
	for _, typ := range pkg.Types {
		funcs = slices.Concat(funcs, typ.Funcs, typ.Methods)
		values = slices.Concat(values, typ.Consts, typ.Vars)
		if typ.Doc == "" && typ.Decl.Doc == nil {
			t.Errorf("type %s says nothing", typ.Name)
		}
	}
	for _, f := range funcs {
		if f.Doc == "" && f.Name != "Unwrap" && f.Name != "Error" && f.Name != "Read" {
			t.Errorf("%s%s says nothing", f.Recv, f.Name)
		}
	}
	for _, v := range values {
		for _, spec := range v.Decl.Specs {
			if spec := spec.(*ast.ValueSpec); v.Doc == "" && spec.Doc == nil && spec.Comment == nil {
				t.Errorf("%v says nothing", spec.Names)
			}
		}
	}
	if len(funcs) < 40 {
		t.Errorf("%d functions and methods", len(funcs))
	}
}
