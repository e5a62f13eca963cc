package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/procfile"
)

// profile sources .profile.d and becomes the command in its place, so that
// signals reach it.
const profile = `shopt -s nullglob; for f in .profile.d/*; do [[ -f $f ]] && . "$f"; done; unset f; exec bash -c "$0"`

// start becomes a process of the slug in dir.
func start(ctx context.Context, dir string, getenv func(string) string, args []string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := load(ctx, dir, getenv("SLUG_URL")); err != nil {
		return fmt.Errorf("load the slug: %w", err)
	}
	command, release, err := resolve(dir, args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return process.Exit(127)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		return err
	}
	env := exec.Command("bash").Environ()
	for name, value := range release.Config { // defaults: what is set wins
		if getenv(name) == "" {
			env = append(env, name+"="+value)
		}
	}
	return syscall.Exec(bash, []string{"bash", "-c", profile, command}, append(env, "HOME="+dir))
}

// resolve finds the command line: of a process type after `start`, else the
// arguments themselves.
func resolve(dir string, args []string) (string, procfile.Release, error) {
	var release procfile.Release
	text, err := readSmall(filepath.Join(dir, ".release"))
	if err == nil {
		if release, err = procfile.ParseRelease(text); err != nil {
			return "", release, fmt.Errorf(".release cannot be read: %w", err)
		}
	}
	if len(args) == 0 {
		return "", release, errors.New("usage: start TYPE, or a command")
	}
	if args[0] != "start" || len(args) != 2 {
		return strings.Join(args, " "), release, nil
	}
	types := release.Types
	text, err = readSmall(filepath.Join(dir, "Procfile"))
	if err == nil {
		types, err = procfile.Parse(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", release, fmt.Errorf("the Procfile cannot be read: %w", err)
	}
	command, ok := types[args[1]]
	if !ok || command == "" {
		return "", release, fmt.Errorf("there is no process type %q", args[1])
	}
	return command, release, nil
}

// load fills an empty dir with the slug at url, or on stdin without one.
func load(ctx context.Context, dir, url string) error {
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return err
	}
	var slug io.Reader = os.Stdin
	if url != "" {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		slug = resp.Body
	}
	tar := exec.CommandContext(ctx, "tar", "-xz", "-C", dir)
	tar.Stdin, tar.Stderr = slug, os.Stderr
	return tar.Run()
}
