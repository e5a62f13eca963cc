package controller_test

import (
	"maps"
	"slices"
	"strings"
)

var buildScenarios = []scenario{
	{"build", func(w *stage) {
		w.create(w.root)
		if n := w.count(w.root, w.path("builds")); n != 0 {
			w.Errorf("%d builds", n)
		}
		a := w.want(made201, w.root, "POST", w.path("builds"), map[string]string{"image": "autotest/example"}, `"image":"autotest/example"`)
		if a.header.Get("X-Deis-Release") != "2" || a.header.Get("Deis-Release") != "2" {
			w.Errorf("%v", a.header)
		}
		var build struct{ UUID string }
		a.decode(w.T, &build)
		w.want(ok200, w.root, "GET", w.path("builds", build.UUID), nil, build.UUID)
		a = w.want(made201, w.root, "POST", w.path("builds"), slug("web"))
		if a.header.Get("Deis-Release") != "3" || strings.Contains(a.body, build.UUID) {
			w.Errorf("%v %s", a.header, a.body)
		}
		w.want(ok200, w.root, "GET", w.path("builds", build.UUID), nil, build.UUID) // v1 showed the latest
		w.want(missing404, w.root, "GET", w.path("builds", "none"), nil)
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			w.want(verb405, w.root, method, w.path("builds"), nil)
			w.want(verb405, w.root, method, w.path("builds", build.UUID), nil)
		}
	}},
	{"response_data", func(w *stage) {
		w.create(w.root)
		a := w.want(made201, w.root, "POST", w.path("builds"), slug("web"), `"procfile":{"web":"start-web"}`, `"sha":"0123456789abcdef"`)
		w.shape(a, "owner", "app", "image", "sha", "procfile", "dockerfile", "created", "updated", "uuid")
		w.shape(w.first(w.want(ok200, w.root, "GET", w.path("builds"), nil)), "owner", "app", "image", "sha", "procfile", "dockerfile", "created", "updated", "uuid")
	}},
	{"build_default_containers", func(w *stage) {
		for name, test := range map[string]struct {
			build map[string]any
			runs  string
		}{
			"image":      {map[string]any{"image": "autotest/example"}, "v2.cmd.1"},
			"dockerfile": {map[string]any{"image": "autotest/example", "sha": "abc", "dockerfile": "FROM busybox"}, "v2.cmd.1"},
			"worker":     {map[string]any{"image": "autotest/example", "sha": "abc", "dockerfile": "FROM busybox", "procfile": map[string]string{"worker": "w"}}, "v2.cmd.1"},
			"text":       {map[string]any{"image": "autotest/example", "sha": "abc", "dockerfile": "FROM busybox", "procfile": `{"web": "w"}`}, "v2.web.1"},
			"slug":       {slug("web", "worker"), "v2.web.1"},
		} {
			scene := *w
			scene.app = w.app + "-" + name
			scene.created(w.root, test.build)
			scene.runs(test.runs)
		}
	}},
	{"admin_can_create_builds_on_other_apps", func(w *stage) {
		w.create(w.user("ann"))
		w.want(made201, w.root, "POST", w.path("builds"), slug("web"), `"owner":"root"`)
	}},
	{"unauthorized", func(w *stage) {
		w.create(w.user("ann"))
		w.want(not403, w.user("bob"), "POST", w.path("builds"), slug("web"), mayNot)
		w.want(not403, w.user("bob"), "GET", w.path("builds"), nil, mayNot)
	}},
	{"new_build_does_not_scale_up_automatically", func(w *stage) {
		w.created(w.root, slug("web"))
		w.want(done204, w.root, "POST", w.path("scale"), map[string]int{"web": 0})
		w.runs()
		w.want(made201, w.root, "POST", w.path("builds"), slug("web"))
		w.runs()
	}},
}

// push is what the builder tells of a push.
func (w *stage) push(user string) map[string]string {
	return map[string]string{
		"receive_user": user, "receive_repo": w.app, "sha": "df1e628f2244b73f9cdf944f880a2b3470a122f4",
		"fingerprint": "88:25:ed:67:56:91:3d:c6:1b:7f:42:c6:9b:41:24:80", "ssh_connection": "10.0.1.10 50337 172.17.0.143 22",
		"ssh_original_command": "git-receive-pack '" + w.app + ".git'",
	}
}

// built is what the builder tells of a build.
func (w *stage) built(user string, more map[string]any) map[string]any {
	body := map[string]any{"receive_user": user, "receive_repo": w.app, "image": w.app, "sha": "ecdff91c"}
	maps.Copy(body, more)
	return body
}

var hooksScenarios = []scenario{
	{"push_hook", func(w *stage) {
		w.create(w.user("ann"))
		w.want(not403, w.user("ann"), "POST", "/v1/hooks/push", w.push("ann"), mayNot)
		w.want(who401, w.as(w.url, ""), "POST", "/v1/hooks/push", w.push("ann"))
		a := w.want(made201, w.builder, "POST", "/v1/hooks/push", w.push("ann"), `"owner":"ann"`, `"app":"`+w.app+`"`)
		w.shape(a, "uuid", "owner", "app", "sha", "fingerprint", "receive_user", "receive_repo", "ssh_connection", "ssh_original_command", "created", "updated")
	}},
	{"push_abuse", func(w *stage) {
		w.create(w.user("ann"))
		w.user("eve")
		w.want(not403, w.builder, "POST", "/v1/hooks/push", w.push("eve"), mayNot)
		w.want(not403, w.builder, "POST", "/v1/hooks/build", w.built("eve", nil), mayNot)
		w.want(not403, w.builder, "POST", "/v1/hooks/config", map[string]string{"receive_user": "eve", "receive_repo": w.app}, mayNot)
	}},
	{"build_hook", func(w *stage) {
		w.create(w.user("ann"))
		w.want(who401, w.as(w.url, ""), "POST", "/v1/hooks/builds", w.built("ann", nil))
		w.want(ok200, w.builder, "POST", "/v1/hooks/builds", w.built("ann", map[string]any{"procfile": map[string]string{"web": "w"}}),
			`{"release":{"version":2},"domains":["`+w.app+"."+domain+`"]}`)
		w.fails("create") // v1 answered 200, with the version before
		w.want(away503, w.builder, "POST", "/v1/hooks/build", w.built("ann", map[string]any{"sha": "bad", "procfile": map[string]string{"web": "w"}}), told)
	}},
	{"build_hook_procfile", func(w *stage) {
		w.create(w.user("ann"))
		w.want(ok200, w.builder, "POST", "/v1/hooks/build", w.built("ann", map[string]any{"procfile": map[string]string{"web": "node server.js", "worker": "node worker.js"}}))
		w.runs("v2.web.1")
		w.want(ok200, w.root, "GET", w.path("builds"), nil, `"owner":"ann"`, `"procfile":{"web":"node server.js","worker":"node worker.js"}`)
	}},
	{"build_hook_dockerfile", func(w *stage) {
		w.create(w.user("ann"))
		w.want(ok200, w.builder, "POST", "/v1/hooks/build", w.built("ann", map[string]any{"dockerfile": "true"}))
		w.runs("v2.cmd.1")
		if cmd := w.spec(w.app + "_v2.cmd.1").Command; cmd != nil {
			w.Errorf("command is %q", cmd)
		}
	}},
	{"config_hook", func(w *stage) {
		w.create(w.user("ann"))
		w.set(w.user("ann"), map[string]string{"FOO": "bar", "NEW_URL": "http://localhost"})
		a := w.want(ok200, w.builder, "POST", "/v1/hooks/config", map[string]string{"receive_user": "ann", "receive_repo": w.app})
		if b := w.want(ok200, w.root, "GET", w.path("config"), nil); a.body != b.body {
			w.Errorf("%s, want %s", a.body, b.body)
		}
	}},
	{"admin_can_hook", func(w *stage) {
		w.create(w.user("ann"))
		w.want(made201, w.builder, "POST", "/v1/hooks/push", w.push("root"))
		w.want(ok200, w.builder, "POST", "/v1/hooks/build", w.built("root", map[string]any{"dockerfile": "true"}), `{"release":{"version":2}`)
	}},
}

var releaseKeys = []string{"uuid", "app", "owner", "created", "updated", "version", "summary", "config", "build"}

// pair is what a release is made of.
type pair struct {
	Version       int
	Config, Build string
}

func (w *stage) release(version string) (p pair) {
	w.Helper()
	w.want(ok200, w.root, "GET", w.path("releases", version), nil).decode(w.T, &p)
	return p
}

var releaseScenarios = []scenario{
	{"release", func(w *stage) {
		w.create(w.root)
		w.want(ok200, w.root, "GET", w.path("releases", "v1"), nil, `"version":1`, `"build":null`, `"summary":"root created initial release"`)
		w.set(w.root, map[string]string{"NEW_URL": "http://localhost"})
		one, two := w.release("v1"), w.release("v2")
		w.want(made201, w.root, "POST", w.path("builds"), slug("web"))
		three := w.release("v3")
		if two.Version != 2 || two.Config == one.Config || two.Build != "" || three.Version != 3 || three.Config != two.Config || three.Build == "" {
			w.Errorf("%+v %+v %+v", one, two, three)
		}
		versions, _ := w.versions(w.root, w.app)
		if !slices.Equal(versions, []int{3, 2, 1}) {
			w.Errorf("%v", versions)
		}
		w.want(missing404, w.root, "GET", w.path("releases", "v9"), nil, `{"detail":"Not found"}`)
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			w.want(verb405, w.root, method, w.path("releases"), nil)
			w.want(verb405, w.root, method, w.path("releases", "v1"), nil)
		}
	}},
	{"response_data", func(w *stage) {
		w.create(w.root)
		w.set(w.root, map[string]string{"NEW_URL": "http://localhost"})
		w.shape(w.want(ok200, w.root, "GET", w.path("releases", "v2"), nil, `"summary":"root added NEW_URL"`), releaseKeys...)
	}},
	{"rollback", func(w *stage) {
		rollback := w.path("releases", "rollback")
		w.create(w.root)
		w.want(bad400, w.root, "POST", rollback, nil, `{"detail":"version cannot be below 0"}`)
		w.want(bad400, w.root, "POST", rollback, map[string]int{"version": -1}, `{"detail":"version cannot be below 0"}`)
		w.want(made201, w.root, "POST", w.path("builds"), slug("web"))
		w.want(bad400, w.root, "POST", rollback, map[string]int{"version": 1}, "v1 has no build") // v1 started what was never built
		w.set(w.root, map[string]string{"A": "3"})
		w.set(w.root, map[string]string{"A": "4"})
		w.want(made201, w.root, "POST", rollback, nil, `{"version":5}`)
		if five, three := w.release("v5"), w.release("v3"); five.Config != three.Config || five.Build != three.Build || w.values()["A"] != "3" {
			w.Errorf("%+v %+v %v", five, three, w.values())
		}
		w.want(made201, w.root, "POST", rollback, map[string]string{"version": "2"}, `{"version":6}`)
		if six, two := w.release("v6"), w.release("v2"); six.Config != two.Config || six.Build != two.Build || len(w.values()) != 0 {
			w.Errorf("%+v %+v %v", six, two, w.values())
		}
		w.want(ok200, w.root, "GET", w.path("releases", "v6"), nil, `"summary":"root rolled back to v2"`)
		w.runs("v6.web.1")
		w.set(w.root, map[string]string{"B": "1"})
		if v := w.values(); len(v) != 1 { // v1 brought A back
			w.Errorf("%v", v)
		}
		w.want(missing404, w.root, "POST", rollback, map[string]int{"version": 99}, `{"detail":"Not found"}`)
		w.fails("create")
		w.want(away503, w.root, "POST", rollback, nil, told)
	}},
	{"summary", func(w *stage) {
		w.created(w.root, slug("web"))
		w.want(ok200, w.root, "GET", w.path("releases", "v2"), nil, `"summary":"root deployed 0123456"`)
		w.want(made201, w.root, "POST", w.path("builds"), map[string]string{"image": "autotest/example"})
		w.want(ok200, w.root, "GET", w.path("releases", "v3"), nil, `"summary":"root deployed autotest/example"`)
		w.want(made201, w.root, "POST", w.path("config"), map[string]any{
			"values": map[string]string{"NEW": "1"}, "memory": map[string]string{"web": "64M"}, "cpu": map[string]int{"web": 512}, "tags": map[string]string{"disk": "ssd"},
		})
		w.want(ok200, w.root, "GET", w.path("releases", "v4"), nil,
			`"summary":"root added NEW and root changed limits for memory, cpu and root added tag disk"`) // v1 forgot the first and
	}},
	{"admin", func(w *stage) {
		w.created(w.user("ann"), slug("web"))
		w.set(w.user("ann"), map[string]string{"A": "1"})
		w.want(ok200, w.root, "GET", w.path("releases"), nil, `"summary":"ann added A"`)
		w.want(made201, w.root, "POST", w.path("releases", "rollback"), nil, `{"version":4}`)
		w.want(ok200, w.root, "GET", w.path("releases", "v4"), nil, `"summary":"root rolled back to v2"`)
	}},
	{"unauthorized_rollback", func(w *stage) {
		w.created(w.user("ann"), slug("web"))
		w.want(not403, w.user("bob"), "POST", w.path("releases", "rollback"), nil, mayNot)
	}},
}
