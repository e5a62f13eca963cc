package deis

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/deis/deis/internal/jobid"
)

func row(uuid, typ string, num int, phase Phase) Container {
	return Container{UUID: uuid, App: "demo", Version: 2, Type: typ, Num: num, Phase: phase}
}

func TestPlanReconcile(t *testing.T) {
	rows := []Container{
		row("up", "web", 1, Serving), row("stopped", "web", 2, Serving), row("missing", "web", 3, Serving),
		row("half", "web", 4, Starting), row("old", "web", 5, Leaving),
		row("restarted", "web", 6, Replacing),
	}
	statuses := []Status{
		{UUID: "up", State: StateUp}, {UUID: "stopped", State: StateDown}, {UUID: "half", State: StateUp}, {UUID: "old", State: StateUp},
		{UUID: "stray", State: StateUp, Job: jobid.ID{App: "gone", Version: 1, Type: "web", Num: 1}},
		{UUID: "run", State: StateUp, Job: jobid.ID{App: "demo", Version: 2, Type: "run", Num: 8}}, // that withoutRuns leaves
	}
	p := plan(rows, statuses)
	got := map[string][]string{
		"create": uuids(p.create), "start": uuids(p.start), "leaving": uuids(p.leaving), "unfinished": uuids(p.unfinished),
		"orphans": {p.orphans[0].UUID, p.orphans[1].UUID},
	}
	want := map[string][]string{
		"create": {"missing"}, "start": {"stopped"}, "leaving": {"old"}, "unfinished": {"half", "restarted"}, "orphans": {"stray", "run"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPlanDeploy(t *testing.T) {
	web := Build{UUID: "b", SHA: "abc", Procfile: map[string]string{"web": "w", "worker": "x"}}
	jobs := func(cs []Container) []string {
		var out []string
		for _, c := range cs {
			out = append(out, c.Job().String())
		}
		return out
	}
	for name, c := range map[string]struct {
		structure map[string]int
		old       []Container
		build     Build
		want      []string
		after     map[string]int
	}{
		"first with web":     {nil, nil, web, []string{"demo_v3.web.1"}, map[string]int{"web": 1}},
		"first image":        {nil, nil, Build{UUID: "b", Procfile: map[string]string{"web": "w"}}, []string{"demo_v3.cmd.1"}, map[string]int{"cmd": 1}},
		"first dockerfile":   {nil, nil, Build{UUID: "b", SHA: "abc", Dockerfile: "true"}, []string{"demo_v3.cmd.1"}, map[string]int{"cmd": 1}},
		"first worker only":  {nil, nil, Build{UUID: "b", SHA: "abc", Procfile: map[string]string{"worker": "w"}}, nil, map[string]int{}},
		"same numbers again": {map[string]int{"web": 2}, []Container{row("1", "web", 1, Serving), row("3", "web", 3, Serving)}, web, []string{"demo_v3.web.1", "demo_v3.web.3"}, map[string]int{"web": 2}},
		"type vanished":      {map[string]int{"web": 1, "clock": 1}, []Container{row("1", "web", 1, Serving), row("2", "clock", 1, Serving)}, web, []string{"demo_v3.web.1"}, map[string]int{"web": 1}},
		"scaled to zero":     {map[string]int{"web": 0}, nil, web, nil, map[string]int{"web": 0}},
	} {
		structure, wanted := planDeploy(App{ID: "demo", Structure: c.structure}, c.old, &snapshot{release: Release{Version: 3}, build: c.build})
		if !slices.Equal(jobs(wanted), c.want) || !maps.Equal(structure, c.after) {
			t.Errorf("%s: %v %v", name, jobs(wanted), structure)
		}
	}
}

func TestPlanScale(t *testing.T) {
	serving := []Container{row("1", "web", 1, Serving), row("2", "web", 2, Serving), row("5", "web", 5, Serving), row("w", "worker", 1, Serving)}
	structure, add, surplus := planScale(App{ID: "demo", Structure: map[string]int{"web": 3, "worker": 1, "clock": 0}}, Release{Version: 2}, serving, map[string]int{"web": 1, "worker": 3})
	if !maps.Equal(structure, map[string]int{"web": 1, "worker": 3, "clock": 0}) {
		t.Error(structure)
	}
	if !slices.Equal(uuids(surplus), []string{"2", "5"}) || len(add) != 2 || add[0].Num != 2 || add[1].Num != 3 {
		t.Error(surplus, add)
	}
	_, add, _ = planScale(App{ID: "demo"}, Release{Version: 2}, serving, map[string]int{"web": 4})
	if len(add) != 1 || add[0].Num != 6 {
		t.Error("new numbers must go on from the highest:", add)
	}
}

func TestSummary(t *testing.T) {
	base := Config{UUID: "c1", Owner: "ann", Values: map[string]string{"A": "1", "B": "2"}}
	build := Build{UUID: "b1", Owner: "bob", SHA: "0123456789"}
	for want, s := range map[string][2]snapshot{
		"bob deployed 0123456":                      {{config: base}, {config: base, build: build}},
		"bob deployed img:1":                        {{config: base}, {config: base, build: Build{UUID: "b", Owner: "bob", Image: "img:1"}}},
		"ann added C, changed B, deleted A":         {{config: base}, {config: Config{UUID: "c2", Owner: "ann", Values: map[string]string{"B": "3", "C": "4"}}}},
		"bob deployed 0123456 and ann deleted A, B": {{config: base}, {config: Config{UUID: "c2", Owner: "ann"}, build: build}},
		"ann changed limits for memory, cpu":        {{}, {config: Config{UUID: "c2", Owner: "ann", Memory: map[string]string{"web": "1G"}, CPU: map[string]int{"web": 1}}}},
		"ann added X and ann added tag ssd":         {{}, {config: Config{UUID: "c2", Owner: "ann", Values: map[string]string{"X": ""}, Tags: map[string]string{"ssd": "true"}}}},
		"zoe changed nothing":                       {{config: base}, {config: base}},
	} {
		if got := summarize("zoe", s[0], s[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestConfigChangeParse(t *testing.T) {
	p, err := ConfigChange{
		Values: map[string]any{"PORT": json.Number("5000"), "_f": "x", "ON": true, "OLD": nil, "DAY": "2015-01-02"},
		Memory: map[string]any{"web2": "20gb"}, CPU: map[string]any{"web": "1024"}, Tags: map[string]any{"ssd": true},
	}.parse()
	if err != nil {
		t.Fatal(err)
	}
	c := p.merge(Config{Values: map[string]string{"OLD": "1", "KEEP": "2"}})
	if want := map[string]string{"PORT": "5000", "_f": "x", "ON": "True", "KEEP": "2", "DAY": "2015-01-02"}; !maps.Equal(c.Values, want) {
		t.Error(c.Values)
	}
	if c.Memory["web2"] != "20gb" || c.CPU["web"] != 1024 || c.Tags["ssd"] != "True" {
		t.Error(c)
	}
	for field, in := range map[string]ConfigChange{
		"values": {Values: map[string]any{"1X": "a"}}, "memory": {Memory: map[string]any{"web": "20MK"}},
		"cpu": {CPU: map[string]any{"web": "lots"}}, "tags": {Tags: map[string]any{"a.b": "c"}},
	} {
		var e *Error
		if _, err := in.parse(); !errors.As(err, &e) || e.Kind != Invalid || len(e.Fields[field]) != 1 {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, bad := range []ConfigChange{
		{Values: map[string]any{"A": map[string]any{}}}, {Values: map[string]any{"A\n": "x"}}, {Values: map[string]any{"HEALTHCHECK_TIMEOUT": "soon"}},
		{Values: map[string]any{"HEALTHCHECK_URL": "http://x"}}, {CPU: map[string]any{"web": json.Number("1025")}}, {Memory: map[string]any{"web": "1M"}},
	} {
		if _, err := bad.parse(); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestParseMemory(t *testing.T) {
	for in, want := range map[string]int64{"512M": 512 << 20, "20gb": 20 << 30, "7B": 7, "1KB": 1024} {
		if got, ok := ParseMemory(in); !ok || got != want {
			t.Errorf("%s: %d %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "M", "20MK", "20gK", "-1M", "9999999999999999G"} {
		if got, ok := ParseMemory(in); ok {
			t.Errorf("%q: %d", in, got)
		}
	}
}

func TestParseStructure(t *testing.T) {
	got, err := parseStructure(map[string]any{"web": json.Number("2"), "worker": "3", "x": json.Number("1.9")})
	if err != nil || !maps.Equal(got, map[string]int{"web": 2, "worker": 3, "x": 1}) {
		t.Error(got, err)
	}
	for want, in := range map[string]any{
		"Invalid scaling format: invalid literal for int() with base 10: 'one'": "one",
		"Must be greater than or equal to zero":                                 json.Number("-1"),
		"Must be at most 1000":                                                  json.Number("1e300"),
	} {
		if _, err := parseStructure(map[string]any{"web": in}); err == nil || err.Error() != want {
			t.Errorf("%v: %v", in, err)
		}
	}
	if _, err := parseStructure(map[string]any{"web": []any{json.Number("1")}}); err == nil {
		t.Error("accepted a list")
	}
}
func TestGeneratedNames(t *testing.T) {
	for range 200 {
		if n := generateName(); !appPattern.MatchString(n) || len(n) > 63 {
			t.Error(n)
		}
	}
}
