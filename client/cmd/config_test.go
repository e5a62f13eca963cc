package cmd

import (
	"os"
	"strings"
)

var configCall = exchange{request: "GET /v1/apps/demo/config/", status: 200, answer: configJSON(`"values":{"MODE":"test","A":"b c","TEXT":"two\nlines"}`)}

const privatePEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n"

// file checks what a file holds afterwards, and that nobody else may read it.
func file(path, want string) func(*scene) {
	return func(s *scene) {
		if got := s.read(path); got != want {
			s.t.Errorf("%s holds %q, want %q", path, got, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			s.t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
}

func env(text string) func(*scene) { return func(s *scene) { s.write(".env", text) } }

var configStories = []story{
	{name: "list", args: words("config:list -a demo"), calls: []exchange{configCall}},
	{name: "list on one line", args: words("config --oneline -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"MODE":"test","A":"b c"}`)}}},
	{name: "list, none", args: words("config -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{}`)}}},
	{name: "list, no such app", args: words("config -a demo"), calls: []exchange{{request: configCall.request, status: 404, answer: notFound}}},
	{name: "list on one line, no such app", args: words("config --oneline -a demo"), calls: []exchange{{request: configCall.request, status: 404, answer: notFound}}},

	{name: "set", args: []string{"config:set", "MODE=test", "-a", "demo", "A=b=<c>", "MODE=prod", "TEXT=two\nlines"}, calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"b=<c>","MODE":"prod","TEXT":"two\nlines"}}`, status: 201, answer: configJSON(`"values":{"MODE":"prod","DEIS_APP":"demo","DEIS_RELEASE":"v3"}`)}, configCall}},
	{name: "set before the first build", args: words("config:set MODE=test -a demo"), calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"MODE":"test"}}`, status: 201, answer: configJSON(`"values":{"MODE":"test"}`)}, configCall}},
	{name: "set a private key", args: []string{"config:set", "SSH_KEY=" + privatePEM, "-a", "demo"}, calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"SSH_KEY":"LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0KeAotLS0tLUVORCBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0K"}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "set a private key from its file", args: words("config:set SSH_KEY=id -a demo"), setup: func(s *scene) { s.write("id", privatePEM) }, calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"SSH_KEY":"LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0KeAotLS0tLUVORCBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0K"}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "set what is no private key", args: words("config:set SSH_KEY=secret -a demo")},
	{name: "set, wrong names", args: words("config:set 1X=3 A-B=1 OK=1 [x=1 EMPTY= -a demo")},
	{name: "set, refused", args: words("config:set A=1 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"values":{"A":"1"}}`, status: 403, answer: forbidden}}},

	{name: "unset", args: words("config:unset A MODE -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"values":{"A":null,"MODE":null}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "unset nothing", args: words("config:unset -a demo")},
	{name: "unset, refused", args: words("config:unset A -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"values":{"A":null}}`, status: 503, answer: `{"detail":"aborting, failed to create some containers"}`}}},

	{name: "pull", args: words("config:pull -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"MODE":"test","A":"b c"}`)}}, check: file(".env", "A=b c\nMODE=test\n")},
	{name: "pull, file exists", args: words("config:pull -a demo"), setup: env("OLD=1\n"), check: file(".env", "OLD=1\n")},
	{name: "pull over a file", args: words("config:pull -o -a demo"), setup: env("OLD=1\n"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"1"}`)}}, check: file(".env", "A=1\n")},
	{name: "pull, no such app, file kept", args: words("config:pull -o -a demo"), setup: env("OLD=1\n"), calls: []exchange{{request: configCall.request, status: 404, answer: notFound}}, check: file(".env", "OLD=1\n")},
	{name: "pull, asked", args: words("config:pull -i -a demo"), setup: env("A=old\nB=old\nLOCAL=1\nSAME=1"), in: "y\nn o\n",
		calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"new","B":"new","NEW":"1","SAME":"1"}`)}}, check: file(".env", "A=new\nB=old\nLOCAL=1\nNEW=1\nSAME=1\n")},
	{name: "pull, asked in vain", args: words("config:pull -io -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"1"}`)}}, check: file(".env", "A=1\n")},
	{name: "pull another file", args: words("config:pull -a demo --path=prod.env"), setup: env("OLD=1\n"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"two\nlines","B":"it's"}`)}}, check: func(s *scene) {
		file(".env", "OLD=1\n")(s)
		file("prod.env", "A='two\nlines'\nB=it's\n")(s)
	}},
	{name: "pull another file, it exists", args: words("config:pull -p prod.env -a demo"), setup: func(s *scene) { s.write("prod.env", "OLD=1\n") }, check: file("prod.env", "OLD=1\n")},
	{name: "pull to standard output", args: words("config:pull -p - -a demo"), setup: env("OLD=1\n"), calls: []exchange{configCall}, check: file(".env", "OLD=1\n")},
	{name: "pull to standard output, asked", args: words("config:pull -ip - -a demo")},
	{name: "pull, asked, junk in the file", args: words("config:pull -i -a demo"), setup: env("junk\n"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":"1"}`)}}, check: file(".env", "junk\n")},

	{name: "push", args: words("config:push -a demo"), setup: env("A=1\r\n\n# comment\nB=two words"), calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"1","B":"two words"}}`, status: 201, answer: configJSON(`"values":{"DEIS_RELEASE":"v4"}`)}, configCall}},
	{name: "push another file", args: words("config:push --path=prod.env -a demo"), setup: func(s *scene) { s.write("prod.env", "A=1") }, calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"1"}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "push quoted values", args: words("config:push -a demo"), setup: env("export A='1' # one\nB=\"two\nlines\"\nC=\n"), calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"1","B":"two\nlines","C":""}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "push what comes in", only: inPipe, args: words("config:push -a demo"), setup: env("A=file\n"), in: "A=1\nB='two\nlines'", calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"1","B":"two\nlines"}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "push a file, whatever comes in", only: inPipe, args: words("config:push -p .env -a demo"), setup: env("A=file\n"), in: "A=1\n", calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"file"}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "push standard input", only: inPipe, args: words("config:push -p - -a demo"), in: "A=1", calls: []exchange{
		{request: `POST /v1/apps/demo/config/ {"values":{"A":"1"}}`, status: 201, answer: configJSON("")}, configCall}},
	{name: "push standard input, nothing comes", args: words("config:push -p - -a demo"), setup: env("A=file\n")},
	{name: "push, junk comes in", only: inPipe, args: words("config:push -a demo"), setup: env("A=file\n"), in: "A=1\nsecret\n"},
	{name: "push a binary file", args: words("config:push -a demo"), setup: env("\x7fELF\x02\x01\x00")},
	{name: "push a directory", args: words("config:push -p . -a demo")},
	{name: "push what is no private key", args: words("config:push -a demo"), setup: env("SSH_KEY=secret")},
	{name: "push, no file", args: words("config:push -a demo"), setup: noSession},
	{name: "push, empty file", args: words("config:push -a demo"), setup: env("\n")},
	{name: "push, junk in the file", args: words("config:push -a demo"), setup: env("A=1\nexport\n")},
	{name: "push, refused", args: words("config:push -a demo"), setup: env("A=1"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"values":{"A":"1"}}`, status: 404, answer: notFound}}},
}

var limitsCall = exchange{request: configCall.request, status: 200, answer: configJSON(`"memory":{"web":"1G","worker":"512M"},"cpu":{}`)}

var limitsStories = []story{
	{name: "list", args: words("limits:list -a demo"), calls: []exchange{limitsCall}},
	{name: "list, none of memory", args: words("limits -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"cpu":{"web":512}`)}}},
	{name: "list, no such app", args: words("limits -a demo"), calls: []exchange{{request: configCall.request, status: 404, answer: notFound}}},
	{name: "set memory", args: words("limits:set web=1G worker2=512MB -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"memory":{"web":"1G","worker2":"512MB"}}`, status: 201, answer: configJSON("")}, limitsCall}},
	{name: "set memory by flag", args: words("limits:set -m web=64 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"memory":{"web":"64"}}`, status: 201, answer: configJSON("")}, limitsCall}},
	{name: "set CPU", args: words("limits:set --cpu --memory web=1024 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"cpu":{"web":"1024"}}`, status: 201, answer: configJSON("")}, limitsCall}},
	{name: "set, wrong", args: words("limits:set web=much worker=1G db -a demo")},
	{name: "set, refused", args: words("limits:set web=1KG -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"memory":{"web":"1KG"}}`, status: 400, answer: `{"memory":["Limit format: <number><unit>, where unit = B, K, M or G"]}`}}},
	{name: "unset", args: words("limits:unset web -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"memory":{"web":null}}`, status: 201, answer: configJSON("")}, limitsCall}},
	{name: "unset CPU", args: words("limits:unset -c web worker -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"cpu":{"web":null,"worker":null}}`, status: 201, answer: configJSON("")}, limitsCall}},
	{name: "unset both", args: words("limits:unset -cm web -a demo")},
}

var tagsCall = exchange{request: configCall.request, status: 200, answer: configJSON(`"tags":{"environ":"prod","rack":"1"}`)}

var tagsStories = []story{
	{name: "list", args: words("tags:list -a demo"), calls: []exchange{tagsCall}},
	{name: "list, none", args: words("tags -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON("")}}},
	{name: "list, no such app", args: words("tags -a demo"), calls: []exchange{{request: configCall.request, status: 404, answer: notFound}}},
	{name: "set", args: words("tags:set environ=prod rack=1 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"tags":{"environ":"prod","rack":"1"}}`, status: 201, answer: configJSON("")}, tagsCall}},
	{name: "set, wrong", args: words("tags:set environ a=b=c -a demo")},
	{name: "unset", args: words("tags:unset environ -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"tags":{"environ":null}}`, status: 201, answer: configJSON("")}, tagsCall}},
	{name: "unset, refused", args: words("tags:unset environ -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"tags":{"environ":null}}`, status: 403, answer: forbidden}}},
}

var domainsStories = []story{
	{name: "list", args: words("domains:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/domains/?page_size=100", status: 200, answer: pageJSON(2, domainJSON("www.example.com"), domainJSON("example.com"))}}},
	{name: "list some", args: words("domains -l1 -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/domains/?page_size=1", status: 200, answer: pageJSON(2, domainJSON("www.example.com"))}}},
	{name: "list, no such app", args: words("domains -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/domains/?page_size=100", status: 404, answer: notFound}}},
	{name: "add", args: words("domains:add www.example.com -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/domains/ {"domain":"www.example.com"}`, status: 201, answer: domainJSON("www.example.com")}}},
	{name: "add, taken", args: words("domains:add www.example.com -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/domains/ {"domain":"www.example.com"}`, status: 400, answer: `{"domain":["This field must be unique."]}`}}},
	{name: "remove", args: words("domains:remove *.example.com -a demo"), calls: []exchange{{request: `DELETE /v1/apps/demo/domains/%2A.example.com`, status: 204}}},
	{name: "remove, none", args: words("domains:remove www.example.com -a demo"), calls: []exchange{{request: `DELETE /v1/apps/demo/domains/www.example.com`, status: 404, answer: notFound}}},
	{name: "remove what has no name", args: []string{"domains:remove", "", "-a", "demo"}},
}

const buildJSON = `{"owner":"bob","app":"demo","image":"x","sha":"","procfile":{},"dockerfile":"","created":"` + when + `","updated":"` + when + `","uuid":"` + uuid + `"}`

var buildsStories = []story{
	{name: "list", args: words("builds:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/builds/?page_size=100", status: 200, answer: pageJSON(2, buildJSON, strings.ReplaceAll(buildJSON, uuid, "other"))}}},
	{name: "list some", args: words("builds -a demo -l 1"), calls: []exchange{{request: "GET /v1/apps/demo/builds/?page_size=1", status: 200, answer: pageJSON(3, buildJSON)}}},
	{name: "list, no such app", args: words("builds -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/builds/?page_size=100", status: 404, answer: notFound}}},
	{name: "create", args: words("builds:create deis/example-go:latest -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/builds/ {"image":"deis/example-go:latest"}`, status: 201, answer: buildJSON}}},
	{name: "create by shortcut, with types", args: []string{"pull", "x:1", "-a", "demo", "--procfile", "web: ./server -p $PORT\nworker: 'while true; do :; done'"}, calls: []exchange{
		{request: `POST /v1/apps/demo/builds/ {"image":"x:1","procfile":{"web":"./server -p $PORT","worker":"while true; do :; done"}}`, status: 201, answer: buildJSON}}},
	{name: "create with the Procfile", args: words("pull x:1 -a demo"), setup: func(s *scene) { s.write("Procfile", "web: ./server\n") }, calls: []exchange{
		{request: `POST /v1/apps/demo/builds/ {"image":"x:1","procfile":{"web":"./server"}}`, status: 201, answer: buildJSON}}},
	{name: "create with a wrong Procfile", args: words("pull x:1 -a demo"), setup: func(s *scene) { s.write("Procfile", "web: [1\n") }},
	{name: "create with wrong types", args: []string{"pull", "x:1", "-a", "demo", "-p", "- web"}},
	{name: "create, refused", args: words("pull deis/controller -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/builds/ {"image":"deis/controller"}`, status: 403, answer: `{"detail":"Repository name deis/controller is not allowed"}`}}},
}

func releaseJSON(v, build, summary string) string {
	return `{"uuid":"` + uuid + `","app":"demo","owner":"bob","created":"` + when + `","updated":"` + when + `","version":` + v + `,"summary":"` + summary + `","config":"c0nf","build":` + build + `}`
}

var releasesStories = []story{
	{name: "list", args: words("releases:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/releases/?page_size=100", status: 200, answer: pageJSON(2, releaseJSON("1000000", `"b"`, "bob deployed 1a2b3c4"), releaseJSON("1", "null", "bob created initial release"))}}},
	{name: "list some", args: words("releases -a demo -l 1"), calls: []exchange{{request: "GET /v1/apps/demo/releases/?page_size=1", status: 200, answer: pageJSON(2, releaseJSON("2", `"b"`, "bob added A"))}}},
	{name: "list, no such app", args: words("releases -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/releases/?page_size=100", status: 404, answer: notFound}}},
	{name: "info", args: words("releases:info v2 -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/releases/v2/", status: 200, answer: releaseJSON("2", `"b"`, "bob added A")}}},
	{name: "info without build", args: words("releases:info 1 -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/releases/v1/", status: 200, answer: releaseJSON("1", "null", "bob created initial release")}}},
	{name: "info, no version", args: words("releases:info v -a demo")},
	{name: "info, no number", args: words("releases:info vx -a demo")},
	{name: "info, none", args: words("releases:info v9 -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/releases/v9/", status: 404, answer: notFound}}},
	{name: "rollback", args: words("releases:rollback -a demo"), calls: []exchange{{request: "POST /v1/apps/demo/releases/rollback/", status: 201, answer: `{"version":4}`}}},
	{name: "rollback by shortcut", args: words("rollback v2 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/releases/rollback/ {"version":2}`, status: 201, answer: `{"version":5}`}}},
	{name: "rollback, refused", args: words("rollback 0 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/releases/rollback/ {"version":0}`, status: 400, answer: `{"detail":"version cannot be below 0"}`}}},
}
