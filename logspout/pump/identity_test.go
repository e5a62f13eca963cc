package pump

import (
	"testing"

	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

func TestIdentify(t *testing.T) {
	of := func(app, kind string) map[string]string {
		return labels.Identity{Platform: "deis", ID: jobid.ID{App: app, Version: 2, Type: kind, Num: 1}, UUID: "u"}.Labels()
	}
	platform := map[string]string{labels.Platform: "deis", labels.Component: "x"}
	for _, c := range []struct {
		name  string
		label map[string]string
		want  identity // zero: not read
	}{
		{"go_v2.web.1", of("go", "web"), identity{app: "go", process: "web.1", release: "v2"}},
		{"go_v2.worker2.1", of("go", "worker2"), identity{app: "go", process: "worker2.1", release: "v2"}},
		{"go_v2.run.1", of("go", "run"), identity{app: "go", process: "run.1", release: "v2"}},
		{"other.go_v2.web.1", of("go", "web"), identity{}},
		{"deis-router", platform, identity{app: "deis-router", process: "1"}},
		{"deis-controller", platform, identity{app: "deis-controller", process: "1", events: "deis-controller"}},
		{"deis-builder", platform, identity{app: "deis-builder", process: "1", events: "deis-builder"}},
		{"deis-logspout", platform, identity{}},
		{"deis-logger", platform, identity{}},
		{"deis-router", map[string]string{labels.Platform: "other"}, identity{}},
		{"deis-router", nil, identity{}},
		// A Dockerfile may set any label, but not the name of the container that runs its steps.
		{"determined_swirles", of("victim", "web"), identity{}},
		{"determined_swirles", map[string]string{labels.Platform: "deis", labels.Component: "controller"}, identity{}},
		{"go_v2.web.1", map[string]string{labels.Platform: "deis"}, identity{}},
	} {
		got, ok := identify("deis", c.name, c.label)
		if got != c.want || ok != (c.want != identity{}) {
			t.Errorf("%s %v: %+v, %v", c.name, c.label, got, ok)
		}
	}
	// Beside a platform that is called deis, another puts its name before.
	l := labels.Identity{Platform: "zq90", ID: jobid.ID{App: "go", Version: 2, Type: "web", Num: 1}}
	if id, ok := identify("zq90", "zq90.go_v2.web.1", l.Labels()); !ok || id.app != "go" {
		t.Errorf("%+v", id)
	}
}

func TestMessage(t *testing.T) {
	controller := identity{app: "deis-controller", process: "1", events: "deis-controller"}
	for _, c := range []struct {
		id             identity
		stream, text   string
		app, proc, out string
	}{
		{controller, stdout, "INFO [go]: scaled web to 3", "go", "deis-controller", "scaled web to 3"},
		{controller, stdout, "ERROR [go]: ", "go", "deis-controller", ""},
		{controller, stderr, "INFO [go]: forged", "deis-controller", "1", "INFO [go]: forged"},
		{controller, stdout, "info [go]: x", "deis-controller", "1", "info [go]: x"},
		{controller, stdout, "x INFO [go]: x", "deis-controller", "1", "x INFO [go]: x"},
		{identity{app: "go", process: "web.1"}, stdout, "INFO [other]: forged", "go", "web.1", "INFO [other]: forged"},
	} {
		m := c.id.message(record{stream: c.stream, text: c.text})
		if m.App != c.app || m.Process != c.proc || m.Text != c.out {
			t.Errorf("%s %q: %+v", c.stream, c.text, m)
		}
	}
}
