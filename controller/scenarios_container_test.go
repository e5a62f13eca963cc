package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
)

func (w *stage) scale(structure map[string]int) {
	w.Helper()
	w.want(done204, w.root, "POST", w.path("scale"), structure)
}

// state is a container's, as users see it.
func (w *stage) state(process string) string {
	w.Helper()
	a := w.call(w.root, "GET", w.path("containers", strings.ReplaceAll(process, ".", "/")), nil)
	var container struct{ State string }
	if a.code == 200 {
		a.decode(w.T, &container)
		return container.State
	}
	return a.line
}

// dockerfile is a build of a Dockerfile, with process types.
func dockerfile(types ...string) map[string]any {
	build := slug(types...)
	build["dockerfile"] = "FROM busybox"
	return build
}

// image is a build of an image from elsewhere.
var image = map[string]any{"image": "autotest/example"}

var containerScenarios = []scenario{
	// Also in schedulertest, for each backend; here as users see it, while a
	// deploy is stopped before each step.
	{"state_good", func(w *stage) {
		w.created(w.root, slug("web", "worker"))
		at, goOn := make(chan mock.Op), make(chan bool)
		w.failing(func(op mock.Op, job jobid.ID) error {
			if job.App == w.app && job.Type == "worker" && (op == mock.Create || op == mock.Start) {
				at <- op
				<-goOn
			}
			return nil
		})
		var g sync.WaitGroup
		g.Go(func() { w.scale(map[string]int{"worker": 1}) })
		for _, step := range []struct {
			op    mock.Op
			state string
		}{{mock.Create, "initialized"}, {mock.Start, "created"}} {
			if op := <-at; op != step.op {
				w.Errorf("%s, want %s", op, step.op)
			}
			if state := w.state("worker.1"); state != step.state {
				w.Errorf("%s, want %s", state, step.state)
			}
			goOn <- true
		}
		g.Wait()
		if state := w.state("worker.1"); state != "up" {
			w.Error(state)
		}
		w.scale(map[string]int{"worker": 0})
		if state := w.state("worker.1"); state != missing404 {
			w.Error(state)
		}
		if err := w.engine.Start(w.Context(), "none"); deis.KindOf(err) != deis.Unavailable {
			w.Errorf("what does not exist was started: %v", err)
		}
	}},
	{"state_protected", func(w *stage) {
		w.created(w.root, slug("web"))
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			w.want(verb405, w.root, method, w.path("containers", "web", "1"), map[string]string{"state": "down"})
		}
		w.want(verb405, w.root, "POST", w.path("containers"), map[string]string{"type": "web", "state": "up"})
		w.runs("v2.web.1")
	}},
	{"api_heroku", func(w *stage) {
		w.created(w.root, slug("web", "worker"))
		w.scale(map[string]int{"web": 4, "worker": 2})
		w.runs("v2.web.1", "v2.web.2", "v2.web.3", "v2.web.4", "v2.worker.1", "v2.worker.2")
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":4,"worker":2}`)
		w.want(ok200, w.root, "GET", w.path("containers", "web", "3"), nil, `"type":"web","num":3,"state":"up"`)
		w.want(missing404, w.root, "GET", w.path("containers", "web", "9"), nil)
		if n := w.count(w.root, w.path("containers", "worker")); n != 2 {
			w.Errorf("%d workers", n)
		}
		w.scale(map[string]int{"web": 2, "worker": 1})
		w.runs("v2.web.1", "v2.web.2", "v2.worker.1")
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":2,"worker":1}`)
		w.scale(map[string]int{"web": 0, "worker": 0})
		w.runs()
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":0,"worker":0}`)
	}},
	{"api_docker", func(w *stage) {
		w.created(w.root, image)
		w.scale(map[string]int{"cmd": 6})
		w.runs("v2.cmd.1", "v2.cmd.2", "v2.cmd.3", "v2.cmd.4", "v2.cmd.5", "v2.cmd.6")
		w.scale(map[string]int{"cmd": 3})
		w.runs("v2.cmd.1", "v2.cmd.2", "v2.cmd.3")
		w.scale(map[string]int{"cmd": 0})
		w.runs()
	}},
	{"container_release", func(w *stage) {
		w.created(w.root, image)
		w.runs("v2.cmd.1")
		w.want(made201, w.root, "POST", w.path("builds"), image)
		w.runs("v3.cmd.1")
		w.set(w.root, map[string]string{"KEY": "value"})
		w.runs("v4.cmd.1")
	}},
	{"container_errors", func(w *stage) {
		w.created(w.root, slug("web"))
		w.want(bad400, w.root, "POST", w.path("scale"), map[string]string{"web": "not_an_int"},
			`{"detail":"Invalid scaling format: invalid literal for int() with base 10: 'not_an_int'"}`)
		w.want(bad400, w.root, "POST", w.path("scale"), map[string]int{"invalid": 1}, `{"detail":"Container type invalid does not exist in application"}`)
		w.runs("v2.web.1")
	}},
	{"container_str", func(w *stage) {
		w.created(w.root, slug("web"))
		if all, err := w.engine.States(w.Context(), w.app); err != nil || len(all) != 1 || all[0].Job.String() != w.app+"_v2.web.1" || all[0].Job.Process() != "web.1" {
			w.Errorf("%+v %v", all, err)
		}
	}},
	{"command_format", func(w *stage) {
		build := map[string]any{"image": "autotest/example", "procfile": map[string]string{"web": `echo 'a' "b" %c ${HOME} \\d`}}
		w.created(w.root, build)
		w.scale(map[string]int{"web": 1})
		if got := w.spec(w.app + "_v2.web.1").Command; !slices.Equal(got, []string{"bash", "-c", `echo 'a' "b" %c ${HOME} \\d`}) { // v1 lost the quotes
			w.Errorf("%q", got)
		}
	}},
	{"scale_errors", func(w *stage) {
		w.created(w.root, slug("web"))
		w.want(bad400, w.root, "POST", w.path("scale"), map[string]int{"web": -1}, `{"detail":"Must be greater than or equal to zero"}`)
		w.want(bad400, w.root, "POST", w.path("scale"), map[string]string{"web": "one"}, "Invalid scaling format: ")
		w.want(bad400, w.root, "POST", w.path("scale"), map[string][]int{"web": {1}}, "Invalid scaling format: ")
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":1}`)
	}},
	{"admin", func(w *stage) {
		w.created(w.user("ann"), slug("web"))
		w.scale(map[string]int{"web": 2})
		w.runs("v2.web.1", "v2.web.2")
	}},
	{"scale_without_build", func(w *stage) {
		w.create(w.root)
		w.want(bad400, w.root, "POST", w.path("scale"), map[string]int{"web": 1}, `{"detail":"No build associated with this release"}`)
	}},
	{"command_good", func(w *stage) {
		for name, test := range map[string]struct {
			build   map[string]any
			typ     string
			command []string
		}{
			"slug":           {slug("web"), "web", []string{"start", "web"}},
			"dockerfile":     {dockerfile("web"), "web", []string{"bash", "-c", "start-web"}},
			"dockerfile-cmd": {dockerfile("web"), "cmd", nil},
			"image":          {image, "cmd", nil},
			"image-procfile": {map[string]any{"image": "autotest/example", "procfile": map[string]string{"worker": "work hard"}}, "worker", []string{"bash", "-c", "work hard"}},
		} {
			scene := *w
			scene.app = w.app + "-" + name
			scene.created(w.root, test.build)
			scene.scale(map[string]int{test.typ: 2})
			if got := scene.spec(scene.app + "_v2." + test.typ + ".2").Command; !slices.Equal(got, test.command) {
				w.Errorf("%s: %q", name, got)
			}
		}
	}},
	{"run_command_good", func(w *stage) {
		for name, test := range map[string]struct {
			build      map[string]any
			entrypoint string
		}{
			"slug":       {slug("web"), "/runner/init"},
			"dockerfile": {dockerfile("web"), "/bin/bash -c"},
			"image":      {image, "/bin/bash -c"},
		} {
			scene := *w
			scene.app = w.app + "-" + name
			scene.created(w.root, test.build)
			a := scene.want(ok200, w.root, "POST", scene.path("run"), map[string]string{"command": "echo 'hi'"})
			var out [2]any
			a.decode(w.T, &out)
			if text := fmt.Sprint(out[1]); out[0] != 0.0 || !strings.Contains(text, fmt.Sprintf(`"entrypoint":%q`, test.entrypoint)) || !strings.Contains(text, "echo 'hi'") {
				w.Errorf("%s: %v", name, out)
			}
		}
	}},
	{"scaling_does_not_add_run_proctypes", func(w *stage) {
		w.created(w.root, slug("web"))
		w.want(ok200, w.root, "POST", w.path("run"), map[string]string{"command": "ls"})
		w.scale(map[string]int{"web": 1})
		w.runs("v2.web.1")
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":1}`)
		w.want(bad400, w.root, "POST", w.path("builds"), slug("web", "run"), `{"procfile":["`) // v1 hid such containers
	}},
	{"scale_unauthorized", func(w *stage) {
		w.created(w.user("ann"), slug("web"))
		w.want(not403, w.user("bob"), "POST", w.path("scale"), map[string]int{"web": 4}, mayNot)
	}},
	{"modified_procfile_removes_containers", func(w *stage) {
		w.created(w.root, slug("web", "worker"))
		w.scale(map[string]int{"web": 1, "worker": 2})
		w.want(made201, w.root, "POST", w.path("builds"), slug("web"))
		w.runs("v3.web.1")
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":1}`)
	}},
	{"restart_containers", func(w *stage) {
		w.created(w.root, slug("web", "worker"))
		w.scale(map[string]int{"web": 4, "worker": 2})
		for path, n := range map[string]int{"": 6, "/web": 4, "/worker": 2, "/web/1": 1, "/worker/2": 1, "/none": 0, "/web/9": 0} {
			var all []struct{ State string }
			w.want(ok200, w.root, "POST", w.path("containers")+path+"/restart", nil).decode(w.T, &all)
			if len(all) != n || slices.ContainsFunc(all, func(c struct{ State string }) bool { return c.State != "up" }) {
				w.Errorf("%q: %v, want %d", path, all, n)
			}
		}
		w.want(not403, w.user("bob"), "POST", w.path("containers", "restart"), nil, mayNot) // 503 in v1
		w.want(missing404, w.root, "POST", "/v1/apps/none/containers/restart", nil)
		w.runs("v2.web.1", "v2.web.2", "v2.web.3", "v2.web.4", "v2.worker.1", "v2.worker.2")
	}},
	// v1 pruned rows that it had left; no two containers have a name here.
	{"prune_old_containers", func(w *stage) {
		w.created(w.root, slug("web", "worker"))
		w.scale(map[string]int{"web": 2, "worker": 2})
		for i := range 3 {
			w.set(w.root, map[string]int{"N": i})
		}
		w.runs("v5.web.1", "v5.web.2", "v5.worker.1", "v5.worker.2")
	}},
}

// broken makes the app with containers of two types, and lets one kind of the
// engine's calls about it fail from then on.
func (w *stage) broken(op mock.Op) {
	w.Helper()
	w.created(w.root, slug("web", "worker"))
	w.scale(map[string]int{"web": 2, "worker": 1})
	w.eventually(func() string { return w.unsettled(w.url, w.app) })
	w.fails(op)
}

// unchanged fails the test unless the app is as broken made it.
func (w *stage) unchanged() {
	w.Helper()
	w.failing(nil)
	w.runs("v2.web.1", "v2.web.2", "v2.worker.1")
	if n := w.count(w.root, w.path("releases")); n != 2 {
		w.Errorf("%d releases", n)
	}
	if n := w.count(w.root, w.path("builds")); n != 1 {
		w.Errorf("%d builds", n)
	}
	w.has(map[string]string{})
}

var schedulerScenarios = []scenario{
	{"create", func(w *stage) {
		w.created(w.root, slug("web"))
		w.scale(map[string]int{"web": 0})
		w.fails(mock.Create)
		w.want(away503, w.root, "POST", w.path("scale"), map[string]int{"web": 5}, `{"detail":"`, told)
		w.runs()
		w.want(ok200, w.root, "GET", w.path(), nil, `"structure":{"web":0}`)
	}},
	// v1 answered 204, with some up and some crashed.
	{"start", func(w *stage) {
		w.broken(mock.Start)
		w.want(away503, w.root, "POST", w.path("scale"), map[string]int{"web": 5}, told)
		w.unchanged()
	}},
	{"restart", func(w *stage) {
		w.broken(mock.Start)
		worker := w.first(w.want(ok200, w.root, "GET", w.path("containers", "worker"), nil)).body
		w.want(away503, w.root, "POST", w.path("containers", "web", "restart"), nil, told)
		if now := w.first(w.want(ok200, w.root, "GET", w.path("containers", "worker"), nil)).body; now != worker {
			w.Errorf("%s, was %s", now, worker)
		}
		w.failing(nil)
		w.eventually(func() string { return w.unsettled(w.url, w.app) }) // the loop starts it
		w.unchanged()
	}},
	// v1 answered 503 and wanted it asked again; now the rest is done in the
	// background, since nobody is sent to those containers any more.
	{"destroy", func(w *stage) {
		w.broken(mock.Destroy)
		w.scale(map[string]int{"web": 0, "worker": 0})
		if got := w.processes(); len(got) != 0 {
			w.Errorf("%v", got)
		}
		w.want(away503, w.root, "DELETE", w.path(), nil, `{"detail":"The app is being destroyed, which goes on in the background."}`)
		w.want(missing404, w.root, "GET", w.path(), nil)
		w.failing(nil)
		w.eventually(func() string {
			if a := w.call(w.root, "POST", "/v1/apps", map[string]string{"id": w.app}); a.line != made201 {
				return a.line
			}
			return w.unsettled(w.url, w.app)
		})
	}},
	{"build", func(w *stage) {
		w.broken(mock.Create)
		w.want(away503, w.root, "POST", w.path("builds"), slug("web", "worker"), told)
		w.unchanged()
	}},
	{"config", func(w *stage) {
		w.broken(mock.Create)
		w.want(away503, w.root, "POST", w.path("config"), map[string]any{"values": map[string]string{"A": "1"}}, told)
		w.unchanged()
	}},
	{"run", func(w *stage) {
		w.broken(mock.Run)
		w.want(away503, w.root, "POST", w.path("run"), map[string]string{"command": "ls"}, told)
		w.unchanged()
	}},
}
