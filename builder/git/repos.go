// Package git keeps the repositories that users push to: it makes, repairs and
// removes them, runs git's own receive-pack and upload-pack on them, speaks the
// protocol of its hooks, and reads trees for builds.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// Names that reach a path or a command line.
var (
	appName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	hash    = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Repos are the bare repositories <Root>/<app>.git. They belong to the account
// that runs git, and git runs as that account, whoever asks.
type Repos struct {
	Root     string
	UID, GID int // 0 and 0: as whoever we are
}

func (r Repos) path(app string) (string, error) {
	if !appName.MatchString(app) {
		return "", fmt.Errorf("%q is not the name of an app", app)
	}
	return filepath.Join(r.Root, app+".git"), nil
}

// environment is all that git gets: nothing of a machine's or account's own
// configuration.
func environment() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/nonexistent", "LANG=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
	}
}

// git runs git in the repository of an app.
func (r Repos) git(ctx context.Context, app string, args ...string) (string, error) {
	dir, err := r.path(app)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + dir}, args...)...)
	cmd.Dir = r.Root
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if r.UID != os.Getuid() && r.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(r.UID), Gid: uint32(r.GID)}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// Own gives the folder of the repositories to the account that runs git.
func (r Repos) Own() error {
	if err := os.MkdirAll(r.Root, 0o755); err != nil {
		return err
	}
	if os.Getuid() != 0 || r.UID == 0 {
		return nil
	}
	return os.Chown(r.Root, r.UID, r.GID)
}

// ErrOther is what Prepare returns for a repository of another app, which had
// the same name before.
var ErrOther = errors.New("the repository is that of an earlier app")

// incarnation is the git config that says which app of that name a repository
// belongs to.
const incarnation = "deis.incarnation"

// Prepare makes sure that the app has a repository. born tells apps of the
// same name apart, one after the other; 0 is not known yet.
func (r Repos) Prepare(ctx context.Context, app string, born int64) error {
	dir, err := r.path(app)
	if err != nil {
		return err
	}
	if !whole(dir) {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if _, err := r.git(ctx, app, "init", "--quiet", "--bare", dir); err != nil {
			return err
		}
		return r.mark(ctx, app, born)
	}
	have, err := r.git(ctx, app, "config", "--local", "--default", "0", "--get", incarnation)
	if err != nil {
		return err
	}
	switch have {
	case strconv.FormatInt(born, 10):
		return nil
	case "0":
		return r.mark(ctx, app, born)
	}
	return ErrOther
}

func (r Repos) mark(ctx context.Context, app string, born int64) error {
	_, err := r.git(ctx, app, "config", "--local", incarnation, strconv.FormatInt(born, 10))
	return err
}

// whole says whether dir is a repository, at a glance.
func whole(dir string) bool {
	for _, name := range []string{"HEAD", "config"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			return false
		}
	}
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// Remove deletes the repository of an app.
func (r Repos) Remove(app string) error {
	dir, err := r.path(app)
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// Apps lists the apps that have a repository.
func (r Repos) Apps() ([]string, error) {
	entries, err := os.ReadDir(r.Root)
	if err != nil {
		return nil, err
	}
	var apps []string
	for _, e := range entries {
		if app, ok := strings.CutSuffix(e.Name(), ".git"); ok && appName.MatchString(app) {
			apps = append(apps, app)
		}
	}
	return apps, nil
}

// Move sets ref to new if it still is old.
func (r Repos) Move(ctx context.Context, app string, u Update) error {
	if err := u.check(); err != nil {
		return err
	}
	_, err := r.git(ctx, app, "update-ref", "--no-deref", u.Ref, u.New, u.Old)
	return err
}

// Prune drops loose objects that no ref leads to, as those of a failed push.
// Pushes of more than receive.unpackLimit objects are left to Collect.
func (r Repos) Prune(ctx context.Context, app string) error {
	_, err := r.git(ctx, app, "prune", "--expire=now")
	return err
}

// Collect packs a repository and drops what failed pushes left, if there is
// enough of it.
func (r Repos) Collect(ctx context.Context, app string) error {
	_, err := r.git(ctx, app, "-c", "gc.auto=500", "-c", "gc.autoPackLimit=20", "-c", "gc.autoDetach=false", "-c", "gc.pruneExpire=1.hour.ago",
		"gc", "--auto", "--quiet")
	return err
}
