package builder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deis/deis/builder/push"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

// said is what a pusher reads, without what git adds to each line.
func said(o outcome) string {
	var lines []string
	for line := range strings.SplitSeq(o.stderr, "\n") {
		if text, ok := strings.CutPrefix(line, "remote: "); ok {
			lines = append(lines, strings.TrimSuffix(text, "        "))
		}
	}
	return strings.Join(lines, "\n")
}

const golden = "\x1b[1G-----> Pushing image to private registry\n" +
	"\x1b[1G-----> Launching... \n" +
	"\x1b[1G       done, demo:v2 deployed to Deis\n" +
	"\x1b[1G\n" +
	"\x1b[1G       http://demo.example.com\n" +
	"\x1b[1G\n" +
	"\x1b[1G       To learn more, use `deis help` or visit http://deis.io\n" +
	"\x1b[1G"

func TestPushDeploys(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", map[string]string{"Dockerfile": "FROM deis/base\n"})
	o := r.mustGit(alice, dir, "push", "deis", "master")
	if got := said(o); got != golden {
		t.Errorf("pusher reads %q\nwant %q", got, golden)
	}
	sha := r.head(dir)
	if r.ref("demo", "refs/heads/master") != sha {
		t.Error("the ref did not move")
	}
	c := r.controller
	if len(c.pushes) != 1 || c.pushes[0].SHA != sha || c.pushes[0].ReceiveUser != "alice" || c.pushes[0].ReceiveRepo != "demo" ||
		c.pushes[0].SSHOriginalCommand != "git-receive-pack '/demo.git'" || strings.Count(c.pushes[0].SSHConnection, " ") != 3 || strings.Count(c.pushes[0].Fingerprint, ":") != 15 {
		t.Errorf("push hook: %+v", c.pushes)
	}
	want := []api.BuildHook{{SHA: sha[:8], ReceiveUser: "alice", ReceiveRepo: "demo", Image: "demo", Procfile: map[string]string{"web": "it's"}, Dockerfile: "true"}}
	if !reflect.DeepEqual(c.builds, want) {
		t.Errorf("build hook: %+v", c.builds)
	}
	for _, line := range []string{"started by alice", "pushed to the registry", "deployed as v2"} {
		if !strings.Contains(r.events.String(), "INFO [demo]: build git-"+sha[:8]+" "+line) {
			t.Errorf("no event %q in\n%s", line, r.events)
		}
	}
}

func TestWithoutPrefix(t *testing.T) {
	r := newRig(t, succeed, func(s *Settings) { s.Overprint = false })
	alice := r.addUser("alice")
	o := r.mustGit(alice, r.project(alice, "demo", nil), "push", "deis", "master")
	if got := said(o); got != strings.ReplaceAll(golden, "\x1b[1G", "") {
		t.Errorf("%q", got)
	}
}

// TestRefused: what may not be leaves nothing behind, on disk or elsewhere.
func TestRefused(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice, bob := r.addUser("alice"), r.addUser("bob")
	stranger, _ := newKey(t, filepath.Join(r.home, "stranger"))
	dir := r.project(alice, "demo", nil)
	for name, c := range map[string]struct{ key, verb, app, want string }{
		"unknown key":   {stranger, "push", "demo", "Permission denied (publickey)"},
		"foreign app":   {bob, "push", "demo", " !     bob may not push to demo"},
		"unknown app":   {alice, "push", "nope", " !     app nope does not exist"},
		"foreign read":  {bob, "fetch", "demo", " !     bob may not push to demo"},
		"traversal":     {alice, "push", "../demo", " !     No repo given"},
		"nested":        {alice, "push", "demo/x", " !     No repo given"},
		"capitals":      {alice, "push", "Demo", " !     No repo given"},
		"shell":         {alice, "push", "demo;id", " !     No repo given"},
		"absolute path": {alice, "push", "/etc/passwd", " !     No repo given"},
	} {
		o := r.git(c.key, dir, c.verb, "ssh://git@127.0.0.1/"+c.app+".git", "master")
		if o.code == 0 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%s: %d %s", name, o.code, o.stderr)
		}
	}
	if entries, err := os.ReadDir(r.GitRoot); err != nil || len(entries) != 0 {
		t.Error("created:", entries, err)
	}
	if len(r.controller.pushes)+len(r.controller.builds) != 0 {
		t.Error("the controller was told")
	}
	r.controller.mu.Lock()
	r.controller.key = "another"
	r.controller.mu.Unlock()
	if o := r.git(alice, dir, "push", "deis", "master"); !strings.Contains(o.stderr, " !     the controller does not accept this builder") {
		t.Error(o.stderr)
	}
}

func TestRefs(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	files := map[string]string{}
	for i := range 150 { // more than git unpacks into loose objects
		files[fmt.Sprintf("f/%d", i)] = strings.Repeat(fmt.Sprint(i), 100)
	}
	dir := r.project(alice, "demo", files)
	push := func(args ...string) outcome { return r.git(alice, dir, append([]string{"push", "deis"}, args...)...) }
	refused := func(o outcome, want string) {
		t.Helper()
		if o.code == 0 || !strings.Contains(o.stderr, want) {
			t.Errorf("%d %s", o.code, o.stderr)
		}
	}
	builds := func(n int) {
		t.Helper()
		if len(r.controller.builds) != n {
			t.Fatalf("%d builds, want %d", len(r.controller.builds), n)
		}
	}

	r.mustGit(alice, dir, "branch", "other")
	refused(push("master", "other"), " !     push one branch or tag at a time")
	refused(push("HEAD:refs/notes/x"), " !     only branches and tags can be pushed")
	builds(0)
	if o := push("other"); o.code != 0 { // any branch
		t.Error(o.stderr)
	}
	builds(1)
	refused(push(":other"), " !     a deployed branch or tag cannot be deleted")
	if o := push("other"); o.code != 0 || !strings.Contains(o.stderr, "Everything up-to-date") {
		t.Error(o.stderr)
	}
	builds(1)

	write(t, filepath.Join(dir, "f/0"), "changed") // a thin pack
	r.mustGit(alice, dir, "commit", "-qam", "second")
	if o := push("master"); o.code != 0 {
		t.Error(o.stderr)
	}
	builds(2)

	r.mustGit(alice, dir, "tag", "-a", "v1", "-m", "annotated")
	if o := push("v1"); o.code != 0 || r.controller.builds[2].SHA != r.head(dir)[:8] {
		t.Error("the tag was not peeled:", o.stderr, r.controller.builds[2])
	}
	r.mustGit(alice, dir, "tag", "-a", "blob", "-m", "of a file", "HEAD:f/0")
	refused(push("blob"), " !     a tag must name a commit")

	r.mustGit(alice, dir, "commit", "-q", "--amend", "-m", "other history")
	refused(push("master"), "[rejected]")
	if o := push("-f", "master"); o.code != 0 {
		t.Error(o.stderr)
	}
	builds(4)

	shallow := filepath.Join(t.TempDir(), "shallow")
	r.mustGit(alice, dir, "clone", "-q", "--depth=1", "file://"+dir, shallow)
	fresh := r.git(alice, shallow, "push", "ssh://git@127.0.0.1/demo.git", "HEAD:refs/heads/shallow")
	_ = fresh // with the base there it may well succeed

	clone := filepath.Join(t.TempDir(), "clone") // whoever may push may read
	r.mustGit(alice, dir, "clone", "-q", "-b", "other", "ssh://git@127.0.0.1/demo.git", clone)
	if r.head(clone) != r.ref("demo", "refs/heads/other") {
		t.Error("clone")
	}
}

func TestFailuresLeaveTheRef(t *testing.T) {
	var fail error
	r := newRig(t, func(ctx context.Context, j push.Job) (push.Built, error) {
		if fail != nil {
			return push.Built{}, fail
		}
		return succeed(ctx, j)
	}, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	try := func(want ...string) {
		t.Helper()
		o := r.git(alice, dir, "push", "deis", "master")
		for _, w := range want {
			if o.code == 0 || !strings.Contains(o.stderr, w) {
				t.Errorf("%q is not in (%d)\n%s", w, o.code, o.stderr)
			}
		}
		if r.ref("demo", "refs/heads/master") != "" {
			t.Error("the ref moved")
		}
	}
	fail = sentence("build failed (exit 7)")
	try(" !     build failed (exit 7)", "[remote rejected] master -> master (build failed)")
	if !strings.Contains(r.events.String(), "ERROR [demo]: build git-"+r.head(dir)[:8]+": build failed: build failed (exit 7)") {
		t.Error(r.events)
	}
	fail = errors.New("the Engine said something about /var/lib/secret")
	try(" !     something went wrong in the builder, try again in a moment", "(build failed)")
	fail = nil
	r.controller.onBuild = func(context.Context, api.BuildHook) error {
		return httpapi.Errorf(http.StatusServiceUnavailable, "web.1 did not come up")
	}
	try(" !     ERROR: Failed to launch container", " !     web.1 did not come up", "(release failed)")
	r.controller.onBuild = func(context.Context, api.BuildHook) error { return nil }
	r.mustGit(alice, dir, "push", "deis", "master") // the same commit again

	r.controller.onBuild = func(context.Context, api.BuildHook) error { // Deis v1: 200 with the old version
		r.controller.mu.Lock()
		defer r.controller.mu.Unlock()
		r.controller.version--
		return nil
	}
	r.mustGit(alice, dir, "commit", "-q", "--allow-empty", "-m", "second")
	if o := r.git(alice, dir, "push", "deis", "master"); o.code == 0 || !strings.Contains(o.stderr, "made no new release, the app is still at v2") {
		t.Error(o.stderr)
	}
}

type sentence string

func (s sentence) Error() string    { return string(s) }
func (s sentence) Sentence() string { return string(s) }

// held is a build that waits.
type held struct {
	began, free chan struct{}
	ended       chan error
}

func newHeld() *held {
	return &held{make(chan struct{}, 8), make(chan struct{}), make(chan error, 8)}
}

func (h *held) build(ctx context.Context, j push.Job) (push.Built, error) {
	h.began <- struct{}{}
	fmt.Fprintln(j.Out, "building")
	select {
	case <-ctx.Done():
		h.ended <- context.Cause(ctx)
		return push.Built{}, context.Cause(ctx)
	case <-h.free:
		h.ended <- nil
		return succeed(ctx, j)
	}
}

func TestOnePushAtATime(t *testing.T) {
	h := newHeld()
	r := newRig(t, h.build, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	first := make(chan outcome, 1)
	go func() { first <- r.git(alice, dir, "push", "deis", "master") }()
	<-h.began
	o := r.git(alice, dir, "push", "deis", "master:other")
	if o.code == 0 || said(o) != "Another git push is ongoing. Aborting..." || !strings.Contains(o.stderr, "(pre-receive hook declined)") {
		t.Errorf("%q", o.stderr)
	}
	close(h.free)
	if o := <-first; o.code != 0 {
		t.Error(o.stderr)
	}
	for range 3 { // and free at once, each time
		r.mustGit(alice, dir, "commit", "-q", "--allow-empty", "-m", "next")
		r.mustGit(alice, dir, "push", "deis", "master")
	}
}

func TestDisconnectCancels(t *testing.T) {
	h := newHeld()
	r := newRig(t, h.build, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	cmd := r.gitCmd(alice, dir, "push", "deis", "master")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-h.began
	kill(t, -cmd.Process.Pid)
	_ = cmd.Wait()
	if err := <-h.ended; err == nil {
		t.Error("the build went on")
	}
	close(h.free)
	r.eventually("the lock is free", func() bool { return r.git(alice, dir, "push", "deis", "master").code == 0 })
}

func TestDisconnectDuringReleaseCompletes(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	began, free := make(chan struct{}), make(chan struct{})
	r.controller.onBuild = func(ctx context.Context, _ api.BuildHook) error {
		close(began)
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			t.Error("the controller was left")
			return ctx.Err()
		}
	}
	cmd := r.gitCmd(alice, dir, "push", "deis", "master")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-began
	kill(t, -cmd.Process.Pid)
	_ = cmd.Wait()
	if o := r.git(alice, dir, "push", "deis", "master:other"); !strings.Contains(o.stderr, "Another git push is ongoing") {
		t.Error(o.stderr)
	}
	close(free)
	r.eventually("the ref moves", func() bool { return r.ref("demo", "refs/heads/master") == r.head(dir) })
}

func TestOversize(t *testing.T) {
	r := newRig(t, succeed, func(s *Settings) { s.MaxPush = 1 << 20 })
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", map[string]string{"big": noise(3 << 20)})
	o := r.git(alice, dir, "push", "deis", "master")
	if o.code == 0 || !strings.Contains(o.stderr, " !     the push is larger than 1 MiB, which is the limit") {
		t.Error(o.stderr)
	}
	if len(r.controller.pushes) != 0 || r.ref("demo", "refs/heads/master") != "" {
		t.Error("it left something")
	}
}

// noise is text that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = 'A' + byte(x%58)
	}
	return string(b)
}

func TestStopDrains(t *testing.T) {
	h := newHeld()
	r := newRig(t, h.build, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	first := make(chan outcome, 1)
	go func() { first <- r.git(alice, dir, "push", "deis", "master") }()
	<-h.began
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	r.eventually("nobody is let in", func() bool { return r.ssh(alice, "ping").code != 0 })
	close(h.free)
	if o := <-first; o.code != 0 {
		t.Error(o.stderr)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopCutsOff(t *testing.T) {
	h := newHeld()
	r := newRig(t, h.build, func(s *Settings) { s.Drain = time.Second })
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	first := make(chan outcome, 1)
	go func() { first <- r.git(alice, dir, "push", "deis", "master") }()
	<-h.began
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if o := <-first; o.code == 0 || !strings.Contains(o.stderr, " !     the builder is stopping; push again in a moment") {
		t.Error(o.stderr)
	}
}
