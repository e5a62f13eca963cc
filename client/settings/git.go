package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Git is the repository in the working directory.
type Git struct {
	Env []string // of the git command; its PATH is this process's
}

// Remote is one of the repository's remotes.
type Remote struct{ Name, URL string }

// ErrNoGit says that there is no git command.
var ErrNoGit error = sentence("git is not on the PATH")

// Installed fails with ErrNoGit where there is no git command.
func (g Git) Installed() error {
	if _, err := exec.LookPath("git"); err != nil {
		return ErrNoGit
	}
	return nil
}

// GitError is a git command that failed.
type GitError struct {
	Status int    // its exit status
	Stderr string // what it said
	Exists bool   // it was to add a remote whose name is taken
}

func (e *GitError) Error() string { return fmt.Sprintf("exit status %d", e.Status) }

// Remotes lists the remotes, that named deis first, the others by name.
func (g Git) Remotes(ctx context.Context) ([]Remote, error) {
	out, err := g.run(ctx, "remote", "-v")
	if err != nil {
		return nil, err
	}
	remotes := parseRemotes(out)
	slices.SortStableFunc(remotes, func(a, b Remote) int {
		switch {
		case a.Name == b.Name:
			return 0
		case a.Name == "deis":
			return -1
		case b.Name == "deis":
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return remotes, nil
}

// parseRemotes reads `git remote -v`: NAME, a tab, URL, a space, (fetch) or
// (push).
func parseRemotes(out string) []Remote {
	var remotes []Remote
	for line := range strings.Lines(out) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		end := strings.LastIndex(rest, " (fetch)")
		if end < 0 {
			end = strings.LastIndex(rest, " (push)")
		}
		if end < 0 {
			continue
		}
		if r := (Remote{Name: name, URL: rest[:end]}); !slices.Contains(remotes, r) {
			remotes = append(remotes, r)
		}
	}
	return remotes
}

// AddRemote adds a remote. Whether its name was taken is looked up, since git's
// exit status does not tell that from a missing repository in all versions.
func (g Git) AddRemote(ctx context.Context, name, url string) error {
	_, err := g.run(ctx, "remote", "add", "--", name, url)
	var failed *GitError
	if errors.As(err, &failed) {
		remotes, listErr := g.Remotes(ctx)
		failed.Exists = listErr == nil && slices.ContainsFunc(remotes, func(r Remote) bool { return r.Name == name })
	}
	return err
}

// RemoveRemote removes a remote.
func (g Git) RemoveRemote(ctx context.Context, name string) error {
	_, err := g.run(ctx, "remote", "remove", "--", name)
	return err
}

// RemoveRemoteIfAny removes a remote and tells whether there was one.
func (g Git) RemoveRemoteIfAny(ctx context.Context, name string) (bool, error) {
	remotes, err := g.Remotes(ctx)
	var failed *GitError
	if errors.As(err, &failed) {
		return false, nil // no repository, which whoever adds a remote will hear
	}
	if err != nil || !slices.ContainsFunc(remotes, func(r Remote) bool { return r.Name == name }) {
		return false, err
	}
	return true, g.RemoveRemote(ctx, name)
}

func (g Git) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = g.Env, &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", ErrNoGit
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return "", &GitError{Status: exit.ExitCode(), Stderr: stderr.String()}
	}
	return stdout.String(), err
}

// DetectApp is the app of the working directory: that of the first git remote
// of the session's platform, else named as the directory.
func (s *Session) DetectApp(ctx context.Context, g Git) (string, error) {
	if remotes, err := g.Remotes(ctx); err == nil { // no git or no repository: the directory tells
		for _, r := range remotes {
			if app, ok := s.AppOf(r.URL); ok {
				return app, nil
			}
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", errors.New("the working directory is gone, so it tells no app: name one with -a")
	}
	return strings.ToLower(filepath.Base(dir)), nil
}

// RemoteOf is the name of the git remote that pushes to an app, empty if there
// is none.
func (s *Session) RemoteOf(ctx context.Context, g Git, app string) string {
	remotes, err := g.Remotes(ctx)
	if err != nil {
		return ""
	}
	for _, r := range remotes {
		if found, ok := s.AppOf(r.URL); ok && found == app {
			return r.Name
		}
	}
	return ""
}
