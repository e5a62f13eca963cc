package builder

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

func TestSSHSurface(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	if o := r.ssh(alice, "ping"); o.code != 0 || o.stdout != "pong" || o.stderr != "" {
		t.Errorf("ping: %+v", o)
	}
	for _, command := range []string{"id", "git-receive-pack", "git-upload-archive '/demo.git'", "git-shell -c id", "ping x", "receive-pack demo"} {
		if o := r.ssh(alice, command); o.code == 0 || !strings.Contains(o.stderr, "exec request failed") || o.stdout != "" {
			t.Errorf("%s: %+v", command, o)
		}
	}
	if o := r.ssh(alice); o.code == 0 || o.stdout != "" { // a shell; the call must end
		t.Errorf("shell: %+v", o)
	}
	for _, form := range []string{"demo.git", "/demo.git", "'demo.git'", "'/demo'", `"demo"`, "demo"} {
		if o := r.ssh(alice, "git-upload-pack "+form+" </dev/null"); strings.Contains(o.stderr, "exec request failed") {
			t.Errorf("%s: %+v", form, o)
		}
	}
	words := strings.Fields(r.sshCommand(alice))
	if o := r.run("", command(append(words, "somebody@127.0.0.1", "ping")...)); o.stdout != "pong" {
		t.Errorf("login name: %+v", o)
	}
	if o := r.run("", command(append(words, "-tt", "git@127.0.0.1", "ping")...)); o.code == 0 {
		t.Errorf("pty: %+v", o)
	}
	if o := r.run("", command(append(words, "-s", "git@127.0.0.1", "sftp")...)); o.code == 0 {
		t.Errorf("subsystem: %+v", o)
	}
	if o := r.run("", command(append(words, "-o", "PubkeyAuthentication=no", "git@127.0.0.1", "ping")...)); !strings.Contains(o.stderr, "(publickey)") {
		t.Errorf("password: %+v", o)
	}
	// The key goes: so does the user.
	state, err := r.kv.List(t.Context(), keys.BuilderUsers)
	if err != nil {
		t.Fatal(err)
	}
	for key := range state.Keys {
		if _, _, err := r.kv.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("alice is refused", func() bool { return strings.Contains(r.ssh(alice, "ping").stderr, "Permission denied") })
}

// TestOfferedKeyIsNotIdentity is the attack of CVE-2024-45337: offer the
// victim's key, hear that it would do, then sign with another.
func TestOfferedKeyIsNotIdentity(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice, bob := r.addUser("alice"), r.addUser("bob")
	// OpenSSH offers a key whose public half it can read, and goes on to the
	// next when it cannot open the private one.
	if o := r.run("", command("ssh-keygen", "-q", "-y", "-f", alice)); o.code != 0 {
		t.Fatal(o.stderr)
	} else {
		write(t, alice+".pub", o.stdout)
	}
	if o := r.run("", command("ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", alice)); o.code != 0 {
		t.Fatal(o.stderr)
	}
	words := append(strings.Fields(strings.ReplaceAll(r.sshCommand(alice), "LogLevel=ERROR", "LogLevel=DEBUG1")), "-i", bob, "git@127.0.0.1", "git-receive-pack 'demo.git'")
	o := r.run("", command(words...))
	if !strings.Contains(o.stderr, "Server accepts key: "+alice) {
		t.Fatalf("the victim's key was not offered:\n%s", o.stderr)
	}
	if !strings.Contains(o.stderr, "bob may not push to demo") {
		t.Errorf("another identity:\n%s", o.stderr)
	}
}

func TestAnnouncedWhileAnswering(t *testing.T) {
	r := newRig(t, succeed, nil)
	kv := r.etcd.Dial()
	var port etcd.Entry
	r.eventually("announced", func() bool {
		port, _, _ = kv.Get(t.Context(), keys.Port("builder"))
		return port.Value == "2223" && port.Lease != 0
	})
	hostKey, _, err := kv.Get(t.Context(), keys.SSHHostKey("ed25519"))
	if err != nil || !strings.Contains(hostKey.Value, "PRIVATE KEY") || hostKey.Lease != 0 {
		t.Error("host key:", err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, ok, err := kv.Get(t.Context(), keys.Port("builder")); ok || err != nil {
		t.Error("still announced", err)
	}
}

func TestSSHDDiesAndComesBack(t *testing.T) {
	h := newHeld()
	r := newRig(t, h.build, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	first := make(chan outcome, 1)
	go func() { first <- r.git(alice, dir, "push", "deis", "master") }()
	<-h.began
	pid := r.sshdPID()
	kill(t, pid)
	if o := <-first; o.code == 0 {
		t.Error("the push went on without its server")
	}
	if err := <-h.ended; err == nil {
		t.Error("the build went on")
	}
	close(h.free)
	// The listening socket is ours: whoever comes meanwhile waits.
	if o := r.ssh(alice, "ping"); o.stdout != "pong" {
		t.Errorf("%+v", o)
	}
	r.eventually("the lock is free", func() bool { return r.git(alice, dir, "push", "deis", "master").code == 0 })
	if r.sshdPID() == pid {
		t.Error("it was never killed")
	}
}

// TestSSHDHasNoPowers: it runs as another account, alone in its groups.
func TestSSHDHasNoPowers(t *testing.T) {
	if os.Getuid() != 0 {
		return // then it is as powerless as we are
	}
	r := newRig(t, succeed, nil)
	status, err := os.ReadFile(filepath.Join("/proc", itoa(r.sshdPID()), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t1000\t1000\t1000\t1000\n", "Gid:\t1000\t1000\t1000\t1000\n", "Groups:\t \n", "CapEff:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("%q is not in\n%s", want, status)
		}
	}
	environ, err := os.ReadFile(filepath.Join("/proc", itoa(r.sshdPID()), "environ"))
	if err != nil || strings.Count(string(environ), "\x00") != 1 {
		t.Errorf("%q %v", environ, err)
	}
}

func TestRepositoryIsRepaired(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	write(t, filepath.Join(r.GitRoot, "demo.git", "objects", "junk"), "") // a folder without config
	r.mustGit(alice, dir, "push", "deis", "master")
	if err := os.RemoveAll(filepath.Join(r.GitRoot, "demo.git")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.GitRoot, "demo.git"), "a plain file")
	if o := r.mustGit(alice, dir, "push", "deis", "master"); !strings.Contains(o.stderr, "[new branch]") {
		t.Error(o.stderr)
	}
}

func TestAppsThatAreGone(t *testing.T) {
	r := newRig(t, succeed, nil)
	alice := r.addUser("alice")
	r.controller.mu.Lock()
	r.controller.apps["demo-two"], r.controller.allowed["alice demo-two"] = true, true
	r.controller.mu.Unlock()
	put(t, r.kv, keys.App("demo-two"), "demo-two")
	r.eventually("demo-two is known", func() bool { return r.apps.has("demo-two") })
	dir := r.project(alice, "demo", nil)
	r.mustGit(alice, dir, "push", "deis", "master")
	r.mustGit(alice, dir, "push", "ssh://git@127.0.0.1/demo-two.git", "master")
	there := func(app string) bool {
		_, err := os.Stat(filepath.Join(r.GitRoot, app+".git"))
		return err == nil
	}

	// The same name again, at once: the same commit is a new one.
	remove(t, r.kv, keys.App("demo"))
	put(t, r.kv, keys.App("demo"), "demo")
	if o := r.mustGit(alice, dir, "push", "deis", "master"); !strings.Contains(o.stderr, "[new branch]") {
		t.Error(o.stderr)
	}

	// etcd that may have lost its data deletes nothing.
	remove(t, r.kv, keys.Mirrored)
	remove(t, r.kv, keys.App("demo"))
	r.eventually("the loss is seen", func() bool { return !r.apps.has("demo") })
	if err := r.purge(t.Context()); err != nil || !there("demo") {
		t.Error("deleted without a complete mirror", err)
	}
	put(t, r.kv, keys.Mirrored, "2")
	r.eventually("the repository goes", func() bool { _ = r.purge(t.Context()); return !there("demo") })
	if !there("demo-two") {
		t.Error("so has that of a sibling")
	}
}

func TestUsedRepositoryIsNotCleaned(t *testing.T) {
	h := newHeld()
	r := newRig(t, h.build, nil)
	alice := r.addUser("alice")
	dir := r.project(alice, "demo", nil)
	first := make(chan outcome, 1)
	go func() { first <- r.git(alice, dir, "push", "deis", "master") }()
	<-h.began
	if done, err := r.worker.Purge(t.Context(), "demo"); done || err != nil {
		t.Error(done, err)
	}
	close(h.free)
	if o := <-first; o.code != 0 {
		t.Error(o.stderr)
	}
	if done, err := r.worker.Purge(context.WithoutCancel(t.Context()), "demo"); !done || err != nil {
		t.Error(done, err)
	}
}

func remove(t *testing.T, kv *etcd.KV, key string) {
	t.Helper()
	if _, _, err := kv.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}
