package cmd

import (
	"os/exec"
	"strings"
	"testing"
)

func git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

// initGit makes the working directory a repository.
func initGit(s *scene) { git(s.t, "init", "-q") }

// gitRemote makes it a repository with a remote.
func gitRemote(name, url string) func(*scene) {
	return func(s *scene) {
		initGit(s)
		git(s.t, "remote", "add", name, url)
	}
}

// remotes checks what remotes a repository has.
func remotes(want ...string) func(*scene) {
	return func(s *scene) {
		var got []string
		for line := range strings.Lines(git(s.t, "remote", "-v")) {
			if line, ok := strings.CutSuffix(strings.TrimSpace(line), " (fetch)"); ok {
				got = append(got, line)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			s.t.Errorf("remotes %q, want %q", got, want)
		}
	}
}

var infoCalls = []exchange{
	{request: "GET /v1/apps/demo/", status: 200, answer: appJSON("demo")},
	{request: "GET /v1/apps/demo/containers/?page_size=100", status: 200, answer: pageJSON(2, processJSON("worker", 1, "up", "v2"), processJSON("web", 1, "up", "v2"))},
	{request: "GET /v1/apps/demo/domains/?page_size=100", status: 200, answer: pageJSON(1, domainJSON("www.example.com"))},
}

var appsStories = []story{
	{name: "create", args: words("apps:create demo"), setup: initGit, calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")}},
		check: remotes("deis\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "create by shortcut, name made up", args: words("create"), setup: initGit, calls: []exchange{{request: `POST /v1/apps/`, status: 201, answer: appJSON("proper-sandwich")}},
		check: remotes("deis\tssh://git@127.0.0.1:2222/proper-sandwich.git")},
	{name: "create without remote", args: words("apps:create demo --no-remote"), calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")}}},
	{name: "create with buildpack and remote", args: words("apps:create -b https://example.com/bp.git demo --remote=prod"), setup: initGit, calls: []exchange{
		{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")},
		{request: `POST /v1/apps/demo/config/ {"values":{"BUILDPACK_URL":"https://example.com/bp.git"}}`, status: 201, answer: configJSON("")},
	}, check: remotes("prod\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "create, remote exists", args: words("apps:create demo"), setup: gitRemote("deis", "ssh://git@elsewhere/x.git"), calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")}}},
	{name: "create, other remote exists", args: words("apps:create demo -r prod"), setup: gitRemote("prod", "ssh://git@elsewhere/x.git"), calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")}}},
	{name: "create outside of a repository", args: words("apps:create demo"), calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")}}},
	{name: "create, name taken", args: words("apps:create demo"), calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 400, answer: `{"id":["This field must be unique."]}`}}},
	{name: "create, buildpack refused", args: words("apps:create demo -b x"), calls: []exchange{
		{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")},
		{request: `POST /v1/apps/demo/config/ {"values":{"BUILDPACK_URL":"x"}}`, status: 409, answer: `{"error":"Config changes already in progress."}`},
	}},
	{name: "create, not logged in", args: words("apps:create demo"), setup: noSession},
	{name: "create, two names", args: words("apps:create demo other")},

	{name: "list", args: words("apps:list"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(2, appJSON("zoo"), appJSON("demo"))}}},
	{name: "list some", args: words("apps --limit 2"), calls: []exchange{{request: "GET /v1/apps/?page_size=2", status: 200, answer: pageJSON(5, appJSON("zoo"), appJSON("demo"))}}},
	{name: "list as the session says", args: words("apps"), setup: func(s *scene) {
		s.write("../.deis/client.json", `{"username":"bob","controller":"`+s.stub.URL+`","token":"abc","response_limit":7}`)
	}, calls: []exchange{{request: "GET /v1/apps/?page_size=7", status: 200, answer: pageJSON(0)}}},
	{name: "list a negative number", args: words("apps -l -1"), calls: []exchange{{request: "GET /v1/apps/?page_size=-1", status: 200, answer: pageJSON(0)}}},
	{name: "list, no number", args: words("apps:list -l x")},
	{name: "list, token refused", args: words("apps:list"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 401, answer: `{"detail":"Invalid token"}`}}},
	{name: "list, missing fields", args: words("apps:list"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: `{}`}}},
	{name: "list, no controller", args: words("apps:list"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: "<html>"}}},
	{name: "list, page of HTML", args: words("apps:list"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 502, answer: "<html>Bad Gateway</html>\n"}}},
	{name: "list, other API version", args: words("apps:list"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(0), version: "2.0"}}},

	{name: "info", args: words("apps:info -a demo"), calls: infoCalls},
	{name: "info by shortcut, other API version, warned once", args: words("info"), calls: []exchange{
		{request: infoCalls[0].request, status: 200, answer: infoCalls[0].answer, version: "1.6"},
		{request: infoCalls[1].request, status: 200, answer: infoCalls[1].answer, version: "1.6"},
		{request: infoCalls[2].request, status: 200, answer: infoCalls[2].answer, version: "1.6"},
	}},
	{name: "info of the environment's app", args: words("apps:info"), setup: func(s *scene) {
		gitRemote("deis", "ssh://git@127.0.0.1:2222/other.git")(s)
		s.env = append(s.env, "DEIS_APP=demo")
	}, calls: infoCalls},
	{name: "info of a named app, whatever the environment says", args: words("apps:info -a demo"), setup: func(s *scene) { s.env = append(s.env, "DEIS_APP=other") }, calls: infoCalls},
	{name: "info, no such app", args: words("apps:info -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/", status: 404, answer: notFound}}},
	{name: "info, no permission", args: words("apps:info -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/", status: 403, answer: forbidden}}},
	{name: "info of a path", args: words("apps:info -a ../users"), calls: []exchange{{request: "GET /v1/apps/..%2Fusers/", status: 404, answer: notFound}}},
	{name: "info of the parent", args: words("apps:info -a ..")},

	{name: "open", args: words("apps:open -a demo"), setup: script("xdg-open", `echo "$@" > opened`), calls: infoCalls[:1], check: func(s *scene) {
		if got := s.read("opened"); got != "http://demo.example.com\n" {
			s.t.Errorf("opened %q", got)
		}
	}},
	{name: "open, opener fails", args: words("open -a demo"), setup: script("xdg-open", `exit 4`), calls: infoCalls[:1]},

	{name: "logs", args: words("apps:logs -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/logs", status: 200,
		answer: "2015-01-01T00:00:00UTC demo[web.1]: hello\n2015-01-01T00:00:01UTC demo[deis-controller]: bob scaled\nno category\n\n"}}},
	{name: "logs, some", args: words("logs -a demo -n 1"), calls: []exchange{{request: "GET /v1/apps/demo/logs?log_lines=1", status: 200, answer: `"2015-01-01T00:00:00UTC demo[web.1]: hello"`}}},
	{name: "logs, as many as there are", args: words("logs -a demo --lines=0"), calls: []exchange{{request: "GET /v1/apps/demo/logs", status: 204}}},
	{name: "logs, not a number", args: words("logs -a demo -n many")},
	{name: "logs, no logger", args: words("logs -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/logs", status: 500, answer: "Error accessing logs for demo"}}},

	{name: "run", args: words("apps:run -a demo ls"), calls: []exchange{noStream, {request: `POST /v1/apps/demo/run {"command":"ls"}`, status: 200, answer: `[0,"héllo\n"]`}}},
	{name: "run with options", args: words("run -a demo -- ls -la /app"), calls: []exchange{noStream, {request: `POST /v1/apps/demo/run {"command":"ls -la /app"}`, status: 200, answer: `[7,"no line end"]`}}},
	{name: "run with unquoted options", args: words("run -a demo ls -la")},
	{name: "run nothing", args: words("run -a demo")},
	{name: "run in no app", args: words("run -a demo ls"), calls: []exchange{noStream, {request: `POST /v1/apps/demo/run {"command":"ls"}`, status: 404, answer: notFound}}},

	{name: "destroy", args: words("apps:destroy -a demo --confirm=demo"), setup: gitRemote("deis", "ssh://git@127.0.0.1:2222/demo.git"), calls: []exchange{{request: "DELETE /v1/apps/demo/", status: 204}},
		check: remotes("deis\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "destroy, asked", args: words("destroy"), in: "demo\n", setup: func(s *scene) {
		gitRemote("deis", "ssh://git@127.0.0.1:2222/demo.git")(s)
		git(s.t, "remote", "add", "deis2", "ssh://git@127.0.0.1:2222/demo2.git")
	}, calls: []exchange{{request: "DELETE /v1/apps/demo/", status: 204}}, check: remotes("deis2\tssh://git@127.0.0.1:2222/demo2.git")},
	{name: "destroy, no remote", args: words("destroy --confirm demo"), calls: []exchange{{request: "DELETE /v1/apps/demo/", status: 204}}},
	{name: "destroy the environment's app, remote kept", args: words("destroy --confirm demo"), setup: func(s *scene) {
		gitRemote("deis", "ssh://git@127.0.0.1:2222/demo.git")(s)
		s.env = append(s.env, "DEIS_APP=demo")
	}, calls: []exchange{{request: "DELETE /v1/apps/demo/", status: 204}}, check: remotes("deis\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "destroy, wrong answer", args: words("destroy -a demo"), in: "demo2\n"},
	{name: "destroy, no answer", args: words("destroy -a demo")},
	{name: "destroy, wrong confirmation", args: words("destroy -a demo --confirm=other")},
	{name: "destroy, no such app", args: words("destroy -a demo --confirm=demo"), calls: []exchange{{request: "DELETE /v1/apps/demo/", status: 404, answer: notFound}}},

	{name: "transfer", args: words("apps:transfer carol -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/ {"owner":"carol"}`, status: 200}}},
	{name: "transfer to nobody", args: words("apps:transfer carol -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/ {"owner":"carol"}`, status: 404, answer: notFound}}},
}

var psListCall = exchange{request: "GET /v1/apps/demo/containers/?page_size=100", status: 200, answer: pageJSON(4,
	processJSON("worker", 1, "up", "v2"), processJSON("web", 10, "crashed", "v2"), processJSON("web", 2, "created", "v2"), processJSON("web", 1, "up", "v2"))}

var psStories = []story{
	{name: "list", args: words("ps:list -a demo"), calls: []exchange{psListCall}},
	{name: "list by the group's name, no processes", args: words("ps --app=demo -l3"), calls: []exchange{{request: "GET /v1/apps/demo/containers/?page_size=3", status: 200, answer: pageJSON(0)}}},
	{name: "list some", args: words("ps -ademo -l 1"), calls: []exchange{{request: "GET /v1/apps/demo/containers/?page_size=1", status: 200, answer: pageJSON(9, processJSON("web", 1, "up", "v2"))}}},
	{name: "list, no such app", args: words("ps -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/containers/?page_size=100", status: 404, answer: notFound}}},
	{name: "scale", args: words("ps:scale web=3 worker-2=1 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/scale/ {"web":3,"worker-2":1}`, status: 204}, psListCall}},
	{name: "scale by shortcut", args: words("scale web=0 -a demo"), setup: func(s *scene) { s.env = append(s.env, "DEIS_DRINK_OF_CHOICE=tea") },
		calls: []exchange{{request: `POST /v1/apps/demo/scale/ {"web":0}`, status: 204}, {request: psListCall.request, status: 200, answer: pageJSON(0)}}},
	{name: "scale below zero", args: words("scale web=-1 -a demo")},
	{name: "scale, two wrong", args: words("scale web worker=1 db=x -a demo")},
	{name: "scale more than a number", args: words("scale web=99999999999999999999 -a demo")},
	{name: "scale nothing", args: words("scale -a demo")},
	{name: "scale, no such type", args: words("scale foo=1 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/scale/ {"foo":1}`, status: 400, answer: `{"detail":"Container type foo does not exist in application"}`}}},
	{name: "restart", args: words("ps:restart -a demo"), calls: []exchange{{request: "POST /v1/apps/demo/containers/restart/", status: 200, answer: `[]`}, psListCall}},
	{name: "restart a type", args: words("ps:restart web -a demo"), calls: []exchange{{request: "POST /v1/apps/demo/containers/web/restart/", status: 200, answer: `[` + processJSON("web", 1, "up", "v2") + `]`}, psListCall}},
	{name: "restart one", args: words("ps:restart web.2 -a demo"), calls: []exchange{{request: "POST /v1/apps/demo/containers/web/2/restart/", status: 200, answer: `[]`}, psListCall}},
	{name: "restart, no number", args: words("ps:restart web.x -a demo")},
	{name: "restart, no such app", args: words("ps:restart -a demo"), calls: []exchange{{request: "POST /v1/apps/demo/containers/restart/", status: 404, answer: notFound}}},
}
