package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

// scenario is one that Deis v1's own tests played (spec section 9), under its
// name there. Where v1 was wrong it asserts what is better.
type scenario struct {
	name string
	play func(*stage)
}

// groups are the scenarios by the names that spec section 9 gives to v1's tests.
var groups = map[string][]scenario{
	"middleware":  middlewareScenarios,
	"app":         appScenarios,
	"auth":        authScenarios,
	"build":       buildScenarios,
	"certificate": certificateScenarios,
	"config":      configScenarios,
	"container":   containerScenarios,
	"domain":      domainScenarios,
	"healthz":     healthzScenarios,
	"hooks":       hooksScenarios,
	"key":         keyScenarios,
	"limits":      limitsScenarios,
	"perms":       permsScenarios,
	"release":     releaseScenarios,
	"scheduler":   schedulerScenarios,
	"users":       usersScenarios,
}

// specScenarios are all of spec section 9.
const specScenarios = `
middleware: version_header_good version_header_bad version_header_not_present
app: app response_data app_override_id app_actions release_notes_in_logs app_errors reserved_names structure_is_valid_json
 admin_can_manage_other_apps admin_can_see_other_apps run_without_auth run_without_release_should_error
 unauthorized_user_cannot_see_app info_not_showing_wrong_app app_transfer
auth: auth registration_disabled admin_only_fails_if_not_admin admin_only_works nonexistant_mode cancel passwd change_user_passwd regenerate
build: build response_data build_default_containers build_str admin_can_create_builds_on_other_apps unauthorized
 new_build_does_not_scale_up_automatically
certificate: create_with_domain wildcard different_common_name get_screens_data denied_requests delete
config: config overlapping_config response_data types_converted set_same_key set_unicode config_str valid_config_keys
 invalid_config_keys admin limit_memory limit_cpu tags owner_is_requesting_user unauthorized healthcheck_good healthcheck_bad
 backoff_interval initial_delay timeout connection_error
container: state_good state_protected api_heroku api_docker container_release container_errors container_str command_format
 scale_errors admin scale_without_build command_good run_command_good scaling_does_not_add_run_proctypes scale_unauthorized
 modified_procfile_removes_containers restart_containers prune_old_containers
domain: response_data manage_domain delete_does_not_remove_latest delete_does_not_remove_others invalid_app invalid_domain
 wildcard admin unauthorized
healthz: healthz
hooks: push_hook push_abuse build_hook build_hook_procfile build_hook_dockerfile config_hook admin_can_hook
key: rsa ecdsa bad_key rsa_duplicate ecdsa_duplicate key_str fingerprint non_superuser_rsa non_superuser_ecdsa
limits: memory
perms: first_signup list create delete app_create app_create_errors app_delete app_list app_admin_can_list app_list_errors
 app_unauthorized collaborator_cannot_share
release: release response_data rollback release_str summary admin unauthorized_rollback
scheduler: create start restart destroy build config run
users: list others
registry: publish_release build pull push tag strip_prefix
web: account dashboard apps support gravatar`

// elsewhere are scenarios that other packages play, or that the specification
// leaves out.
var elsewhere = map[string]struct {
	tests string // folder and name of the test that plays it, or
	why   string // there is none
}{
	"build/build_str":          {why: "the text of a row in v1's own language; nothing prints it"},
	"config/config_str":        {why: "the text of a row in v1's own language; nothing prints it"},
	"release/release_str":      {why: "the text of a row in v1's own language; nothing prints it"},
	"key/key_str":              {why: "the text of a row in v1's own language; nothing prints it"},
	"config/backoff_interval":  {tests: "../publisher/announce TestHealthCheck"}, // the publisher checks, and more often than v1
	"registry/publish_release": {tests: "images TestImagesThatAreNotAllowed"},
	"registry/build":           {tests: "images TestReleaseOfAPushedBuild"},
	"registry/pull":            {tests: "images TestReleaseOfAnImageFromElsewhere"},
	"registry/push":            {tests: "images TestReleaseAsksLittle"},
	"registry/tag":             {tests: "images TestReleaseOfAPushedBuild"},
	"registry/strip_prefix":    {tests: "images TestReleaseOfAnImageFromElsewhere"},
	"web/account":              {why: "spec section 6: the web pages may be left out, and are"},
	"web/dashboard":            {why: "spec section 6: the web pages may be left out, and are"},
	"web/apps":                 {why: "spec section 6: the web pages may be left out, and are"},
	"web/support":              {why: "spec section 6: the web pages may be left out, and are"},
	"web/gravatar":             {why: "spec section 6: the web pages may be left out, and are"},
}

// Every scenario of the specification is played, here or elsewhere, once.
func TestScenarios(t *testing.T) {
	var want []string
	group := ""
	for _, word := range strings.Fields(specScenarios) {
		if name, ok := strings.CutSuffix(word, ":"); ok {
			group = name
			continue
		}
		want = append(want, group+"/"+word)
	}
	var got []string
	for group, all := range groups {
		for _, s := range all {
			got = append(got, group+"/"+s.name)
		}
	}
	for name, e := range elsewhere {
		got = append(got, name)
		if folder, test, ok := strings.Cut(e.tests, " "); e.why == "" && (!ok || !hasTest(t, folder, test)) {
			t.Errorf("%s: there is no %s", name, e.tests)
		}
	}
	for _, name := range want {
		if n := len(got); len(slices.DeleteFunc(slices.Clone(got), func(g string) bool { return g == name })) != n-1 {
			t.Errorf("%s is not played, or twice", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d scenarios, the specification has %d", len(got), len(want))
	}
}

func hasTest(t *testing.T, folder, test string) bool {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "func "+test+"(")
	})
}

// TestScenariosOf plays the groups, each on a platform of its own.
func TestScenariosOf(t *testing.T) {
	t.Parallel()
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		t.Run(group, func(t *testing.T) {
			t.Parallel() // they wait, most of the time
			w := newStage(t)
			for _, s := range groups[group] {
				t.Run(s.name, func(t *testing.T) {
					scene := *w
					stack := *w.stack
					stack.T, scene.stack, scene.app = t, &stack, strings.ReplaceAll(s.name, "_", "-")
					s.play(&scene)
				})
			}
		})
	}
}

// stage is what the scenarios of a group are played on. Each has an app id of
// its own.
type stage struct {
	*stack
	url     string
	root    client // the first user, a superuser
	builder client
	app     string
	engines *engines
}

func newStage(t *testing.T) *stage {
	s := newStack(t)
	w := &stage{stack: s, engines: &engines{specs: map[string]deis.Spec{}}}
	s.fail = w.engines.call
	s.change = func(n *deis.Needs) { n.Scheduler = spying{n.Scheduler, w.engines} }
	w.url, _ = s.controller()
	w.root, w.builder = s.as(w.url, by), s.builder(w.url)
	return w
}

// user is the client of a user who is no superuser.
func (w *stage) user(name string) client { return w.as(w.url, name) }

// path is a path under the scenario's app.
func (w *stage) path(parts ...string) string {
	return "/v1/apps/" + strings.Join(append([]string{w.app}, parts...), "/")
}

// want makes a call whose answer must have the status line and hold the parts.
func (w *stage) want(line string, c client, method, path string, body any, parts ...string) answer {
	w.Helper()
	a := w.call(c, method, path, body)
	if a.line != line {
		w.Fatalf("%s %s: %s %s, want %s", method, path, a.line, a.body, line)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			w.Errorf("%s %s: %s does not say %s", method, path, a.body, part)
		}
	}
	return a
}

// Status lines.
const (
	ok200      = "200 OK"
	made201    = "201 CREATED"
	done204    = "204 NO CONTENT"
	bad400     = "400 BAD REQUEST"
	who401     = "401 UNAUTHORIZED"
	not403     = "403 FORBIDDEN"
	missing404 = "404 NOT FOUND"
	verb405    = "405 METHOD NOT ALLOWED"
	away503    = "503 SERVICE UNAVAILABLE"
)

const mayNot = `{"detail":"You do not have permission to perform this action."}`

// create makes the scenario's app.
func (w *stage) create(c client) {
	w.Helper()
	w.want(made201, c, "POST", "/v1/apps", map[string]string{"id": w.app})
}

// created makes the scenario's app, with a build.
func (w *stage) created(c client, build map[string]any) {
	w.Helper()
	w.create(c)
	w.want(made201, c, "POST", w.path("builds"), build)
}

// slug is a build of a buildpack, with process types.
func slug(types ...string) map[string]any {
	procfile := map[string]string{}
	for _, t := range types {
		procfile[t] = "start-" + t
	}
	return map[string]any{"image": "autotest/example", "sha": "0123456789abcdef", "procfile": procfile}
}

// headers makes a request with headers of its own.
func (w *stage) headers(c client, method, path, body string, header map[string]string) answer {
	w.Helper()
	inner := c.http.Transport
	c.http = &http.Client{Transport: adding{inner, header}}
	return w.call(c, method, path, body)
}

type adding struct {
	http.RoundTripper
	header map[string]string
}

func (a adding) RoundTrip(r *http.Request) (*http.Response, error) {
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	return a.RoundTripper.RoundTrip(r)
}

// keysOf are the keys of a JSON object, sorted.
func (w *stage) keysOf(a answer) string {
	w.Helper()
	var body map[string]any
	a.decode(w.T, &body)
	return strings.Join(slices.Sorted(maps.Keys(body)), " ")
}

// shape fails the test unless the answer is an object with just the keys.
func (w *stage) shape(a answer, keys ...string) {
	w.Helper()
	slices.Sort(keys)
	if got := w.keysOf(a); got != strings.Join(keys, " ") {
		w.Errorf("keys are %s, want %v", got, keys)
	}
}

// first is the first result of a list.
func (w *stage) first(a answer) answer {
	w.Helper()
	var list struct{ Results []json.RawMessage }
	a.decode(w.T, &list)
	if len(list.Results) == 0 {
		w.Fatalf("nothing in %s", a.body)
	}
	a.body = string(list.Results[0])
	return a
}

// count is the number of a list's results.
func (w *stage) count(c client, path string) int {
	w.Helper()
	var list struct{ Count int }
	w.want(ok200, c, "GET", path, nil).decode(w.T, &list)
	return list.Count
}

// processes are the app's containers, such as v2.web.1.
func (w *stage) processes() []string {
	w.Helper()
	var list struct {
		Results []struct {
			Release, Type, State string
			Num                  int
		}
	}
	w.want(ok200, w.root, "GET", w.path("containers")+"?page_size=1000", nil).decode(w.T, &list)
	out := []string{}
	for _, c := range list.Results {
		if c.State != "up" {
			w.Errorf("%s.%d is %s", c.Type, c.Num, c.State)
		}
		out = append(out, fmt.Sprintf("%s.%s.%d", c.Release, c.Type, c.Num))
	}
	slices.Sort(out)
	return out
}

// runs fails the test unless just these containers run, as users see it, and
// soon in the engine too.
func (w *stage) runs(want ...string) {
	w.Helper()
	slices.Sort(want)
	if got := w.processes(); !slices.Equal(got, want) {
		w.Errorf("%v run, want %v", got, want)
	}
	w.eventually(func() string { return w.unsettled(w.url, w.app) })
}

// values are what the app's config has.
func (w *stage) values() map[string]string {
	w.Helper()
	var config struct{ Values map[string]string }
	w.want(ok200, w.root, "GET", w.path("config"), nil).decode(w.T, &config)
	return config.Values
}

// set changes the app's config.
func (w *stage) set(c client, values any) answer {
	w.Helper()
	return w.want(made201, c, "POST", w.path("config"), map[string]any{"values": values})
}

// engines fails calls of the engine, and knows of what containers were made.
type engines struct {
	mu    sync.Mutex
	fails func(op mock.Op, job jobid.ID) error
	specs map[string]deis.Spec // by job id, of one-off containers by app
}

func (e *engines) call(op mock.Op, job jobid.ID) error {
	e.mu.Lock()
	fails := e.fails
	e.mu.Unlock()
	if fails == nil {
		return nil
	}
	return fails(op, job)
}

// failing lets calls fail until the scenario ends, or until it is called with nil.
func (w *stage) failing(fails func(op mock.Op, job jobid.ID) error) {
	set := func(fails func(mock.Op, jobid.ID) error) {
		w.engines.mu.Lock()
		defer w.engines.mu.Unlock()
		w.engines.fails = fails
	}
	w.Cleanup(func() { set(nil) })
	set(fails)
}

// fails lets all calls of one kind fail.
func (w *stage) fails(op mock.Op) {
	w.failing(func(o mock.Op, _ jobid.ID) error {
		if o == op {
			return deis.Errorf(deis.Unavailable, told)
		}
		return nil
	})
}

// spec is what a container was made of.
func (w *stage) spec(job string) deis.Spec {
	w.Helper()
	w.engines.mu.Lock()
	defer w.engines.mu.Unlock()
	spec, ok := w.engines.specs[job]
	if !ok {
		w.Errorf("%s was never created", job)
	}
	return spec
}

// spying is a scheduler that remembers what it is asked for.
type spying struct {
	deis.Scheduler
	engines *engines
}

func (s spying) Create(ctx context.Context, spec deis.Spec) error {
	s.engines.mu.Lock()
	s.engines.specs[spec.Identity.ID.String()] = spec
	s.engines.mu.Unlock()
	return s.Scheduler.Create(ctx, spec)
}
