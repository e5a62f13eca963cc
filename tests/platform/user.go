package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// User is someone with an account, an SSH key and a home of their own.
type User struct {
	Name     string
	Password string
	Home     string
	platform *Platform
}

// NewUser registers a user whose home is in dir and adds a new SSH key. The
// first user of a platform is its admin.
func (p *Platform) NewUser(ctx context.Context, name, dir string) (*User, error) {
	u := &User{Name: name, Password: "secret-" + Random(4), Home: filepath.Join(dir, "home-"+name), platform: p}
	if err := os.MkdirAll(filepath.Join(u.Home, ".ssh"), 0o700); err != nil {
		return nil, err
	}
	key := filepath.Join(u.Home, ".ssh/id_ed25519")
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	config := "[user]\n\tname = " + name + "\n\temail = " + name + "@example.com\n[init]\n\tdefaultBranch = master\n[safe]\n\tdirectory = *\n"
	if err := os.WriteFile(filepath.Join(u.Home, ".gitconfig"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	if _, err := u.Deis(ctx, dir, "register", p.Controller(), "--username="+name, "--password="+u.Password, "--email="+name+"@example.com", "--ssh-port="+p.Env["SSH_PORT"]); err != nil {
		return nil, err
	}
	_, err := u.Deis(ctx, dir, "keys:add", key+".pub")
	return u, err
}

// Env is the environment of the user's commands, beside the process's own.
func (u *User) Env() []string {
	return []string{
		"HOME=" + u.Home, "XDG_CACHE_HOME=", "SSH_AUTH_SOCK=", "DEIS_PROFILE=", "GIT_CONFIG_NOSYSTEM=1", "DEIS_DRINK_OF_CHOICE=",
		"PATH=" + filepath.Join(u.platform.Root, "bin") + ":" + os.Getenv("PATH"),
		// OpenSSH takes the home from the password file, not from HOME.
		"GIT_SSH_COMMAND=ssh -F none -i " + u.Home + "/.ssh/id_ed25519 -o IdentitiesOnly=yes -o UserKnownHostsFile=" + u.Home + "/.ssh/known_hosts -o StrictHostKeyChecking=accept-new -o ConnectTimeout=20",
	}
}

// Deis runs the client in dir and returns what it printed on stdout; what it
// printed on stderr is in the error.
func (u *User) Deis(ctx context.Context, dir string, args ...string) (string, error) {
	return u.Command(ctx, dir, "deis", args...)
}

// Command runs any program as the user.
func (u *User) Command(ctx context.Context, dir, name string, args ...string) (string, error) {
	if name == "deis" {
		name = filepath.Join(u.platform.Root, "bin/deis")
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), u.Env()...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), &CommandError{Err: err, Args: append([]string{name}, args...), Stdout: stdout.String(), Stderr: stderr.String()}
	}
	return stdout.String() + stderr.String(), nil
}

// CommandError is a program that failed, with all it printed.
type CommandError struct {
	Err            error
	Args           []string
	Stdout, Stderr string
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %v\n%s%s", strings.Join(e.Args, " "), e.Err, e.Stdout, e.Stderr)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Repository makes a git repository in dir of files (name to content), with
// one commit.
func (u *User) Repository(ctx context.Context, dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := u.Command(ctx, dir, "git", "init", "-q"); err != nil {
		return err
	}
	return u.Commit(ctx, dir, files)
}

// Commit writes files and commits them; an empty set makes an empty commit.
func (u *User) Commit(ctx context.Context, dir string, files map[string]string) error {
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
			return err
		}
	}
	if _, err := u.Command(ctx, dir, "git", "add", "-A"); err != nil {
		return err
	}
	_, err := u.Command(ctx, dir, "git", "commit", "-q", "--allow-empty", "-m", "change")
	return err
}

// Push pushes master in dir to the app and returns what git showed.
func (u *User) Push(ctx context.Context, dir, app string) (string, error) {
	return u.Command(ctx, dir, "git", "push", "-q", u.Remote(app), "master")
}

// Remote is the URL that an app is pushed to.
func (u *User) Remote(app string) string {
	return "ssh://git@localhost:" + u.platform.Env["SSH_PORT"] + "/" + app + ".git"
}

// Existing is a user whose home NewUser has made before.
func (p *Platform) Existing(name, home string) *User {
	return &User{Name: name, Home: home, platform: p}
}
