package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/procfile"
)

// layout is where a build finds and leaves things. Buildpacks and the builder
// know these paths.
type layout struct {
	source  string // copied if it is there, else stdin is the source
	build   string // BUILD_DIR of buildpacks
	cache   string // CACHE_DIR: the app's volume
	env     string // ENV_DIR: the environment, a file a variable
	home    string // of the user who builds
	packs   string // built-in buildpacks
	custom  string // BUILDPACK_URL is cloned here
	slug    string // result
	types   string // result: process types as a JSON object
	keepEnv []string
}

var inImage = layout{
	source: "/tmp/app", build: "/tmp/build", cache: "/tmp/cache", env: "/tmp/env", home: "/app",
	packs: "/tmp/buildpacks", custom: "/tmp/custom-buildpack", slug: "/tmp/slug.tgz", types: "/tmp/types.json",
	keepEnv: []string{"PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "OLDPWD", "_"},
}

// builder is one build.
type builder struct {
	layout
	getenv func(string) string
	stdin  io.Reader
	out    io.Writer // what the pusher reads
}

// failed says a sentence to the pusher and ends the program.
func (b *builder) failed(format string, args ...any) error {
	fmt.Fprintf(b.out, " !     "+format+"\n", args...)
	return process.Exit(1)
}

func (b *builder) step(format string, args ...any) {
	fmt.Fprintf(b.out, "-----> "+format+"\n", args...)
}
func (b *builder) note(format string, args ...any) {
	fmt.Fprintf(b.out, "       "+format+"\n", args...)
}

func build(ctx context.Context, l layout, getenv func(string) string, args []string) error {
	b := &builder{layout: l, getenv: getenv, stdin: os.Stdin, out: os.Stdout}
	target := ""
	if len(args) > 0 {
		target = args[0]
	}
	if target == "-" {
		b.out = os.Stderr
	}
	if err := b.run(ctx); err != nil {
		return err
	}
	switch {
	case target == "":
		return nil
	case target == "-":
		slug, err := os.Open(b.slug)
		if err != nil {
			return err
		}
		defer slug.Close()
		_, err = io.Copy(os.Stdout, slug)
		return err
	}
	return b.put(ctx, target)
}

func (b *builder) run(ctx context.Context) error {
	for _, dir := range []string{b.build, b.cache, b.env, b.home} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := b.unpack(ctx); err != nil {
		return b.failed("the source could not be unpacked: %v", err)
	}
	if err := b.sshKey(); err != nil {
		return b.failed("SSH_KEY: %v", err)
	}
	if err := b.envDir(ctx); err != nil {
		return err
	}
	pack, err := b.choose(ctx)
	if err != nil {
		return err
	}
	if err := b.compile(ctx, pack); err != nil {
		return err
	}
	if err := b.discover(ctx, pack); err != nil {
		return err
	}
	return b.pack(ctx)
}

// unpack fills the build folder with the app's source.
func (b *builder) unpack(ctx context.Context) error {
	tar := exec.CommandContext(ctx, "tar", "-x", "-C", b.build)
	tar.Stdin = b.stdin
	if info, err := os.Stat(b.source); err == nil && info.IsDir() {
		tar = exec.CommandContext(ctx, "cp", "-a", b.source+"/.", b.build)
	}
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w", lastLine(out), err)
	}
	return os.MkdirAll(filepath.Join(b.build, ".profile.d"), 0o755)
}

// sshKey installs the app's SSH_KEY for git, outside of what becomes the slug.
func (b *builder) sshKey() error {
	encoded := b.getenv("SSH_KEY")
	if encoded == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return errors.New("it is not base64")
	}
	dir := filepath.Join(b.home, ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "id_rsa"), key, 0o400)
}

// gitSSH makes OpenSSH use that key: it looks in the account's home, whatever
// HOME says.
func (b *builder) gitSSH() []string {
	dir := filepath.Join(b.home, ".ssh")
	if _, err := os.Stat(filepath.Join(dir, "id_rsa")); err != nil {
		return nil
	}
	return []string{"GIT_SSH_COMMAND=ssh -F " + filepath.Join(dir, "config") + " -i " + filepath.Join(dir, "id_rsa")}
}

// envDir writes the environment as buildpacks expect their third argument.
func (b *builder) envDir(ctx context.Context) error {
	for _, kv := range exec.CommandContext(ctx, "true").Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if name == "" || strings.ContainsAny(name, "/\x00") || name[0] == '.' || slices.Contains(b.keepEnv, name) {
			continue
		}
		if err := os.WriteFile(filepath.Join(b.env, name), []byte(value), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// command is a program of a buildpack.
func (b *builder) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.build
	cmd.Env = append(cmd.Environ(), "HOME="+b.home, "APP_DIR="+b.home, "CURL_CONNECT_TIMEOUT=30", "CURL_TIMEOUT=180", "GIT_TERMINAL_PROMPT=0")
	cmd.Env = append(cmd.Env, b.gitSSH()...)
	return cmd
}

func (b *builder) compile(ctx context.Context, pack string) error {
	out := &indenter{w: b.out}
	cmd := b.command(ctx, filepath.Join(pack, "bin", "compile"), b.build, b.cache, b.env)
	cmd.Env = append(cmd.Env, "REQUEST_ID="+requestID())
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	out.Flush()
	if err != nil {
		return b.failed("the buildpack could not compile the app: %v", err)
	}
	return nil
}

// discover writes .release and says which processes the slug has.
func (b *builder) discover(ctx context.Context, pack string) error {
	b.step("Discovering process types")
	var release procfile.Release
	path := filepath.Join(pack, "bin", "release")
	if _, err := os.Stat(path); err == nil {
		out, err := b.command(ctx, path, b.build, b.cache).Output()
		if err != nil {
			return b.failed("the buildpack could not say its defaults: %v", err)
		}
		if err := os.WriteFile(filepath.Join(b.build, ".release"), out, 0o644); err != nil {
			return err
		}
		if release, err = procfile.ParseRelease(out); err != nil {
			return b.failed("the buildpack's defaults cannot be read: %v", err)
		}
	}
	types := release.Types
	text, err := readSmall(filepath.Join(b.build, "Procfile"))
	switch {
	case err == nil:
		if types, err = procfile.Parse(text); err != nil {
			return b.failed("the Procfile cannot be read: %v", err)
		}
		b.note("Procfile declares types -> %s", names(types))
	case !errors.Is(err, fs.ErrNotExist):
		return b.failed("the Procfile cannot be read: %v", err)
	case len(release.Types) > 0:
		b.note("Default process types for %s -> %s", b.name(ctx, pack), names(types))
	}
	encoded, err := json.Marshal(types)
	if err != nil {
		return err
	}
	return os.WriteFile(b.types, encoded, 0o644)
}

// pack makes the slug.
func (b *builder) pack(ctx context.Context) error {
	args := []string{"-c", "--use-compress-program=gzip -1", "-f", b.slug, "--owner=2000", "--group=2000", "--numeric-owner", "--exclude=./.git"}
	ignore := filepath.Join(b.build, ".slugignore")
	if _, err := os.Stat(ignore); err == nil {
		args = append(args, "--exclude-from="+ignore)
	}
	if out, err := exec.CommandContext(ctx, "tar", append(args, "-C", b.build, ".")...).CombinedOutput(); err != nil {
		return b.failed("the slug could not be packed: %s", lastLine(out))
	}
	info, err := os.Stat(b.slug)
	if err != nil {
		return err
	}
	b.step("Compiled slug size is %s", human(info.Size()))
	return nil
}

// put sends the slug to a URL.
func (b *builder) put(ctx context.Context, url string) error {
	slug, err := os.Open(b.slug)
	if err != nil {
		return err
	}
	defer slug.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, slug)
	if err != nil {
		return b.failed("%s is not a URL", url)
	}
	info, err := slug.Stat()
	if err != nil {
		return err
	}
	req.ContentLength = info.Size()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return b.failed("the slug could not be sent: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return b.failed("the slug could not be sent: %s", resp.Status)
	}
	return nil
}

// readSmall reads a regular file of at most procfile.MaxSize bytes and one
// more, so that procfile.Parse sees when it is too large.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, procfile.MaxSize+1))
}

func lastLine(out []byte) []byte {
	out = bytes.TrimSpace(out)
	return out[bytes.LastIndexByte(out, '\n')+1:]
}
