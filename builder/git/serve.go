package git

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// waitDelay is how long a killed git's output may be waited for.
const waitDelay = 5 * time.Second

// Service is one of git's two ends of a connection.
type Service string

// The services.
const (
	ReceivePack Service = "receive-pack"
	UploadPack  Service = "upload-pack"
)

// Server runs git's services in repositories that exist, as the account that
// it runs as itself.
type Server struct {
	Repos   Repos
	Hooks   string // folder with the hooks, the same for all repositories
	MaxPush int64  // bytes
}

// Serve runs a service with a client's streams, and returns its exit status.
// env is given to the hooks. When ctx ends, git and all it has started are
// killed.
func (s Server) Serve(ctx context.Context, service Service, app string, env []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	dir, err := s.Repos.path(app)
	if err != nil {
		return 0, err
	}
	args := append(s.config(), string(service), dir)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = s.Repos.Root
	cmd.Env = append(environment(), env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	// Not cmd.Stdin: Wait would go on reading from a client that says nothing
	// after git has ended.
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var received atomic.Int64
	var once sync.Once
	closeIn := func() { once.Do(func() { _ = in.Close() }) }
	go func() { // ends with the client's stream, which the caller closes
		_, _ = io.Copy(in, io.TeeReader(stdin, (*counter)(&received)))
		closeIn()
	}()
	err = cmd.Wait()
	closeIn()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what git left running
	if service == ReceivePack && received.Load() > s.MaxPush {
		fmt.Fprintf(stderr, " !     the push is larger than %s, which is the limit\n", size(s.MaxPush))
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 128, err // killed
}

// config is what git is told for one call; the repository's own configuration
// is never relied on.
func (s Server) config() []string {
	var args []string
	for _, kv := range []string{
		"core.hooksPath=" + s.Hooks,
		"core.fsync=none", // repositories can be lost without harm
		"core.bigFileThreshold=16m",
		"pack.threads=1",
		"receive.procReceiveRefs=refs",
		"receive.autogc=false",
		"receive.keepAlive=5",
		"receive.unpackLimit=2000", // loose objects are taken back when a push fails
		"receive.maxInputSize=" + strconv.FormatInt(s.MaxPush, 10),
		"receive.advertisePushOptions=false",
		"receive.denyDeletes=false", // the hook says it better
		"receive.shallowUpdate=false",
		"transfer.fsckObjects=true",
		"uploadpack.allowAnySHA1InWant=false",
	} {
		args = append(args, "-c", kv)
	}
	return args
}

type counter atomic.Int64

func (c *counter) Write(p []byte) (int, error) {
	(*atomic.Int64)(c).Add(int64(len(p)))
	return len(p), nil
}

// size writes a number of bytes for people.
func size(n int64) string {
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if u := int64(1) << (30 - 10*i); n >= u && n%u == 0 {
			return strconv.FormatInt(n/u, 10) + " " + unit
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// ParseCommand takes apart `git-receive-pack '/app.git'`. app is empty for any
// other path than that of an app; ok is false for any other command.
func ParseCommand(command string) (service Service, app string, ok bool) {
	verb, path, found := strings.Cut(command, " ")
	service = Service(strings.TrimPrefix(verb, "git-"))
	if !found || verb == string(service) || service != ReceivePack && service != UploadPack {
		return "", "", false
	}
	path = strings.TrimSpace(path)
	for _, quote := range []string{"'", `"`} {
		if inner, ok := strings.CutPrefix(path, quote); ok {
			path = strings.TrimSuffix(inner, quote)
			break
		}
	}
	app = strings.TrimSuffix(strings.TrimPrefix(path, "/"), ".git")
	if !appName.MatchString(app) {
		app = ""
	}
	return service, app, true
}
