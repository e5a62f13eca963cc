package procfile

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/deis/deis/internal/jobid"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want map[string]string // nil: an error
	}{
		"two":            {"web: ./web --port $PORT\nworker: ./work\n", map[string]string{"web": "./web --port $PORT", "worker": "./work"}},
		"scalars":        {"a: 1\nb: yes\nc:\nd: 0x10\n", map[string]string{"a": "1", "b": "yes", "c": "", "d": "0x10"}},
		"quotes":         {"web: sh -c 'a \"b\"'\n", map[string]string{"web": `sh -c 'a "b"'`}},
		"duplicate":      {"web: a\nweb: b\n", map[string]string{"web": "b"}},
		"empty":          {"", map[string]string{}},
		"comments":       {"# nothing\n\n", map[string]string{}},
		"null":           {"~\n", map[string]string{}},
		"bare line":      {"web ./web\n", nil},
		"nested":         {"web:\n  a: b\n", nil},
		"list":           {"- a\n", nil},
		"not yaml":       {"web: \"unclosed\n", nil},
		"two colons":     {"web: a: b\n", nil},
		"alias":          {"a: &x 1\nb: *x\n", nil},
		"NUL":            {"web: \"a\\0b\"\n", nil},
		"type with dot":  {"web.1: a\n", nil},
		"type with path": {"../web: a\n", nil},
		"tab":            {"web:\t./web\n", map[string]string{"web": "./web"}},
		"too large":      {"web: " + strings.Repeat("x", MaxSize), nil},
	} {
		got, err := Parse([]byte(c.in))
		if (err != nil) != (c.want == nil) || err == nil && !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestParseRelease(t *testing.T) {
	r, err := ParseRelease([]byte("---\naddons: [a]\nconfig_vars:\n  A: 1\ndefault_process_types:\n  web: bin/web\n"))
	if err != nil || r.Config["A"] != "1" || r.Types["web"] != "bin/web" {
		t.Error(r, err)
	}
	for _, in := range []string{"", "---\n", "{}"} {
		if r, err := ParseRelease([]byte(in)); err != nil || len(r.Types) != 0 || r.Types == nil {
			t.Errorf("%q: %v, %v", in, r, err)
		}
	}
	if _, err := ParseRelease([]byte("default_process_types: [web]\n")); err == nil {
		t.Error("a list was taken for types")
	}
}

// sent fails the test unless the commands reach the controller as they are.
func sent(t *testing.T, types map[string]string) {
	t.Helper()
	b, err := json.Marshal(types)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(b, &got); err != nil || !maps.Equal(got, types) {
		t.Fatalf("%q becomes %q: %v", types, got, err)
	}
	for name, command := range types {
		if strings.Contains(name+command, "\x00") {
			t.Fatalf("%q: %q holds NUL", name, command)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("web: a\nworker: b\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		types, err := Parse(b)
		if err == nil && types == nil || err != nil && err.Error() == "" {
			t.Fatal("neither types nor an error")
		}
		sent(t, types)
		for name := range types {
			job := jobid.ID{App: "demo", Version: 1, Type: name, Num: 1}
			if got, err := jobid.Parse(job.String()); err != nil || got != job {
				t.Fatalf("%q becomes %+v: %v", job, got, err)
			}
		}
		if r, err := ParseRelease(b); err == nil {
			sent(t, r.Config)
			sent(t, r.Types)
		}
	})
}
