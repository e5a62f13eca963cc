package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// secret is in every answer that has a place for it, and belongs on no disk.
const secret = "hunter2"

var (
	askApps  = exchange{request: "GET /v1/apps/?page_size=1000", status: 200, answer: pageJSON(3, appJSON("demo"), appJSON("other"), appJSON("den"))}
	askApp   = exchange{request: "GET /v1/apps/demo/", status: 200, answer: strings.Replace(appJSON("demo"), `"structure":{}`, `"structure":{"web":2,"cmd":0}`, 1)}
	askBuild = exchange{request: "GET /v1/apps/demo/builds/?page_size=1", status: 200,
		answer: pageJSON(9, `{"procfile":{"web":"./server `+secret+`","worker":"./work"},"image":"demo","uuid":"`+uuid+`","created":"`+when+`","updated":"`+when+`"}`)}
	askConfig = exchange{request: "GET /v1/apps/demo/config/", status: 200,
		answer: configJSON(`"values":{"MODE":"` + secret + `","MOON":"full","NAME":"x"},"memory":{"web":"1G"},"cpu":{"worker":512},"tags":{"ssd":"yes","zone":"a"}`)}
	askProcesses = exchange{request: "GET /v1/apps/demo/containers/?page_size=1000", status: 200,
		answer: pageJSON(3, processJSON("web", 1, "up", "v2"), processJSON("web", 2, "crashed", "v2"), processJSON("worker", 1, "up", "v2"))}
	askReleases = exchange{request: "GET /v1/apps/demo/releases/?page_size=1000", status: 200,
		answer: pageJSON(2, releaseJSON("2", `"`+uuid+`"`, "bob deployed 1a2b3c4"), releaseJSON("1", "null", "bob created initial release"))}
	askDomains = exchange{request: "GET /v1/apps/demo/domains/?page_size=1000", status: 200, answer: pageJSON(1, domainJSON("www.example.com"))}
	askPerms   = exchange{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":["carol","dave"]}`}
	askAdmins  = exchange{request: "GET /v1/admin/perms/?page_size=1000", status: 200, answer: pageJSON(1, `{"username":"root","is_superuser":true}`)}
	askUsers   = exchange{request: "GET /v1/users/?page_size=1000", status: 200, answer: pageJSON(2, `{"username":"carol"}`, `{"username":"bob"}`)}
	askCerts   = exchange{request: "GET /v1/certs/?page_size=1000", status: 200, answer: pageJSON(1, fmt.Sprintf(`{"common_name":"www.example.com","expires":"%s"}`, when))}
	askKeys    = exchange{request: "GET /v1/keys/?page_size=1000", status: 200, answer: pageJSON(2, `{"id":"bob@laptop","public":"ssh-rsa AAA"}`, `{"id":"old key","public":"ssh-rsa BBB"}`)}
)

// Endings of an answer, as cobra's protocol has them.
const (
	asFiles   = ":0"
	noFiles   = ":4"
	noSpace   = ":6"
	keepOrder = ":36"
)

// completed runs a completion whose last word is behind the last space.
func (s *scene) completed(line string) string {
	s.t.Helper()
	out, errOut, code := s.run(append([]string{"__complete"}, strings.Split(line, " ")...)...)
	if errOut != "" || code != 0 {
		s.t.Errorf("%q: exit %d, stderr %q", line, code, errOut)
	}
	return strings.TrimSuffix(out, "\n")
}

// TestComplete: each source, what is asked for it, and what is offered.
func TestComplete(t *testing.T) {
	for line, c := range map[string]struct {
		calls []exchange
		want  []string
	}{
		// Words that the program knows.
		"ps:sc":                  {nil, []string{"ps:scale\trun more or fewer processes of a type", noFiles}},
		"ps":                     {nil, []string{"ps:list\tlist an app's processes", "ps:restart\trestart an app's processes", "ps:scale\trun more or fewer processes of a type", "ps\tmanage an app's processes", noFiles}},
		"sc":                     {nil, []string{"scale\tps:scale", noFiles}},
		"hel":                    {nil, []string{"help\tsay more about a command", noFiles}},
		"help rollb":             {nil, []string{"rollback\treleases:rollback", noFiles}},
		"help ps:scale ":         {nil, []string{noFiles}},
		"version ":               {nil, []string{noFiles}},
		"completion ":            {nil, []string{"bash", "zsh", "fish", "powershell", noFiles}},
		"completion bash ":       {nil, []string{noFiles}},
		"config:list --on":       {nil, []string{"--oneline\tprint all on one line", noFiles}},
		"scale -a demo --":       {nil, []string{"--help\thelp for ps:scale", noFiles}},
		"perms:list --admin --a": {nil, []string{noFiles}}, // --app is excluded
		"login x --ssl-verify ":  {nil, []string{"true", "false", noFiles}},
		"login x --ssl-verify=f": {nil, []string{"false", noFiles}},
		// What only the shell or the user knows.
		"certs:add ":            {nil, []string{asFiles}},
		"certs:add a.pem ":      {nil, []string{asFiles}},
		"certs:add a.pem k ":    {nil, []string{noFiles}},
		"keys:add ":             {nil, []string{asFiles}},
		"config:push -p ":       {nil, []string{asFiles}},
		"login x --ca-file=":    {nil, []string{asFiles}},
		"create ":               {nil, []string{noFiles}},
		"run ls ":               {nil, []string{noFiles}},
		"login x --username ":   {nil, []string{noFiles}},
		"destroy --confirm ":    {nil, []string{noFiles}},
		"scale web=":            {nil, []string{noFiles}},
		"config:set MODE=x":     {nil, []string{noFiles}},
		"a-plugin of mine ":     {nil, []string{asFiles}},
		"ps:scale --unknown a ": {nil, []string{asFiles}},
		// What the controller knows.
		"info -a ":            {[]exchange{askApps}, []string{"demo", "den", "other", noFiles}},
		"info -a de":          {[]exchange{askApps}, []string{"demo", "den", noFiles}},
		"info --app=o":        {[]exchange{askApps}, []string{"other", noFiles}},
		"ps -a o":             {[]exchange{askApps}, []string{"other", noFiles}},
		"scale -a demo ":      {[]exchange{askApp, askBuild}, []string{"cmd=", "web=", "worker=", noSpace}},
		"ps:scale w":          {[]exchange{askApp, askBuild}, []string{"web=", "worker=", noSpace}},
		"ps:scale web=1 w":    {[]exchange{askApp, askBuild}, []string{"worker=", noSpace}},
		"limits:set -m wo":    {[]exchange{askApp, askBuild}, []string{"worker=", noSpace}},
		"limits:unset ":       {[]exchange{askConfig}, []string{"web", "worker", noFiles}},
		"ps:restart we":       {[]exchange{askProcesses}, []string{"web", "web.1\tup (v2)", "web.2\tcrashed (v2)", noFiles}},
		"ps:restart web ":     {nil, []string{noFiles}},
		"config:set M":        {[]exchange{askConfig}, []string{"MODE=", "MOON=", noSpace}},
		"config:unset ":       {[]exchange{askConfig}, []string{"MODE", "MOON", "NAME", noFiles}},
		"config:unset MODE M": {[]exchange{askConfig}, []string{"MOON", noFiles}},
		"tags:set z":          {[]exchange{askConfig}, []string{"zone=", noSpace}},
		"tags:unset ":         {[]exchange{askConfig}, []string{"ssd", "zone", noFiles}},
		"releases:info ":      {[]exchange{askReleases}, []string{"v2\tbob deployed 1a2b3c4", "v1\tbob created initial release", keepOrder}},
		"rollback v1":         {[]exchange{askReleases}, []string{"v1\tbob created initial release", keepOrder}},
		"domains:remove ":     {[]exchange{askDomains}, []string{"www.example.com", noFiles}},
		"certs:remove w":      {[]exchange{askCerts}, []string{"www.example.com", noFiles}},
		"keys:remove ":        {[]exchange{askKeys}, []string{"bob@laptop", "old key", noFiles}},
		"apps --output ":      {nil, []string{"json", "text", noFiles}},
		"credentials:remove ": {[]exchange{{request: "GET /v1/apps/demo/credentials/?page_size=1000", status: 200,
			answer: pageJSON(1, `{"registry":"quay.io","username":"robot","app":"demo","owner":"bob","created":"`+when+`","updated":"`+when+`"}`)}}, []string{"quay.io", noFiles}},
		"sharing:remove ":            {[]exchange{askPerms}, []string{"carol", "dave", noFiles}},
		"perms:delete --admin ":      {[]exchange{askAdmins}, []string{"root", noFiles}},
		"perms:create c":             {[]exchange{askUsers}, []string{"carol", noFiles}},
		"apps:transfer c":            {[]exchange{askUsers}, []string{"carol", noFiles}},
		"auth:regenerate -u ":        {[]exchange{askUsers}, []string{"bob", "carol", noFiles}},
		"domains:remove -a ../../x ": {[]exchange{{request: "GET /v1/apps/..%2F..%2Fx/domains/?page_size=1000", status: 404, answer: notFound}}, []string{noFiles}},
	} {
		t.Run(line, func(t *testing.T) {
			s := newScene(t, c.calls...)
			if got, want := s.completed(line), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			s.noSecretKept()
		})
	}
}

// noSecretKept looks through what completion keeps.
func (s *scene) noSecretKept() {
	s.t.Helper()
	for _, file := range s.kept() {
		b, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.Contains(string(b), secret) || strings.Contains(string(b), "abc\"") {
			s.t.Errorf("%s holds a secret: %s", file, b)
		}
		for path, want := range map[string]fs.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				s.t.Errorf("%s: %v %v", path, info.Mode(), err)
			}
		}
	}
}

// kept are the files of what completion remembers.
func (s *scene) kept() []string {
	files, err := filepath.Glob(filepath.Join(s.home, ".cache", "deis", "completion", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// TestCompletionSourcesAreWhole: each argument has a source, if only to say
// that it is free text, and none is left of an argument that is gone.
func TestCompletionSourcesAreWhole(t *testing.T) {
	f := NewFactory(nil, nil)
	f.IO, _, _ = testIOStreams("")
	used := map[string]bool{}
	for _, g := range groups {
		for _, v := range g.verbs(f) {
			var arguments []string
			for _, p := range v.positionals {
				arguments = append(arguments, p.name)
			}
			for _, fl := range v.flags {
				if fl.value != "" {
					arguments = append(arguments, "--"+fl.name)
				}
			}
			for _, a := range arguments {
				key := v.Name() + " " + a
				if _, ok := sources[key]; !ok {
					key = a
				}
				if _, ok := sources[key]; !ok {
					t.Errorf("%s of %s has no source", a, v.Name())
				}
				used[key] = true
			}
		}
	}
	named := map[string]string{}
	for key, s := range sources {
		if !used[key] {
			t.Errorf("no command has %s", key)
		}
		if (s.list == nil) != (s.name == "") {
			t.Errorf("%s: a list and its name go together", key)
		}
		if s.list != nil { // two lists of one name would be taken for each other
			at := fmt.Sprintf("%p", s.list)
			if was, ok := named[s.name]; ok && was != at {
				t.Errorf("%s: the name %s stands for two lists", key, s.name)
			}
			named[s.name] = at
		}
	}
}

// TestCompleteRemembers: the second of two answers is the first, until it is
// old, until something changes, and for its own app only.
func TestCompleteRemembers(t *testing.T) {
	later := exchange{request: askDomains.request, status: 200, answer: pageJSON(1, domainJSON("new.example.com"))}
	s := newScene(t, askDomains, askApps, later, exchange{request: `POST /v1/apps/demo/domains/ {"domain":"x.com"}`, status: 201}, later)
	for range 2 {
		if got := s.completed("domains:remove "); got != "www.example.com\n"+noFiles {
			t.Error(got)
		}
	}
	s.completed("info -a ")
	if n := len(s.kept()); n != 2 {
		t.Errorf("%d answers kept, want 2", n)
	}
	s.tick = rememberFor + 5*time.Second // what is kept is from the first tick
	if got := s.completed("domains:remove "); got != "new.example.com\n"+noFiles {
		t.Error(got)
	}
	if _, _, code := s.run("domains:add", "x.com", "-a", "demo"); code != 0 || len(s.kept()) != 0 {
		t.Errorf("exit %d, %d answers kept after a change", code, len(s.kept()))
	}
	s.completed("domains:remove -a demo ") // asks
	s.run("whoami")
	if len(s.kept()) != 1 {
		t.Error("a command that only reads made completion forget")
	}
	if s.run("logout"); len(s.kept()) != 0 {
		t.Error("logout left what the controller said")
	}
}

// TestCompleteTellsSessionsApart: another user, controller or app is another
// question.
func TestCompleteTellsSessionsApart(t *testing.T) {
	s := newScene(t, askApps, exchange{request: askApps.request, status: 200, answer: pageJSON(1, appJSON("carols"))})
	s.completed("info -a ")
	session := strings.Replace(s.read("../.deis/client.json"), "bob", "carol", 1)
	s.write("../.deis/client.json", strings.Replace(session, "http://controller", s.stub.URL, 1))
	if got := s.completed("info -a "); got != "carols\n"+noFiles {
		t.Error(got)
	}
}

// TestCompleteOfTheApp: without -a it is the app of DEIS_APP, as for the command.
func TestCompleteOfTheApp(t *testing.T) {
	s := newScene(t, exchange{request: "GET /v1/apps/ours/perms/", status: 200, answer: `{"users":["erin"]}`})
	s.env = append(s.env, "DEIS_APP=ours")
	if got := s.completed("perms:delete "); got != "erin\n"+noFiles {
		t.Error(got)
	}
}

// TestCompleteWithBrokenMemory: what cannot be read is asked anew; where
// nothing can be kept, there is an answer all the same.
func TestCompleteWithBrokenMemory(t *testing.T) {
	want := "demo\nden\nother\n" + noFiles
	t.Run("corrupt", func(t *testing.T) {
		for _, text := range []string{"", "{", `{"asked":7}`, `[]`, "\x00", `{"asked":"2999-01-01T00:00:00Z","values":["of the future"]}`} {
			s := newScene(t, askApps, askApps)
			s.completed("info -a ")
			s.write(s.kept()[0], text)
			if got := s.completed("info -a "); got != want {
				t.Errorf("%q: %s", text, got)
			}
		}
	})
	t.Run("no folder", func(t *testing.T) {
		s := newScene(t, askApps, askApps)
		s.write("../.cache", "a file")
		for range 2 {
			if got := s.completed("info -a "); got != want {
				t.Error(got)
			}
		}
	})
	t.Run("XDG_CACHE_HOME", func(t *testing.T) {
		s := newScene(t, askApps)
		s.env = append(s.env, "XDG_CACHE_HOME="+filepath.Join(s.home, "elsewhere"))
		for range 2 {
			s.completed("info -a ")
		}
		if _, err := os.Stat(filepath.Join(s.home, "elsewhere", "deis", "completion")); err != nil || len(s.kept()) != 0 {
			t.Errorf("%v, %v", err, s.kept())
		}
		s.env = append(s.env, "XDG_CACHE_HOME=relative") // is to be ignored
		s.stub.left = []exchange{askApps}
		if s.completed("info -a "); len(s.kept()) != 1 {
			t.Error(s.kept())
		}
	})
}

// TestCompleteWithoutSession: nobody is asked, nothing is said.
func TestCompleteWithoutSession(t *testing.T) {
	for name, setup := range map[string]func(*scene){
		"none":    noSession,
		"broken":  func(s *scene) { s.write("../.deis/client.json", "{") },
		"no home": func(s *scene) { s.env = []string{"PATH=" + os.Getenv("PATH")} },
		"CA gone": profile(`,"ca_file":"/none"`),
		"no URL":  func(s *scene) { s.write("../.deis/client.json", `{"controller":"ftp://x"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			setup(s)
			for line, want := range map[string]string{"info -a ": noFiles, "scale -a demo ": noSpace, "ps:sc": "ps:scale\trun more or fewer processes of a type\n" + noFiles} {
				if got := s.completed(line); got != want {
					t.Errorf("%q: %s", line, got)
				}
			}
		})
	}
}

// TestCompleteRefused: what a controller will not tell is nothing to offer,
// and not asked for again at each key.
func TestCompleteRefused(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		s := newScene(t, exchange{request: askApps.request, status: status, answer: forbidden})
		for range 2 {
			if got := s.completed("info -a "); got != noFiles {
				t.Errorf("%d: %s", status, got)
			}
		}
	}
}

// TestCompleteWhileControllerIsAway: it is waited for no longer than is bearable
// at a prompt; then the last answer does, however old.
func TestCompleteWhileControllerIsAway(t *testing.T) {
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // the client hangs up, or this test never ends
	}))
	defer mute.Close()
	hole, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts, so nothing is read
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	defer broken.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer page.Close()
	for name, url := range map[string]string{
		"mute": mute.URL, "hole": "http://" + hole.Addr().String(), "closed": "http://" + closed.Addr().String(), "broken": broken.URL, "page": page.URL,
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.write("../.deis/client.json", fmt.Sprintf(`{"username":"bob","controller":"%s","token":"abc"}`, url))
			if got := s.completed("info -a "); got != noFiles {
				t.Error(got)
			}
			files := s.kept()
			if len(files) != 1 {
				t.Fatal(files)
			}
			s.write(files[0], `{"asked":"1970-01-01T00:00:00Z","values":["demo"]}`)
			s.tick = rememberFor + time.Second // old, so that the controller is asked again
			if got := s.completed("info -a "); got != "demo\n"+noFiles {
				t.Error(got)
			}
			var m memory
			if err := json.Unmarshal([]byte(s.read(files[0])), &m); err != nil || !m.Away || !slices.Equal(m.Values, []string{"demo"}) {
				t.Errorf("%+v %v", m, err)
			}
			if now := time.Unix(0, 0).Add(s.tick); !m.fresh(now) || m.fresh(now.Add(awayFor)) || !m.fresh(now.Add(awayFor-1)) {
				t.Error("one that is away is left alone for a moment, no longer")
			}
		})
	}
}

// TestCompleteLeavesOutTricks: nothing that moves a cursor is offered.
func TestCompleteLeavesOutTricks(t *testing.T) {
	s := newScene(t, exchange{request: askKeys.request, status: 200, answer: pageJSON(4, `{"id":"good"}`, `{"id":"\u001b[2Jbad"}`, `{"id":"two\nlines"}`, `{"id":"a\tb\tc"}`)})
	if got := s.completed("keys:remove "); got != "good\n"+noFiles {
		t.Errorf("%q", got)
	}
}

func TestCompletePlugins(t *testing.T) {
	s := newScene(t)
	script("deis-foo", "exit 0")(s)
	s.write("../bin/deis-dull", "not a program")
	if err := errors.Join(os.Mkdir("../bin/deis-folder", 0o700)); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "PATH="+os.Getenv("PATH")+":/none")
	if got := s.completed("fo"); got != "foo\ta plugin\n"+noFiles {
		t.Error(got)
	}
	for _, none := range []string{"dul", "fold"} {
		if got := s.completed(none); got != noFiles {
			t.Error(got)
		}
	}
}

// TestCompletionScripts: each is printed, and registers itself with its shell.
func TestCompletionScripts(t *testing.T) {
	for shell, registers := range map[string]string{
		"bash":       "\n    complete -o default -F __start_deis deis\n",
		"zsh":        "#compdef deis\ncompdef _deis deis\n",
		"fish":       "\ncomplete -c deis ",
		"powershell": "\nRegister-ArgumentCompleter -CommandName 'deis' -ScriptBlock ${__deisCompleterBlock}\n",
	} {
		s := newScene(t)
		noSession(s)
		out, errOut, code := s.run("completion", shell)
		if code != 0 || errOut != "" || !strings.Contains(out, registers) || !strings.Contains(out, "__complete") {
			t.Errorf("%s: exit %d, stderr %q, stdout of %d bytes", shell, code, errOut, len(out))
		}
	}
}

func TestOnlyReads(t *testing.T) {
	f := NewFactory(nil, nil)
	f.IO, _, _ = testIOStreams("")
	var reads []string
	for _, g := range groups {
		for _, v := range g.verbs(f) {
			if v.onlyReads() {
				reads = append(reads, v.Name())
			}
		}
	}
	slices.Sort(reads)
	want := "apps:info apps:list apps:logs apps:open auth:whoami builds:list certs:list completion config:list config:pull credentials:list domains:list git:remote " +
		"keys:list limits:list perms:list ps:list releases:info releases:list shortcuts tags:list users:list version"
	if got := strings.Join(reads, " "); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}
