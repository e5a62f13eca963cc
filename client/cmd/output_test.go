package cmd

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const userJSON = `{"id":2,"email":"c@example.com","username":"carol","first_name":"C","last_name":"D","is_superuser":false,"is_staff":false,` +
	`"groups":[],"user_permissions":[],"last_login":"2014-01-01T00:00:00.123456Z","date_joined":"2014-01-01T00:00:00.123456Z","is_active":true}`

// jsonStories hold every command with --output: what the API answers is
// printed again, each field of it.
var jsonStories = []story{
	{name: "apps:list", args: words("apps:list --output json"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(1, appJSON("demo"))}}},
	{name: "apps:list, some", args: words("apps -l 1 --output=json"), calls: []exchange{{request: "GET /v1/apps/?page_size=1", status: 200, answer: pageJSON(9, appJSON("demo"))}}},
	{name: "apps:list, none", args: words("apps --output json"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(0)}}},
	{name: "apps:list, text", args: words("apps --output text"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(1, appJSON("demo"))}}},
	{name: "apps:list, no format", args: words("apps --output="), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(1, appJSON("demo"))}}},
	{name: "apps:list, other format", args: words("apps --output yaml")},
	{name: "apps:list, refused", args: words("apps --output json"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 401, answer: `{"detail":"Invalid token"}`}}},
	{name: "apps:list, other API version", args: words("apps --output json"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(0), version: "2.0"}}},
	{name: "apps:info", args: words("apps:info --output json"), calls: infoCalls},
	{name: "apps:info, half refused", args: words("apps:info --output json"), calls: []exchange{infoCalls[0], infoCalls[1], {request: infoCalls[2].request, status: 403, answer: forbidden}}},
	{name: "ps:list", args: words("ps --output json"), calls: []exchange{{request: psListCall.request, status: 200, answer: pageJSON(2, processJSON("web", 1, "up", "v2"), processJSON("web", 2, "created", "v2"))}}},
	{name: "config:list", args: words("config --output json"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"<b> & c"},"memory":{"web":"1G"},"cpu":{"web":512},"tags":{"disk":"ssd"}`)}}},
	{name: "config:list, on one line", args: words("config --oneline --output json")},
	{name: "domains:list", args: words("domains --output json"), calls: []exchange{{request: "GET /v1/apps/demo/domains/?page_size=100", status: 200, answer: pageJSON(1, domainJSON("www.example.com"))}}},
	{name: "builds:list", args: words("builds --output json"), calls: []exchange{{request: "GET /v1/apps/demo/builds/?page_size=100", status: 200, answer: pageJSON(1, strings.Replace(buildJSON, `"procfile":{}`, `"procfile":{"web":"./serve"}`, 1))}}},
	{name: "limits:list", args: words("limits --output json"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"secret"},"memory":{"web":"1G"},"cpu":{"web":512},"tags":{}`)}}},
	{name: "tags:list", args: words("tags --output json"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"secret"},"memory":{},"cpu":{},"tags":{"disk":"ssd"}`)}}},
	{name: "releases:list", args: words("releases --output json"), calls: []exchange{{request: "GET /v1/apps/demo/releases/?page_size=100", status: 200, answer: pageJSON(2, releaseJSON("2", `"b"`, "bob deployed 1a2b3c4"), releaseJSON("1", "null", "bob created initial release"))}}},
	{name: "releases:info", args: words("releases:info v2 --output json"), calls: []exchange{{request: "GET /v1/apps/demo/releases/v2/", status: 200, answer: releaseJSON("2", `"b"`, "bob added A")}}},
	{name: "certs:list", args: words("certs --output json"), calls: []exchange{{request: "GET /v1/certs/?page_size=100", status: 200, answer: pageJSON(1, certJSON("www.example.com", "2016-12-31T00:00:00UTC"))}}},
	{name: "keys:list", args: words("keys --output json"), calls: []exchange{{request: "GET /v1/keys/?page_size=100", status: 200, answer: pageJSON(1, keyJSON("zoe", rsaKey))}}},
	{name: "perms:list", args: words("perms -a demo --output json"), calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":["zoe","carol"]}`}}},
	{name: "perms:list, nobody", args: words("perms -a demo --output json"), calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":[]}`}}},
	{name: "perms:list --admin", args: words("perms --admin --output json"), calls: []exchange{{request: "GET /v1/admin/perms/?page_size=100", status: 200, answer: pageJSON(1, `{"username":"bob","is_superuser":true}`)}}},
	{name: "users:list", args: words("users --output json"), calls: []exchange{{request: "GET /v1/users/?page_size=100", status: 200, answer: pageJSON(1, userJSON)}}},
	{name: "credentials:list", args: words("credentials --output json"), calls: []exchange{{request: "GET /v1/apps/demo/credentials/?page_size=100", status: 200, answer: pageJSON(1, credentialJSON("quay.io", "robot"))}}},
	{name: "auth:whoami", args: words("whoami --output json")},
	{name: "version", args: words("version --output json")},
	{name: "shortcuts", args: words("shortcuts --output json")},
}

// documented is a row of docs/using/output.md.
type documented struct {
	list   bool
	fields []string // sorted
}

var (
	outputRow   = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (list|object) \\| (.*) \\|$")
	outputField = regexp.MustCompile("`([^`]+)`")
)

// outputDocs reads the table, by what stands in its first column.
func outputDocs(t *testing.T) map[string]documented {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testdata, "../../../docs/using/output.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]documented{}
	for _, row := range outputRow.FindAllStringSubmatch(string(page), -1) {
		d := documented{list: row[2] == "list"}
		for _, field := range outputField.FindAllStringSubmatch(row[3], -1) {
			d.fields = append(d.fields, field[1])
		}
		slices.Sort(d.fields)
		docs[row[1]] = d
	}
	return docs
}

// TestOutputDocs: the page lists the commands that have --output, and every
// command that lists or describes has it.
func TestOutputDocs(t *testing.T) {
	docs := outputDocs(t)
	f := &Factory{}
	f.IO, _, _ = testIOStreams("")
	for _, g := range groups {
		for _, v := range g.verbs(f) {
			name := v.Name()
			kind := name[strings.Index(name, ":")+1:]
			has := v.Flags().Lookup("output") != nil
			if shows := slices.Contains([]string{"list", "info", "whoami", "version", "shortcuts"}, kind); shows && !has {
				t.Errorf("%s lists or describes, and has no --output", name)
			}
			if _, ok := docs[name]; ok != has {
				t.Errorf("%s: has --output: %v, has a row in docs/using/output.md: %v", name, has, ok)
			}
		}
	}
}

// TestOutputShapes: each row of the page is what its command prints, and what
// the controller answered is in it.
func TestOutputShapes(t *testing.T) {
	docs := outputDocs(t)
	shown := map[string]bool{}
	for _, st := range jsonStories {
		want, ok := docs[st.name]
		if !ok {
			continue // a variant of another story
		}
		t.Run(st.name, func(t *testing.T) {
			shown[st.name] = true
			stdout, stderr, code := newScene(t, st.calls...).run(slices.Clone(st.args)...)
			if code != 0 || stderr != "" {
				t.Fatalf("exit %d, stderr %q", code, stderr)
			}
			got := decode(t, stdout)
			object := got
			if want.list {
				if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, []string{"count", "results"}) {
					t.Errorf("a list has %q", keys)
				}
				object = got["results"].([]any)[0].(map[string]any)
			}
			if fields := slices.Sorted(maps.Keys(object)); !slices.Equal(fields, want.fields) {
				t.Errorf("fields %q, docs/using/output.md has %q", fields, want.fields)
			}
			if len(st.calls) == 0 {
				return
			}
			answer := decode(t, st.calls[0].answer)
			for name, value := range got {
				if name == "processes" || name == "domains" {
					continue
				}
				if !reflect.DeepEqual(answer[name], value) {
					t.Errorf("%s: %v, the controller answered %v", name, value, answer[name])
				}
			}
		})
	}
	for name := range docs {
		if !shown[name] {
			t.Errorf("%s: no story", name)
		}
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}
