package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/deis/deis/internal/process"
)

// bench is a slugbuilder's folders, with buildpacks by name.
func bench(t *testing.T, packs map[string]map[string]string) *builder {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	b := &builder{
		layout: layout{source: in("source"), build: in("build"), cache: in("cache"), env: in("env"), home: in("home"), packs: in("packs"),
			custom: in("custom"), slug: in("slug.tgz"), types: in("types.json"), keepEnv: inImage.keepEnv},
		getenv: func(string) string { return "" }, stdin: bytes.NewReader(nil), out: io.Discard,
	}
	if err := os.Mkdir(b.source, 0o755); err != nil {
		t.Fatal(err)
	}
	for pack, scripts := range packs {
		for name, script := range scripts {
			write(t, filepath.Join(b.packs, pack, "bin", name), "#!/bin/sh\n"+script+"\n", 0o755)
		}
	}
	return b
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// pushed builds a tree of files and returns what the pusher reads.
func (b *builder) pushed(t *testing.T, files map[string]string) (string, error) {
	t.Helper()
	for name, content := range files {
		write(t, filepath.Join(b.source, name), content, 0o644)
	}
	var out bytes.Buffer
	b.out = &out
	err := b.run(t.Context())
	return out.String(), err
}

func (b *builder) list(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("tar", "-tzf", b.slug).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestBuild(t *testing.T) {
	b := bench(t, map[string]map[string]string{
		"go":   {"detect": "exit 1"},
		"some": {"detect": "echo Some; test -f $1/some", "compile": "echo '-----> Step'; echo '  kept  '; touch $1/made $2/cached; ls $3 >$1/env; printf end", "release": "echo 'default_process_types: {web: some, clock: tick}'"},
		"zzz":  {"detect": "echo Last", "compile": "exit 3"},
	})
	out, err := b.pushed(t, map[string]string{"some": "x", ".git/config": "x", "ignored/a": "x", ".slugignore": "ignored\n"})
	want := "-----> Some app detected\n !     It could also be Last: set BUILDPACK_URL to choose\n-----> Step\n         kept  \n       end\n" +
		"-----> Discovering process types\n       Default process types for Some -> clock, web\n-----> Compiled slug size is "
	if err != nil || !strings.HasPrefix(out, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	list := b.list(t)
	for name, there := range map[string]bool{"./made\n": true, "./some\n": true, "./.release\n": true, "./.profile.d/\n": true, "./.git/": false, "./ignored/a\n": false} {
		if strings.Contains(list, name) != there {
			t.Errorf("%s: %v in\n%s", name, !there, list)
		}
	}
	if types, err := os.ReadFile(b.types); err != nil || string(types) != `{"clock":"tick","web":"some"}` {
		t.Error(string(types), err)
	}
}

func TestProcfileComesBeforeDefaults(t *testing.T) {
	packs := map[string]map[string]string{"some": {"detect": "echo Some", "compile": "", "release": "echo 'default_process_types: {web: some}'"}}
	b := bench(t, packs)
	out, err := b.pushed(t, map[string]string{"Procfile": "worker: w\n"})
	if types, _ := os.ReadFile(b.types); err != nil || string(types) != `{"worker":"w"}` || !strings.Contains(out, "       Procfile declares types -> worker\n") {
		t.Error(string(types), err, out)
	}
	b = bench(t, packs)
	if out, err := b.pushed(t, map[string]string{"Procfile": "worker w\n"}); !isExit(err) || !strings.Contains(out, " !     the Procfile cannot be read: ") {
		t.Error(out, err)
	}
}

func isExit(err error) bool {
	var exit process.Exit
	return errors.As(err, &exit)
}

func TestFailures(t *testing.T) {
	b := bench(t, map[string]map[string]string{"none": {"detect": "exit 1"}})
	if out, err := b.pushed(t, map[string]string{"x": ""}); !isExit(err) || out != "-----> Unable to select a buildpack\n" {
		t.Error(out, err)
	}
	b = bench(t, map[string]map[string]string{"bad": {"detect": "echo Bad", "compile": "echo why >&2; exit 9"}})
	if out, err := b.pushed(t, nil); !isExit(err) || !strings.Contains(out, "       why\n !     the buildpack could not compile the app: exit status 9\n") {
		t.Error(out, err)
	}
	b = bench(t, map[string]map[string]string{"bad": {"detect": "echo Bad", "compile": "", "release": "echo '- list'"}})
	if out, err := b.pushed(t, nil); !isExit(err) || !strings.Contains(out, " !     the buildpack's defaults cannot be read") {
		t.Error(out, err)
	}
	b = bench(t, nil)
	b.stdin = strings.NewReader("this is no tar")
	if err := os.Remove(b.source); err != nil {
		t.Fatal(err)
	}
	if out, err := b.pushed(t, nil); !isExit(err) || !strings.Contains(out, " !     the source could not be unpacked") {
		t.Error(out, err)
	}
}

func TestDetectionOrder(t *testing.T) {
	b := bench(t, map[string]map[string]string{
		"heroku-buildpack-go.git": {"detect": ""}, "heroku-buildpack-nodejs.git": {"detect": ""}, "multi": {"detect": ""}, "ruby": {"detect": ""}, "aaa": {"detect": ""}, "static": {"detect": ""},
	})
	var got []string
	for _, p := range b.available() {
		got = append(got, filepath.Base(p))
	}
	if s := strings.Join(got, " "); s != "multi ruby heroku-buildpack-nodejs.git heroku-buildpack-go.git aaa static" {
		t.Error(s)
	}
}

func TestCustomBuildpack(t *testing.T) {
	pack := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", pack, "-c", "user.name=a", "-c", "user.email=a"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatal(string(out))
		}
	}
	git("init", "-q", "-b", "main")
	for i, name := range []string{"one", "two", "three"} {
		write(t, filepath.Join(pack, "bin", "detect"), "#!/bin/sh\nexit 1\n", 0o755) // asked, and overruled
		write(t, filepath.Join(pack, "bin", "compile"), "#!/bin/sh\necho "+name+"\n", 0o755)
		git("add", "-A")
		git("commit", "-q", "-m", name)
		if i == 0 {
			git("tag", "v1")
		}
		if i == 1 {
			git("branch", "side")
		}
	}
	git("update-server-info")
	web := httptest.NewServer(http.FileServer(http.Dir(pack)))
	defer web.Close()
	url := web.URL + "/.git"
	commit, err := exec.Command("git", "-C", pack, "rev-parse", "side").Output()
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"": "three", "#v1": "one", "#side": "two", "#" + strings.TrimSpace(string(commit)): "two"} {
		b := bench(t, nil)
		b.getenv = func(name string) string { return map[string]string{"BUILDPACK_URL": url + ref}[name] }
		out, err := b.pushed(t, nil)
		if err != nil || !strings.HasPrefix(out, "-----> Fetching custom buildpack\n-----> Custom app detected\n") || !strings.Contains(out, "       "+want+"\n") {
			t.Errorf("%q: %v %s", ref, err, out)
		}
	}
	for _, bad := range []string{"file:///etc", "--upload-pack=id", "ext::id", url + "#-x", url + "#none"} {
		b := bench(t, nil)
		b.getenv = func(name string) string { return map[string]string{"BUILDPACK_URL": bad}[name] }
		if out, err := b.pushed(t, nil); !isExit(err) || !strings.Contains(out, " could not be fetched: ") {
			t.Errorf("%s: %s %v", bad, out, err)
		}
	}
}

func TestSSHKeyStaysOutOfTheSlug(t *testing.T) {
	b := bench(t, map[string]map[string]string{"some": {"detect": "echo Some", "compile": "echo $GIT_SSH_COMMAND; cat $HOME/.ssh/id_rsa"}})
	b.getenv = func(name string) string { return map[string]string{"SSH_KEY": "c2VjcmV0\n"}[name] }
	out, err := b.pushed(t, nil)
	if err != nil || !strings.Contains(out, "secret") || !strings.Contains(out, "ssh -F "+b.home) || strings.Contains(b.list(t), "id_rsa") {
		t.Error(out, err)
	}
	b.getenv = func(name string) string { return map[string]string{"SSH_KEY": "%"}[name] }
	if out, err := b.pushed(t, nil); !isExit(err) || !strings.Contains(out, " !     SSH_KEY: it is not base64") {
		t.Error(out, err)
	}
}

func TestPut(t *testing.T) {
	var got int
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if got = len(b); r.Method != http.MethodPut {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	}))
	defer web.Close()
	b := bench(t, nil)
	write(t, b.slug, "slug", 0o644)
	if err := b.put(t.Context(), web.URL); err != nil || got != 4 {
		t.Error(err, got)
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{1: "1.0K", 1024: "1.0K", 1025: "2.0K", 4096: "4.0K", 9*1024 + 1: "10K", 12 << 20: "12M", 12<<20 + 1: "13M", 1500 << 10: "1.5M", 3 << 30: "3.0G"} {
		if got := human(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := resolve(dir, []string{"start", "web"}); err == nil {
		t.Error("web of nothing")
	}
	write(t, filepath.Join(dir, ".release"), "default_process_types: {web: default}\nconfig_vars: {A: b}\n", 0o644)
	for _, c := range []struct{ procfile, args, want string }{
		{"", "start web", "default"},
		{"", "start worker", ""},
		{"worker: w --x\n", "start worker", "w --x"},
		{"worker: w\n", "start web", ""},
		{"broken", "start web", ""},
		{"", "echo a && b", "echo a && b"},
		{"", "start", "start"},
		{"", "", ""},
	} {
		path := filepath.Join(dir, "Procfile")
		_ = os.Remove(path)
		if c.procfile != "" {
			write(t, path, c.procfile, 0o644)
		}
		got, release, err := resolve(dir, strings.Fields(c.args))
		if got != c.want || (err != nil) != (c.want == "") || c.args != "" && release.Config["A"] != "b" {
			t.Errorf("%+v: %q %v %v", c, got, release, err)
		}
	}
}

func TestServe(t *testing.T) {
	root := fstest.MapFS{"index.html": {Data: []byte("home")}, "a/b.txt": {Data: []byte("b")}, ".env": {Data: []byte("x")}, "Procfile": {Data: []byte("x")}, ".git/config": {Data: []byte("x")},
		".well-known/x": {Data: []byte("w")}}
	h := http.FileServerFS(site{root})
	for path, want := range map[string]int{"/": 200, "/a/b.txt": 200, "/a/": 404, "/.env": 404, "/.git/config": 404, "/Procfile": 404, "/.well-known/x": 200, "/none": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if err := serve(context.Background(), func(string) string { return "" }, nil); err == nil {
		t.Error("served nothing")
	}
}

func TestBuiltInBuildpacks(t *testing.T) {
	packs, err := filepath.Abs("../../builder/buildpacks")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"go":              {map[string]string{"go.mod": "module x\n", "index.html": ""}, "Go"},
		"static":          {map[string]string{"index.html": ""}, "Static"},
		"static in a dir": {map[string]string{"public/index.html": ""}, "Static"},
		"neither":         {map[string]string{"README": ""}, ""},
	} {
		b := bench(t, nil)
		b.packs = packs
		for file, content := range c.files {
			write(t, filepath.Join(b.build, file), content, 0o644)
		}
		var first string
		for _, p := range b.available() {
			if n, ok := b.detect(t.Context(), p); ok && first == "" {
				first = n
			}
		}
		if first != c.want {
			t.Errorf("%s: %q", name, first)
		}
	}
}
