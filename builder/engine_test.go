//go:build integration

package builder

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/deis/deis/internal/keys"
)

// engineRig is a rig on the machine's Engine, with a registry, a network and a
// platform name of its own.
type engineRig struct {
	*rig
	registry *httptest.Server
	user     string // key file
}

func newEngineRig(t *testing.T, change func(*Settings)) *engineRig {
	t.Helper()
	platform := fmt.Sprintf("bt%d", time.Now().UnixNano()%1e9)
	reg := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(reg.Close)
	addr := strings.TrimPrefix(reg.URL, "http://")
	docker(t, "network", "create", "--label", "deis.platform="+platform, "-o", "com.docker.network.bridge.enable_icc=false", platform+"-builds")
	t.Cleanup(func() { // what the builder left, which its label or the registry's name tells
		for _, list := range [][]string{
			{"rm", "-fv", "ps", "-aq", "--filter", "label=deis.platform=" + platform},
			{"rmi", "-f", "images", "-q", "--filter", "label=deis.platform=" + platform},
			{"rmi", "-f", "images", "-q", "--filter", "reference=" + addr + "/*"},
			{"volume rm", "-f", "volume", "ls", "-q", "--filter", "label=deis.platform=" + platform},
			{"network rm", "-f", "network", "ls", "-q", "--filter", "label=deis.platform=" + platform},
		} {
			for id := range strings.FieldsSeq(docker(t, list[2:]...)) {
				args := append(strings.Fields(list[0]), list[1], id)
				_ = exec.Command("docker", args...).Run() // an image goes with another of its tags
			}
		}
	})
	goproxy, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	r := &engineRig{registry: reg}
	r.rig = newRig(t, nil, func(s *Settings) {
		s.Platform, s.Docker, s.Registry = platform, "unix:///var/run/docker.sock", addr
		s.Networks = []string{platform + "-builds"}
		s.BuildEnv = map[string]string{"GOPROXY": strings.TrimSpace(string(goproxy)), "GOSUMDB": "off"}
		if change != nil {
			change(s)
		}
	})
	r.user = r.addUser("alice")
	return r
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// push commits files onto the project and pushes it.
func (r *engineRig) push(dir string, files map[string]string) outcome {
	r.t.Helper()
	for name, content := range files {
		write(r.t, filepath.Join(dir, name), content)
	}
	r.mustGit(r.user, dir, "add", "-A")
	r.mustGit(r.user, dir, "commit", "-q", "--allow-empty", "-m", "change")
	return r.git(r.user, dir, "push", "deis", "master")
}

func (r *engineRig) mustPush(dir string, files map[string]string) outcome {
	r.t.Helper()
	o := r.push(dir, files)
	if o.code != 0 {
		r.t.Fatal(o.stderr)
	}
	return o
}

// image is what the registry has of the project's head.
func (r *engineRig) image(dir string) (ref string, config *v1.ConfigFile) {
	r.t.Helper()
	ref = r.Registry + "/demo:git-" + r.head(dir)[:8]
	tag, err := name.ParseReference(ref)
	if err != nil {
		r.t.Fatal(err)
	}
	img, err := remote.Image(tag)
	if err == nil {
		config, err = img.ConfigFile()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return ref, config
}

// inImage runs a command in an image.
func (r *engineRig) inImage(ref string, args ...string) string {
	r.t.Helper()
	return docker(r.t, append([]string{"run", "--rm", "--label", "deis.platform=" + r.Platform, "--entrypoint", args[0], ref}, args[1:]...)...)
}

// start runs an image in the background and returns id and address.
func (r *engineRig) startImage(ref string, args ...string) (id, addr string) {
	r.t.Helper()
	id = docker(r.t, append([]string{"run", "-d", "--label", "deis.platform=" + r.Platform, ref}, args...)...)
	return id, docker(r.t, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id)
}

func (r *engineRig) get(url string) (status int, body string) {
	r.t.Helper()
	r.eventually(url+" answers", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		status, body = resp.StatusCode, string(b)
		return err == nil
	})
	return status, body
}

func (r *engineRig) nothingRuns() {
	r.t.Helper()
	if left := docker(r.t, "ps", "-aq", "--filter", "label=deis.platform="+r.Platform, "--filter", "label=deis.build"); left != "" {
		r.t.Error("left over:", docker(r.t, "ps", "-a", "--filter", "label=deis.platform="+r.Platform))
	}
}

const multiStage = `# syntax=docker/dockerfile:1
ARG BASE=deis/base
FROM $BASE AS build
COPY . /src
RUN test ! -e /src/secret.txt && test -L /src/link && test -x /src/run.sh && test "$(cat /src/link)" = hello && test -z "$COLOR"
RUN echo built > /out

FROM deis/base:latest
COPY --from=build /out /out
COPY run.sh /run.sh
EXPOSE 5000
CMD ["/run.sh"]
`

func TestDockerfileApp(t *testing.T) {
	r := newEngineRig(t, nil)
	r.controller.values = map[string]string{"COLOR": "red"}
	dir := r.project(r.user, "demo", nil)
	files := map[string]string{
		"Dockerfile": multiStage, "secret.txt": "no", ".dockerignore": "secret*\nDockerfile\n", "hello": "hello", "run.sh": "#!/bin/sh\ncat /out\n",
		"Procfile": "web: ./it's --port $PORT\n",
	}
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("hello", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	o := r.mustPush(dir, nil)
	for _, want := range []string{"-----> Building Docker image", "Step 1/", "-----> Pushing image to private registry", "-----> Launching... ", "done, demo:v2"} {
		if !strings.Contains(o.stderr, "\x1b[1G"+want) && !strings.Contains(o.stderr, "\x1b[1G       "+want) {
			t.Errorf("%q is not in\n%s", want, o.stderr)
		}
	}
	ref, config := r.image(dir)
	if got := config.Config.Env; !strings.Contains(strings.Join(got, "\n"), "GIT_SHA="+r.head(dir)) {
		t.Error(got)
	}
	if config.Config.Labels["deis.app"] != "demo" || config.Config.Labels["deis.platform"] != r.Platform {
		t.Error(config.Config.Labels)
	}
	if out := r.inImage(ref, "/run.sh"); out != "built" {
		t.Error(out)
	}
	b := r.controller.builds[0]
	if b.Dockerfile != "true" || b.Procfile["web"] != "./it's --port $PORT" || b.SHA != r.head(dir)[:8] {
		t.Errorf("%+v", b)
	}

	// Broken: the pusher sees why, the ref stays.
	before := r.ref("demo", "refs/heads/master")
	o = r.push(dir, map[string]string{"Dockerfile": "FROM deis/base\nRUN echo oops && exit 7\n"})
	if o.code == 0 || !strings.Contains(o.stderr, "oops") || !strings.Contains(o.stderr, " !     build failed (exit 7)") || r.ref("demo", "refs/heads/master") != before {
		t.Error(o.stderr)
	}
	// Another app's image, by all that the Engine knows it by.
	id := strings.TrimPrefix(docker(t, "image", "inspect", "--format", "{{.Id}}", ref), "sha256:")
	for _, from := range []string{"FROM " + ref, "FROM " + id, "FROM " + id[:12], "FROM sha256:" + id[:12], "ARG B=" + ref + "\nFROM $B", "FROM deis/base\nCOPY --from=" + ref + " /out /",
		"FROM demo", "FROM " + strings.Replace(ref, "127.0.0.1", "localhost", 1)} {
		o := r.push(dir, map[string]string{"Dockerfile": from + "\nRUN true\n"})
		if o.code == 0 || !strings.Contains(o.stderr, " !     Dockerfile line ") || strings.Contains(o.stderr, "Step 1/") {
			t.Errorf("%s: %s", from, o.stderr)
		}
	}
	r.nothingRuns()

	// The third image pushes the first one out.
	for range 2 {
		r.mustPush(dir, map[string]string{"Dockerfile": multiStage, "hello": "hello"})
	}
	r.eventually("old images go", func() bool {
		return len(strings.Fields(docker(t, "images", "-q", "--filter", "reference="+r.Registry+"/demo"))) <= 2
	})
}

func TestBuildTakesTooLong(t *testing.T) {
	r := newEngineRig(t, func(s *Settings) { s.BuildTimeout = 5 * time.Second })
	dir := r.project(r.user, "demo", nil)
	o := r.push(dir, map[string]string{"Dockerfile": "FROM deis/base\nRUN sleep 300\n"})
	if o.code == 0 || !strings.Contains(o.stderr, " !     the build took longer than 5s and was stopped") {
		t.Error(o.stderr)
	}
	r.eventually("its container goes", func() bool {
		return docker(t, "ps", "-q", "--filter", "label=deis.platform="+r.Platform) == ""
	})
}

func TestRegistryAway(t *testing.T) {
	r := newEngineRig(t, nil)
	dir := r.project(r.user, "demo", nil)
	r.registry.Close()
	o := r.push(dir, map[string]string{"Dockerfile": "FROM deis/base\nRUN true\n"})
	if o.code == 0 || !strings.Contains(o.stderr, " !     the image could not be pushed to the registry: ") || r.ref("demo", "refs/heads/master") != "" {
		t.Error(o.stderr)
	}
}

const goMain = `package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"rsc.io/quote"
)

func main() {
	if len(os.Args) > 1 {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("waiting")
		<-c
		fmt.Println("terminated in order")
		return
	}
	http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, quote.Go(), os.Getenv("PROFILE"), os.Getenv("GIT_SHA"))
	}))
}
`

func TestGoApp(t *testing.T) {
	r := newEngineRig(t, nil)
	dir := r.project(r.user, "demo", nil)
	o := r.mustPush(dir, map[string]string{
		"main.go": goMain, "go.mod": "module example.com/hello\n\ngo 1.24\n\nrequire rsc.io/quote v1.5.2\n\nrequire (\n\tgolang.org/x/text v0.0.0-20170915032832-14c0d48ead0c // indirect\n\trsc.io/sampler v1.3.0 // indirect\n)\n",
		"go.sum":        goSum,
		"Procfile":      "web: bin/hello\nworker: exec bin/hello wait\n",
		".profile.d/x":  "export PROFILE='from profile'\n",
		".slugignore":   "ignored\n",
		"ignored":       "x",
		"sub/index.txt": "x",
	})
	for _, want := range []string{"-----> Go app detected", "-----> Compiling with go1.24", "       bin/hello", "-----> Discovering process types", "       Procfile declares types -> web, worker", "-----> Compiled slug size is ", "-----> Building Docker image"} {
		if !strings.Contains(o.stderr, "\x1b[1G"+want) {
			t.Errorf("%q is not in\n%s", want, o.stderr)
		}
	}
	if b := r.controller.builds[0]; b.Dockerfile != "" || b.Procfile["worker"] != "exec bin/hello wait" {
		t.Errorf("%+v", b)
	}
	ref, config := r.image(dir)
	if _, ok := config.Config.ExposedPorts["5000/tcp"]; !ok || config.Config.User != "2000:2000" {
		t.Error(config.Config)
	}
	_, addr := r.startImage(ref, "start", "web")
	if status, body := r.get("http://" + addr + ":5000/"); status != 200 || body != "Don't communicate by sharing memory, share memory by communicating. from profile "+r.head(dir)+"\n" {
		t.Error(status, body)
	}
	worker, _ := r.startImage(ref, "start", "worker")
	r.eventually("the worker waits", func() bool { return strings.Contains(docker(t, "logs", worker), "waiting") })
	docker(t, "stop", "-t", "30", worker)
	if logs := docker(t, "logs", worker); !strings.Contains(logs, "terminated in order") {
		t.Error(logs)
	}
	out, err := exec.Command("docker", "run", "--rm", ref, "start", "nope").CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "127") || !strings.Contains(string(out), `there is no process type "nope"`) {
		t.Error(string(out), err)
	}
	if got := docker(t, "run", "--rm", ref, "echo $PROFILE; id -u; ls -a /app /app/.git /app/ignored 2>&1; touch /app/writable"); !strings.HasPrefix(got, "from profile\n2000\n") ||
		!strings.Contains(got, "'/app/.git': No such file") || !strings.Contains(got, "'/app/ignored': No such file") {
		t.Error(got)
	}

	// The cache has the module: nothing is fetched again.
	if !strings.Contains(o.stderr, "downloading rsc.io/quote") {
		t.Error(o.stderr)
	}
	if o := r.mustPush(dir, map[string]string{"sub/index.txt": "y"}); strings.Contains(o.stderr, "downloading") {
		t.Error(o.stderr)
	}

	if o := r.push(dir, map[string]string{"main.go": "package main\nfunc main() { nope() }\n"}); o.code == 0 || !strings.Contains(o.stderr, "undefined: nope") || !strings.Contains(o.stderr, " !     build failed (exit 1)") {
		t.Error(o.stderr)
	}
	if o := r.push(dir, map[string]string{"Procfile": "web bin/hello\n"}); o.code == 0 || !strings.Contains(o.stderr, " !     the Procfile cannot be read: ") {
		t.Error(o.stderr)
	}
	r.nothingRuns()

	// The app goes, its containers first: so does all that is kept of it.
	for id := range strings.FieldsSeq(docker(t, "ps", "-aq", "--filter", "label=deis.platform="+r.Platform)) {
		docker(t, "rm", "-f", id)
	}
	remove(t, r.kv, keys.App("demo"))
	r.eventually("nothing is left", func() bool {
		return docker(t, "volume", "ls", "-q", "--filter", "label=deis.platform="+r.Platform) == "" &&
			docker(t, "images", "-q", "--filter", "reference="+r.Registry+"/demo") == ""
	})
}

const goSum = `golang.org/x/text v0.0.0-20170915032832-14c0d48ead0c h1:qgOY6WgZOaTkIIMiVjBQcw93ERBE4m30iBm00nkL0i8=
golang.org/x/text v0.0.0-20170915032832-14c0d48ead0c/go.mod h1:NqM8EUOU14njkJ3fqMW+pc6Ldnwhi/IjpwHt7yyuwOQ=
rsc.io/quote v1.5.2 h1:w5fcysjrx7yqtD/aO+QwRjYZOKnaM9Uh2b40tElTs3Y=
rsc.io/quote v1.5.2/go.mod h1:LzX7hefJvL54yjefDEDHNONDjII0t9xZLPXsUe+TKr0=
rsc.io/sampler v1.3.0 h1:7uVkIFmeBqHfdjD+gZwtXXI+RODJ2Wc4O7MPEh/QiW4=
rsc.io/sampler v1.3.0/go.mod h1:T1hPZKmBbMNahiBKFy5HrXp6adAjACjK9JXDnKaTXpA=
`

func TestStaticApp(t *testing.T) {
	r := newEngineRig(t, nil)
	dir := r.project(r.user, "demo", nil)
	o := r.mustPush(dir, map[string]string{"index.html": "<h1>hello</h1>", "a/index.html": "a", "b/file.css": "p{}", ".hidden": "x"})
	for _, want := range []string{"-----> Static app detected", "       Default process types for Static -> web"} {
		if !strings.Contains(o.stderr, "\x1b[1G"+want) {
			t.Errorf("%q is not in\n%s", want, o.stderr)
		}
	}
	if b := r.controller.builds[0]; b.Procfile["web"] != "/runner/slug serve ." {
		t.Errorf("%+v", b)
	}
	ref, _ := r.image(dir)
	id, addr := r.startImage(ref, "start", "web")
	for path, want := range map[string]int{"/": 200, "/a/": 200, "/b/": 404, "/b/file.css": 200, "/.hidden": 404, "/.release": 404, "/../etc/passwd": 404} {
		if status, body := r.get("http://" + addr + ":5000" + path); status != want || path == "/" && body != "<h1>hello</h1>" {
			t.Error(path, status, body)
		}
	}
	docker(t, "stop", "-t", "30", id)
	if code := docker(t, "inspect", "--format", "{{.State.ExitCode}}", id); code != "0" {
		t.Error("after SIGTERM:", code)
	}
}

func TestNoBuildpack(t *testing.T) {
	r := newEngineRig(t, nil)
	dir := r.project(r.user, "demo", nil)
	o := r.push(dir, map[string]string{"README": "x"})
	if o.code == 0 || !strings.Contains(o.stderr, "\x1b[1G-----> Unable to select a buildpack") || !strings.Contains(o.stderr, " !     build failed (exit 1)") {
		t.Error(o.stderr)
	}
	r.controller.mu.Lock()
	r.controller.values = map[string]string{"BUILDPACK_URL": "http://127.0.0.1:1/none.git"}
	r.controller.mu.Unlock()
	if o := r.push(dir, nil); o.code == 0 || !strings.Contains(o.stderr, " !     the buildpack http://127.0.0.1:1/none.git could not be fetched: ") {
		t.Error(o.stderr)
	}
	r.nothingRuns()
}

// TestConfigReachesBuildpackByteExact adds a buildpack that keeps what it gets.
func TestConfigReachesBuildpackByteExact(t *testing.T) {
	image := fmt.Sprintf("bt-slugbuilder:%d", time.Now().UnixNano()%1e9)
	build := exec.Command("docker", "build", "-q", "-t", image, "-")
	build.Env = append(build.Environ(), "DOCKER_BUILDKIT=0")
	build.Stdin = strings.NewReader(`FROM deis/slugbuilder:1.14.0
RUN mkdir -p /tmp/buildpacks || true
USER 0
RUN mkdir -p /tmp/buildpacks/env/bin && cd /tmp/buildpacks/env/bin && printf '#!/bin/sh\necho Env\n' >detect \
 && printf '#!/bin/sh\nenv -0 >$1/environment; cp -r $3 $1/envdir; echo "   two  spaces"; echo "--> flush"\n' >compile && chmod +x *
USER 2000
`)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	t.Cleanup(func() { docker(t, "rmi", "-f", image) })
	r := newEngineRig(t, func(s *Settings) { s.Slugbuilder, s.Stack = image, "my-stack" })
	values := map[string]string{
		"SPACES": "  a  b ", "LINES": "one\ntwo\n", "SHELL_": "$(id) `id` $HOME \\ ! ;", "QUOTES": `'"` + "'", "UTF8": "naïve ☃", "EMPTY": "",
		"SSH_KEY": "LS0tLS1CRUdJTg==",
	}
	r.controller.values = values
	dir := r.project(r.user, "demo", nil)
	o := r.mustPush(dir, map[string]string{"x": "x", "Procfile": "web: true\n"})
	if !strings.Contains(o.stderr, "\x1b[1G          two  spaces") || !strings.Contains(o.stderr, "\x1b[1G--> flush") {
		t.Error(o.stderr)
	}
	ref, _ := r.image(dir)
	environment := map[string]string{}
	out, err := exec.Command("docker", "run", "--rm", "--entrypoint", "cat", ref, "/app/environment").Output()
	if err != nil {
		t.Fatal(err)
	}
	for kv := range strings.SplitSeq(string(out), "\x00") {
		name, value, _ := strings.Cut(kv, "=")
		environment[name] = value
	}
	values["SOURCE_VERSION"], values["STACK"], values["HOME"], values["APP_DIR"] = r.head(dir), "my-stack", "/app", "/app"
	for name, want := range values {
		if got, ok := environment[name]; !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	got, err := exec.Command("docker", "run", "--rm", "--entrypoint", "cat", ref, "/app/envdir/LINES").Output()
	if err != nil || string(got) != values["LINES"] {
		t.Errorf("%q %v", got, err)
	}
	if out, err := exec.Command("docker", "run", "--rm", "--entrypoint", "find", ref, "/app", "-name", "id_rsa").Output(); err != nil || len(out) != 0 {
		t.Error("the key is in the slug:", string(out), err)
	}
}

func TestLeftoversAreRemovedAtStart(t *testing.T) {
	platform := fmt.Sprintf("bt%d", time.Now().UnixNano()%1e9)
	id := docker(t, "run", "-d", "--label", "deis.platform="+platform, "--label", "deis.build=12345678", "deis/base", "sleep", "1000")
	app := docker(t, "run", "-d", "--label", "deis.platform="+platform, "--label", "deis.build=12345678", "--label", "deis.job=demo_v2.web.1", "deis/base", "sleep", "1000")
	other := docker(t, "run", "-d", "--label", "deis.platform=other"+platform, "--label", "deis.build=12345678", "deis/base", "sleep", "1000")
	t.Cleanup(func() { docker(t, "rm", "-f", app, other) })
	newEngineRig(t, func(s *Settings) { s.Platform = platform })
	left := docker(t, "ps", "-q", "--no-trunc")
	if strings.Contains(left, id) || !strings.Contains(left, app) || !strings.Contains(left, other) {
		t.Error(left)
	}
}
