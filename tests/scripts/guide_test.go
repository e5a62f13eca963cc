//go:build integration

package scripts

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deis/deis/tests/guide"
	"github.com/deis/deis/tests/platform"
)

// stepTimeout is how long one command of the guide may take.
const stepTimeout = 4 * time.Minute

// asks are the commands that change nothing: they are given again until the
// answer is as shown, as a reader would.
var asks = regexp.MustCompile(`^(curl|deis logs)\b`)

// TestGuide follows docs/using as a newcomer would: each page in the order of
// the index, each block in a shell of bash, with a home of its own.
func TestGuide(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	dir := filepath.Join(stage.Root, "docs/using")
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	must(t, err)
	for _, link := range regexp.MustCompile(`\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(string(index), -1) {
		page := link[1]
		text, err := os.ReadFile(filepath.Join(dir, page))
		must(t, err)
		blocks, err := guide.Blocks(string(text))
		must(t, err)
		if len(blocks) == 0 {
			continue // tests/guide knows why
		}
		if !t.Run(strings.TrimSuffix(page, ".md"), func(t *testing.T) { r.follow(t, page, blocks) }) {
			return // a page builds on those before
		}
	}
	for _, app := range []string{"hello", "page", "pulled"} { // the last page destroys them
		must(t, eventually("nothing left of "+app, func() (bool, error) {
			left, err := Everything(t.Context(), stage.Platform, app)
			return left == "", err
		}))
	}
}

// reader is who follows the guide.
type reader struct {
	home string
	env  []string
	// what the guide says, as `make up` has it, and what it is on this platform
	said, printed *strings.Replacer
}

func newReader(t *testing.T) *reader {
	t.Helper()
	p := stage.Platform
	web, ssh, home := p.Env["HTTP_PORT"], p.Env["SSH_PORT"], t.TempDir()
	u := &reader{
		home: home,
		said: strings.NewReplacer(
			" http://deis.localhost ", " http://deis.localhost:"+web+" --ssh-port="+ssh+" ",
			"localhost:2222", "localhost:"+ssh,
			"registry.example.com", stage.images.address,
		),
		printed: strings.NewReplacer(
			"http://deis.localhost:"+web, "http://deis.localhost",
			"localhost:"+ssh, "localhost:2222",
			stage.images.address, "registry.example.com",
		),
	}
	must(t, os.MkdirAll(filepath.Join(home, ".ssh"), 0o700))
	must(t, os.MkdirAll(filepath.Join(home, "bin"), 0o755))
	must(t, os.Symlink(stage.Root, filepath.Join(home, "deis")))
	for name, text := range map[string]string{
		".gitconfig": "[user]\n\tname = Ann\n\temail = ann@example.com\n[safe]\n\tdirectory = *\n",
		// The router's ports are others here, and no name is asked of a server.
		".curlrc": "silent\nnoproxy = \"*\"\nconnect-to = \":80:127.0.0.1:" + web + "\"\nconnect-to = \":443:127.0.0.1:" + p.Env["HTTPS_PORT"] + "\"\n",
	} {
		must(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
	}
	u.env = append(os.Environ(), p.Existing("ann", home).Env()...)
	u.env = append(u.env, "PATH="+filepath.Join(home, "bin")+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0")
	for i, kv := range u.env {
		if strings.HasPrefix(kv, "GIT_SSH_COMMAND=") {
			u.env[i] += " -o LogLevel=ERROR" // the reader is asked about the host's key, once
		}
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} { // by default they are in the home
		u.env = append(u.env, name+"="+strings.TrimSpace(command(t, "", "go", "env", name)))
	}
	return u
}

// follow runs the blocks of a page.
func (r *reader) follow(t *testing.T, page string, blocks []guide.Block) {
	sh := startShell(t, r.home, r.env)
	for _, b := range blocks {
		for i, step := range b.Steps {
			out, status, err := r.step(sh, step)
			confirmed := i+1 < len(b.Steps) && b.Steps[i+1].Command == "echo $?"
			switch {
			case err != nil:
				t.Fatalf("%s:%d: $ %s\n%s%v", page, step.Line, step.Command, out, err)
			case status != 0 && !confirmed:
				t.Fatalf("%s:%d: $ %s\n%sended with %d", page, step.Line, step.Command, out, status)
			case !guide.Fits(step.Output, out):
				t.Fatalf("%s:%d: $ %s\n--- printed\n%s\n--- shown\n%s", page, step.Line, step.Command, out, strings.Join(step.Output, "\n"))
			}
		}
	}
}

func (r *reader) step(sh *shell, step guide.Step) (out string, status int, err error) {
	deadline := time.Now().Add(patience)
	for {
		out, status, err = sh.run(r.said.Replace(step.Command))
		out = r.printed.Replace(seen(out))
		if err != nil || !asks.MatchString(step.Command) || guide.Fits(step.Output, out) || time.Now().After(deadline) {
			return out, status, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// fromGit is how git begins a line of the other side. The builder goes back to
// the line's begin, so that a terminal does not show it.
var fromGit = regexp.MustCompile(`(?m)^remote: \x1b\[1G|\x1b\[K`)

// seen is what a terminal shows of an output.
func seen(out string) string { return fromGit.ReplaceAllString(out, "") }

// shell is a bash that runs one command after another.
type shell struct {
	cmd   *exec.Cmd
	in    io.Writer
	lines chan string // closed at its end
	mark  string      // begins the line that ends a command's output
}

func startShell(t *testing.T, home string, env []string) *shell {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &shell{cmd: exec.CommandContext(ctx, "bash", "--noprofile", "--norc"), lines: make(chan string, 1024), mark: "mark-" + platform.Random(8)}
	s.cmd.Dir, s.cmd.Env = home, env
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = func() error { return syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }
	r, w, err := os.Pipe()
	must(t, err)
	s.cmd.Stdout, s.cmd.Stderr = w, w
	s.in, err = s.cmd.StdinPipe()
	must(t, err)
	must(t, s.cmd.Start())
	w.Close()
	go func() {
		defer close(s.lines)
		defer r.Close()
		for b := bufio.NewReader(r); ; {
			line, err := b.ReadString('\n')
			if err != nil {
				return
			}
			s.lines <- line
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = s.cmd.Wait()
		for range s.lines { // until the reading has ended
		}
	})
	// It leaves $? as it was.
	_, err = fmt.Fprintf(s.in, "mark() { local status=$?; printf '\\n%s %%d\\n' $status; return $status; }\n", s.mark)
	must(t, err)
	return s
}

// run runs a command, with nothing to read, and returns what it printed.
func (s *shell) run(command string) (out string, status int, err error) {
	if _, err := fmt.Fprintf(s.in, "{ %s\n} </dev/null\nmark\n", command); err != nil {
		return "", 0, err
	}
	timeout := time.After(stepTimeout)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return out, 0, fmt.Errorf("the shell has ended")
			}
			if _, err := fmt.Sscanf(line, s.mark+" %d", &status); err == nil {
				return strings.TrimSuffix(out, "\n"), status, nil
			}
			out += line
		case <-timeout:
			return out, 0, fmt.Errorf("not done in %s", stepTimeout)
		}
	}
}
