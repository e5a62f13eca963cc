package builder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/deis/deis/builder/push"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/process"
)

// TestMain lets the test binary be what the builder's binary is: sshd and
// git's hooks too.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if name == "pre-receive" || name == "proc-receive" || len(os.Args) == 2 && os.Args[1] == "sshd" {
		os.Exit(process.Main("builder", SettingsFromEnv, Run, Commands()))
	}
	os.Exit(m.Run())
}

var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// rig is a builder with real etcd, SSH and git; the controller is a fake, and
// so is the building unless a test says otherwise.
type rig struct {
	*builder
	t          *testing.T
	etcd       *etcdtest.Server
	controller *fakeController
	events     *syncBuffer
	addr       string
	stop       func() error // ends the builder as SIGTERM does
	home       string
}

// fakeController answers the three hooks.
type fakeController struct {
	mu       sync.Mutex
	key      string
	allowed  map[string]bool // "user app"
	apps     map[string]bool
	values   map[string]string
	pushes   []api.PushHook
	builds   []api.BuildHook
	version  int
	onBuild  func(ctx context.Context, b api.BuildHook) error // nil: succeed
	requests int
}

func (c *fakeController) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	httpapi.Wrap(quietLog, c.serve).ServeHTTP(w, r)
}

func (c *fakeController) serve(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if r.Header.Get("X-Deis-Builder-Auth") != c.key || r.Header.Get("Content-Type") != "application/json" {
		return httpapi.Errorf(http.StatusUnauthorized, "Authentication credentials were not provided.")
	}
	var who api.ConfigHook
	if err := json.Unmarshal(body, &who); err != nil {
		return err
	}
	switch {
	case !c.apps[who.ReceiveRepo]:
		return httpapi.Errorf(http.StatusNotFound, "Not found")
	case !c.allowed[who.ReceiveUser+" "+who.ReceiveRepo]:
		return httpapi.Errorf(http.StatusForbidden, "You do not have permission to perform this action.")
	}
	switch r.URL.Path {
	case "/v1/hooks/config":
		httpapi.WriteJSON(w, http.StatusOK, api.Config{App: who.ReceiveRepo, Values: c.values})
	case "/v1/hooks/push":
		var p api.PushHook
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		c.pushes = append(c.pushes, p)
		httpapi.WriteJSON(w, http.StatusCreated, api.Push{})
	case "/v1/hooks/build":
		var b api.BuildHook
		if err := json.Unmarshal(body, &b); err != nil {
			return err
		}
		if c.onBuild != nil {
			on := c.onBuild
			c.mu.Unlock()
			err := on(r.Context(), b)
			c.mu.Lock()
			if err != nil {
				return err
			}
		}
		c.builds = append(c.builds, b)
		c.version++
		var result api.BuildHookResult
		result.Release.Version = c.version
		result.Domains = []string{who.ReceiveRepo + ".example.com"}
		httpapi.WriteJSON(w, http.StatusOK, result)
	default:
		return httpapi.Errorf(http.StatusNotFound, "Not found")
	}
	return nil
}

// newRig starts a builder whose builds are done by fake, or by the real thing
// if that is nil.
func newRig(t *testing.T, fake func(context.Context, push.Job) (push.Built, error), change func(*Settings)) *rig {
	t.Helper()
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	r := &rig{t: t, etcd: srv, events: &syncBuffer{}, home: t.TempDir(), controller: &fakeController{
		key: "builder-key", allowed: map[string]bool{"alice demo": true}, apps: map[string]bool{"demo": true}, values: map[string]string{}, version: 1,
	}}
	web := httptest.NewServer(r.controller)
	t.Cleanup(web.Close)
	host, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	for key, value := range map[string]string{
		keys.Host("controller"): host, keys.Port("controller"): port, keys.BuilderKey: "builder-key",
		keys.App("demo"): "demo", keys.Mirrored: "1",
	} {
		put(t, kv, key, value)
	}
	dir := openDir(t)
	s, err := SettingsFromEnv(func(name string) string {
		return map[string]string{
			"ETCD": srv.Endpoints[0], "SSH_HOST_IP": "127.0.0.1", "GIT_ROOT": filepath.Join(dir, "git"), "RUN_DIR": filepath.Join(dir, "run"),
			"DOCKER_HOST": "unix:///nonexistent.sock", "HOST": "127.0.0.1",
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	s.SSH = "127.0.0.1:0"
	s.Self = filepath.Join(dir, "builder") // go test's own folder is closed to other accounts
	copyFile(t, s.Self)
	s.Runtime = process.NewRuntime(quietLog)
	if os.Getuid() != 0 {
		s.GitUID, s.GitGID = os.Getuid(), os.Getgid()
	}
	if change != nil {
		change(&s)
	}
	ready := make(chan net.Addr, 1)
	s.OnReady = func(a net.Addr) { ready <- a }
	if r.builder, err = open(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.worker.Events = r.events
	if fake != nil {
		r.worker.Build = fake
		r.worker.Tidy = func(context.Context, string) error { return nil }
		r.worker.Remove = func(_ context.Context, app string) error { return r.repos.Remove(app) }
		r.started.Store(true)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		defer r.close()
		done <- r.serve(ctx)
	}()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-ready:
		r.addr = a.String()
	case <-time.After(time.Minute):
		t.Fatal("the builder is not ready")
	}
	r.eventually("keys are followed", func() bool {
		return r.users.Loaded() && r.builder.controller.Check(t.Context()) == nil && r.started.Load()
	})
	return r
}

// openDir is a folder that another account can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// copyFile copies the test's binary.
func copyFile(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, to); err == nil {
		return
	}
	b, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, kv *etcd.KV, key, value string) {
	t.Helper()
	if _, err := kv.Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			r.t.Fatalf("in 30 s this did not come true: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// addUser gives a user a new key and returns its file.
func (r *rig) addUser(name string) (keyFile string) {
	r.t.Helper()
	keyFile, public := newKey(r.t, filepath.Join(r.home, name))
	put(r.t, r.kv, keys.BuilderUser(name, gossh.FingerprintLegacyMD5(public)), string(gossh.MarshalAuthorizedKey(public)))
	r.eventually(name+" is known", func() bool { _, _, ok := r.users.Lookup(public.Marshal()); return ok })
	return keyFile
}

func newKey(t *testing.T, file string) (string, gossh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return file, key
}

// sshCommand is how OpenSSH is called with a key, and nothing of the machine's
// own configuration.
func (r *rig) sshCommand(key string) string {
	_, port, _ := net.SplitHostPort(r.addr)
	return fmt.Sprintf("ssh -F /dev/null -p %s -i %s -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=%s -o LogLevel=ERROR",
		port, key, filepath.Join(r.home, "known_hosts"))
}

type outcome struct {
	code           int
	stdout, stderr string
}

func (r *rig) ssh(key string, args ...string) outcome {
	words := strings.Fields(r.sshCommand(key))
	return r.run("", exec.Command(words[0], append(append(words[1:], "git@127.0.0.1"), args...)...))
}

func (r *rig) run(dir string, cmd *exec.Cmd) outcome {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// git runs git in a folder of the user whose key it is.
func (r *rig) gitCmd(key, dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GIT_SSH_COMMAND="+r.sshCommand(key), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	return cmd
}

func (r *rig) git(key, dir string, args ...string) outcome {
	r.t.Helper()
	return r.run(dir, r.gitCmd(key, dir, args...))
}

func (r *rig) mustGit(key, dir string, args ...string) outcome {
	r.t.Helper()
	o := r.git(key, dir, args...)
	if o.code != 0 {
		r.t.Fatalf("git %v: %d\n%s%s", args, o.code, o.stdout, o.stderr)
	}
	return o
}

// project makes a repository with files, committed on master, whose remote
// deis is an app here.
func (r *rig) project(key, app string, files map[string]string) string {
	r.t.Helper()
	dir := r.t.TempDir()
	r.mustGit(key, dir, "init", "-q", "-b", "master")
	for name, content := range files {
		write(r.t, filepath.Join(dir, name), content)
	}
	r.mustGit(key, dir, "add", "-A")
	r.mustGit(key, dir, "commit", "-q", "--allow-empty", "-m", "first")
	r.mustGit(key, dir, "remote", "add", "deis", "ssh://git@127.0.0.1/"+app+".git")
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) head(dir string) string {
	return strings.TrimSpace(r.mustGit("", dir, "rev-parse", "HEAD").stdout)
}

// ref is what a ref is on the builder's side; empty: not there.
func (r *rig) ref(app, ref string) string {
	out, _ := exec.Command("git", "-c", "safe.directory=*", "--git-dir="+filepath.Join(r.GitRoot, app+".git"), "rev-parse", "--verify", "-q", ref).Output()
	return strings.TrimSpace(string(out))
}

// succeed is a build that says a line.
func succeed(_ context.Context, j push.Job) (push.Built, error) {
	fmt.Fprintf(j.Out, "-----> Pushing image to private registry\n")
	return push.Built{Types: map[string]string{"web": "it's"}, Dockerfile: true}, nil
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// sshdPID finds the sshd process that this test started.
func (r *rig) sshdPID() int {
	r.t.Helper()
	out, err := exec.Command("ps", "-o", "pid=,args=", "--ppid", fmt.Sprint(os.Getpid())).Output()
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		var pid int
		if strings.HasSuffix(strings.TrimSpace(line), " sshd") {
			if _, err := fmt.Sscan(line, &pid); err == nil {
				return pid
			}
		}
	}
	return 0
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func command(words ...string) *exec.Cmd { return exec.Command(words[0], words[1:]...) }

func itoa(n int) string { return fmt.Sprint(n) }
