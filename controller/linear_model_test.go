package controller_test

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// call is what a client asked of an app. A destroy is two: the app is gone for
// everybody from its first moment, its id is free from its last.
type call struct {
	op    string
	name  string  // of a config key, a process type or a domain; the sha of a push
	value *string // of a config key, nil takes it away
	n     int     // of containers, or a release's version
}

// reply is what the client was told.
type reply struct {
	code    int // 0: the answer was lost
	body    string
	version int
	values  map[string]string // a config, or counts of containers
	list    []string          // summaries from the first release on, domains, or types of containers
}

// model is an app as its users know it, if calls came one after the other.
type model struct {
	life      string // "" there is none, "live", "leaving": its id is not free yet
	releases  []modelRelease
	structure map[string]int
	domains   []string
}

type modelRelease struct {
	summary string
	build   string // its sha
	config  map[string]string
}

const by = "root" // who makes all calls

// told is what calls of the scheduler fail with, when they are told to.
const told = "The engine was told to fail."

// step says whether the app can have given the reply, and what it is then.
func (m model) step(c call, r reply) (bool, model) {
	lost := r.code == 0
	switch c.op {
	case "create":
		if m.life != "" {
			return lost || r.code == 400 && strings.Contains(r.body, "must be unique"), m
		}
		return lost || r.code == 201, model{life: "live", releases: []modelRelease{{summary: by + " created initial release"}}, structure: map[string]int{}}
	case "free":
		if m.life == "leaving" {
			return true, model{}
		}
		return lost, m
	}
	if m.life != "live" {
		return lost || r.code == 404, m
	}
	if c.op == "destroy" && r.code != 409 {
		m.life = "leaving"
		return lost || r.code == 204 || r.code == 503, m
	}
	switch r.code {
	case 409: // another operation stood in the way
		return m.locks(c), m
	case 503:
		return m.locks(c) && strings.Contains(r.body, told), m
	}
	latest := m.releases[len(m.releases)-1]
	switch c.op {
	case "push":
		return m.release(r, 200, modelRelease{by + " deployed " + c.name[:7], c.name, latest.config})
	case "config":
		config := maps.Clone(latest.config)
		_, had := config[c.name]
		summary := by + " changed nothing"
		switch {
		case c.value != nil:
			summary = by + " added " + c.name
			if had {
				summary = by + " changed " + c.name
			}
			if config == nil {
				config = map[string]string{}
			}
			config[c.name] = *c.value
		case had:
			summary = by + " deleted " + c.name
			delete(config, c.name)
		}
		if !lost && !maps.Equal(r.values, config) {
			return false, m
		}
		return m.release(r, 201, modelRelease{summary, latest.build, config})
	case "rollback":
		version := c.n
		if version == 0 {
			version = len(m.releases) - 1
		}
		switch {
		case version < 1:
			return lost || r.code == 400 && strings.Contains(r.body, "cannot be below 0"), m
		case version > len(m.releases):
			return lost || r.code == 404, m
		}
		target := m.releases[version-1]
		if target.build == "" {
			return lost || r.code == 400 && strings.Contains(r.body, "no build to roll back to"), m
		}
		return m.release(r, 201, modelRelease{fmt.Sprintf("%s rolled back to v%d", by, version), target.build, target.config})
	case "scale":
		if latest.build == "" {
			return lost || r.code == 400 && strings.Contains(r.body, "No build associated"), m
		}
		m.structure = maps.Clone(m.structure)
		m.structure[c.name] = c.n
		return lost || r.code == 204, m
	case "restart":
		var all []string
		for t, n := range m.structure {
			for range n {
				all = append(all, fmt.Sprintf("v%d %s", len(m.releases), t))
			}
		}
		slices.Sort(all)
		return lost || r.code == 200 && slices.Equal(r.list, all), m
	case "add":
		if slices.Contains(m.domains, c.name) {
			return lost || r.code == 400 && strings.Contains(r.body, "must be unique"), m
		}
		m.domains = append(slices.Clone(m.domains), c.name)
		return lost || r.code == 201, m
	case "remove":
		i := slices.Index(m.domains, c.name)
		if i < 0 {
			return lost || r.code == 404, m
		}
		m.domains = slices.Delete(slices.Clone(m.domains), i, i+1)
		return lost || r.code == 204, m
	case "releases":
		summaries := make([]string, len(m.releases))
		for i, rel := range m.releases {
			summaries[i] = rel.summary
		}
		return r.code == 200 && slices.Equal(r.list, summaries), m
	case "show config":
		return r.code == 200 && maps.Equal(r.values, latest.config), m
	case "show app":
		return r.code == 200 && maps.Equal(r.values, texts(m.structure)), m
	case "domains":
		return r.code == 200 && slices.Equal(r.list, m.domains), m
	}
	return false, m
}

// release adds a release, the first build's with what it runs by itself.
func (m model) release(r reply, code int, next modelRelease) (bool, model) {
	m.releases = append(slices.Clone(m.releases), next)
	if next.build != "" && len(m.structure) == 0 {
		m.structure = map[string]int{"web": 1}
	}
	return r.code == 0 || r.code == code && r.version == len(m.releases), m
}

// locks says whether the call waits for others to end.
func (m model) locks(c call) bool {
	return slices.Contains([]string{"push", "config", "rollback", "scale", "restart", "destroy"}, c.op)
}

func texts(counts map[string]int) map[string]string {
	out := map[string]string{}
	for t, n := range counts {
		out[t] = fmt.Sprint(n)
	}
	return out
}

// checker is the model as porcupine takes it.
var checker = porcupine.Model{
	Init: func() any { return model{} },
	Step: func(state, input, output any) (bool, any) {
		return state.(model).step(input.(call), output.(reply))
	},
	Equal: func(a, b any) bool { return reflect.DeepEqual(a, b) },
}

// record is a call with its reply, as porcupine takes it. What was lost may
// still happen.
func record(client int, c call, r reply, from, to int64) []porcupine.Operation {
	op := porcupine.Operation{ClientId: client, Input: c, Output: r, Call: from, Return: to}
	if r.code == 0 {
		op.Return = math.MaxInt64
	}
	if c.op != "destroy" || r.code == 404 || r.code == 409 {
		return []porcupine.Operation{op}
	}
	free := op
	free.Input = call{op: "free"}
	if r.code == 503 { // it goes on in the background
		free.Output, free.Return = reply{}, math.MaxInt64
	}
	return []porcupine.Operation{op, free}
}

// The checker accepts what some order explains, and nothing else.
func TestModel(t *testing.T) {
	one, two := "1", "2"
	created := step{call{op: "create"}, reply{code: 201}}
	pushed := step{call{op: "push", name: "0123456789"}, reply{code: 200, version: 2}}
	set := func(key, value string, version int, after map[string]string) step {
		return step{call{op: "config", name: key, value: &value}, reply{code: 201, version: version, values: after}}
	}
	showConfig := func(values map[string]string) step {
		return step{call{op: "show config"}, reply{code: 200, values: values}}
	}
	scaled := step{call{op: "scale", name: "web", n: 3}, reply{code: 204}}
	showApp := func(web string) step {
		return step{call{op: "show app"}, reply{code: 200, values: map[string]string{"web": web}}}
	}
	a, b, both := map[string]string{"A": one}, map[string]string{"B": two}, map[string]string{"A": one, "B": two}
	for name, test := range map[string]struct {
		before []step // one after the other
		atOnce []step
		after  []step
		bad    bool
	}{
		"two keys":                           {[]step{created}, []step{set("A", one, 2, a), set("B", two, 3, both)}, []step{showConfig(both)}, false},
		"a lost update":                      {[]step{created}, []step{set("A", one, 2, a), set("B", two, 3, b)}, []step{showConfig(b)}, true},
		"an update seen, then lost":          {[]step{created}, []step{set("A", one, 2, a), set("B", two, 3, both)}, []step{showConfig(b)}, true},
		"a version used twice":               {[]step{created}, []step{set("A", one, 2, a), set("B", two, 2, both)}, nil, true},
		"a stale read":                       {[]step{created, set("A", one, 2, a)}, nil, []step{showConfig(nil)}, true},
		"a read of what is being written":    {[]step{created}, []step{set("A", one, 2, a), showConfig(nil)}, []step{showConfig(a)}, false},
		"a scale that was lost":              {[]step{created, pushed}, []step{scaled, showApp("1")}, []step{showApp("1")}, true},
		"a refused call that did something":  {[]step{created, pushed, {scaled.call, reply{code: 409}}}, nil, []step{showApp("3")}, true},
		"a failure of unknown cause":         {[]step{created, pushed, {scaled.call, reply{code: 503, body: "away"}}}, nil, nil, true},
		"a lost answer, done":                {[]step{created, pushed, {scaled.call, reply{}}}, nil, []step{showApp("3")}, false},
		"a lost answer, not done":            {[]step{created, pushed, {scaled.call, reply{}}}, nil, []step{showApp("1")}, false},
		"a lost answer, done and undone":     {[]step{created, pushed, {scaled.call, reply{}}}, nil, []step{showApp("3"), showApp("1")}, true},
		"an id that is not free yet":         {[]step{created}, []step{{call{op: "destroy"}, reply{code: 204}}, {call{op: "show app"}, reply{code: 404}}, {call{op: "create"}, reply{code: 400, body: "must be unique"}}}, nil, false},
		"an id that is never free":           {[]step{created, {call{op: "destroy"}, reply{code: 204}}, {call{op: "create"}, reply{code: 400, body: "must be unique"}}}, nil, nil, true},
		"an answer of an app that was ended": {[]step{created, {call{op: "destroy"}, reply{code: 204}}}, nil, []step{showConfig(nil)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var history []porcupine.Operation
			now := int64(0)
			add := func(steps []step, apart int64) {
				for i, s := range steps {
					history = append(history, record(i, s.call, s.reply, now, now+5)...)
					now += apart
				}
				now += 10
			}
			add(test.before, 10)
			add(test.atOnce, 0)
			add(test.after, 10)
			want := porcupine.Ok
			if test.bad {
				want = porcupine.Illegal
			}
			if got := porcupine.CheckOperationsTimeout(checker, history, time.Minute); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

type step struct {
	call  call
	reply reply
}
