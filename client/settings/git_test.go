package settings

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// repository makes an empty one in a directory of that name, and works there.
func repository(t *testing.T, name string) Git {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return Git{Env: []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1"}}
}

func git(t *testing.T, g Git, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env = g.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

func TestDetectApp(t *testing.T) {
	s := &Session{Controller: "http://deis.example.com"}
	detect := func(g Git, want string) {
		t.Helper()
		if app, err := s.DetectApp(t.Context(), g); err != nil || app != want {
			t.Errorf("%q, %v, want %q", app, err, want)
		}
	}
	g := repository(t, "My.App")
	detect(g, "my.app") // no repository
	git(t, g, "init", "-q")
	detect(g, "my.app") // no remote
	git(t, g, "remote", "add", "origin", "git@github.com:me/deis.example.com.git")
	detect(g, "my.app") // none of the platform
	git(t, g, "remote", "add", "zz", "git@deis.example.com:last.git")
	detect(g, "last")
	git(t, g, "remote", "add", "aa", "ssh://git@deis.example.com:2222/first.git")
	detect(g, "first")
	git(t, g, "remote", "add", "deis", "ssh://git@deis.example.com:2222/demo.git")
	detect(g, "demo")
	git(t, g, "config", "url.ssh://git@deis.example.com:2222/.insteadOf", "d:")
	git(t, g, "remote", "set-url", "deis", "d:short.git")
	detect(g, "short")
	if name := s.RemoteOf(t.Context(), g, "first"); name != "aa" {
		t.Errorf("%q", name)
	}
	if name := s.RemoteOf(t.Context(), g, "firs"); name != "" {
		t.Errorf("%q", name)
	}
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir("sub")
	detect(g, "short")
}

func TestRemotes(t *testing.T) {
	g := repository(t, "x")
	var failed *GitError
	if _, err := g.Remotes(t.Context()); !errors.As(err, &failed) || failed.Status != 128 || !strings.Contains(failed.Stderr, "not a git repository") {
		t.Errorf("%v", err)
	}
	if err := g.AddRemote(t.Context(), "deis", "u"); !errors.As(err, &failed) || failed.Exists || err.Error() != "exit status 128" {
		t.Errorf("%+v", failed)
	}
	git(t, g, "init", "-q")
	for _, name := range []string{"b", "a", "deis"} {
		if err := g.AddRemote(t.Context(), name, "ssh://host/"+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.AddRemote(t.Context(), "deis", "u"); !errors.As(err, &failed) || !failed.Exists {
		t.Errorf("%+v", failed)
	}
	if err := g.RemoveRemote(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	got, err := g.Remotes(t.Context())
	if want := []Remote{{"deis", "ssh://host/deis"}, {"a", "ssh://host/a"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Remotes(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestParseRemotes(t *testing.T) {
	got := parseRemotes("a\tssh://h/a b.git (fetch) [blob:none]\na\tssh://h/a b.git (push)\njunk\nb\tno kind\n")
	if want := []Remote{{"a", "ssh://h/a b.git"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
