package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outcomes are the exit codes that the golden stories saw, by place and
// command.
var outcomes = map[place]map[string]map[bool]bool{inPipe: {}, atTerminal: {}}

func record(where place, args []string, code int) {
	name := whole(rewrite(args)[0])
	if outcomes[where][name] == nil {
		outcomes[where][name] = map[bool]bool{}
	}
	outcomes[where][name][code == 0] = true
}

// TestGolden runs every command in a pipe and at a terminal, against a
// controller that expects exactly its requests; each command is shown to
// succeed and to fail in both.
func TestGolden(t *testing.T) {
	for _, g := range []struct {
		name    string
		stories []story
	}{
		{"auth", authStories}, {"apps", appsStories}, {"ps", psStories},
		{"config", configStories}, {"domains", domainsStories}, {"builds", buildsStories},
		{"releases", releasesStories}, {"certs", certsStories}, {"keys", keysStories},
		{"perms", permsStories}, {"users", usersStories}, {"limits", limitsStories},
		{"tags", tagsStories}, {"git", gitStories}, {"other", otherStories},
		{"credentials", credentialsStories}, {"json", jsonStories},
		{"bad", badStories}, {"logs", logsStories}, {"run", runStories},
	} {
		t.Run(g.name, func(t *testing.T) { golden(t, g.name, g.stories) })
	}
	f := NewFactory(nil, nil)
	f.IO, _, _ = testIOStreams("")
	for _, g := range groups {
		for _, v := range g.verbs(f) {
			for where, names := range outcomes {
				if o := names[v.Name()]; !o[true] || !o[false] {
					t.Errorf("%s in a %s: shown to succeed: %v, to fail: %v", v.Name(), where, o[true], o[false])
				}
			}
		}
	}
}

// noSession takes the session away.
func noSession(s *scene) { _ = os.Remove("../.deis/client.json") }

// profile replaces the session by one with these additions.
func profile(extra string) func(*scene) {
	return func(s *scene) {
		s.write("../.deis/client.json", strings.TrimSuffix(`{"username":"bob","ssl_verify":true,"controller":"`+s.stub.URL+`","token":"abc","response_limit":100`+extra, "\n")+"}")
	}
}

// script puts a program first on the PATH that writes how it was called.
func script(name, body string) func(*scene) {
	return func(s *scene) {
		s.write("../bin/"+name, "#!/bin/sh\n"+body+"\n")
		if err := os.Chmod("../bin/"+name, 0o755); err != nil {
			s.t.Fatal(err)
		}
		s.t.Setenv("PATH", filepath.Join(s.home, "bin")+":"+os.Getenv("PATH"))
	}
}

var otherStories = []story{
	{name: "version", args: words("version")},
	{name: "version flag", args: words("--version")},
	{name: "version with an argument", args: words("version now")},
	{name: "shortcuts", args: words("shortcuts")},
	{name: "shortcuts with an argument", args: words("shortcuts create")},
	{name: "completion", args: words("completion fish"), long: true},
	{name: "completion of another shell", args: words("completion csh")},
	{name: "completion of no shell", args: words("completion")},
}

var usersStories = []story{
	{name: "list", args: words("users:list"), calls: []exchange{{request: "GET /v1/users/?page_size=100", status: 200,
		answer: pageJSON(2, `{"username":"carol","last_login":"2014-10-19T22:01:00.601000Z"}`, `{"username":"bob"}`)}}},
	{name: "list by the group's name", args: words("users -l 1"), calls: []exchange{{request: "GET /v1/users/?page_size=1", status: 200,
		answer: pageJSON(2, `{"username":"bob"}`)}}},
	{name: "list as a plain user", args: words("users:list"), calls: []exchange{{request: "GET /v1/users/?page_size=100", status: 403, answer: forbidden}}},
}

var gitStories = []story{
	{name: "remote", args: words("git:remote -a demo"), setup: initGit, check: remotes("deis\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "remote of the directory's app", args: words("git:remote -r prod"), setup: initGit, check: remotes("prod\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "remote exists", args: words("git:remote -a demo"), setup: gitRemote("deis", "ssh://git@elsewhere/x.git"), check: remotes("deis\tssh://git@elsewhere/x.git")},
	{name: "remote replaced", args: words("git:remote -f -a demo"), setup: gitRemote("deis", "ssh://git@elsewhere/x.git"), check: remotes("deis\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "nothing to replace", args: words("git:remote --force -a demo -r prod"), setup: gitRemote("deis", "ssh://git@elsewhere/x.git"), check: remotes("deis\tssh://git@elsewhere/x.git", "prod\tssh://git@127.0.0.1:2222/demo.git")},
	{name: "nothing to replace, no repository", args: words("git:remote --force -a demo")},
	{name: "no repository", args: words("git:remote -a demo")},
	{name: "other SSH port", args: words("git:remote -a demo"), setup: func(s *scene) { profile(`,"ssh_port":10022`)(s); initGit(s) }, check: remotes("deis\tssh://git@127.0.0.1:10022/demo.git")},
	{name: "not logged in", args: words("git:remote"), setup: noSession},
}
