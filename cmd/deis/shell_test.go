//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/deis/deis/internal/api"
)

// shell is an interactive shell at a pseudo-terminal.
type shell struct {
	t    *testing.T
	tty  *os.File
	mu   sync.Mutex
	more *sync.Cond
	seen bytes.Buffer
	over bool
}

// startShell runs a shell that the tests need: one that is not installed is a
// failure (deploy/local/engine.sh test brings them).
func startShell(t *testing.T, home string, argv ...string) *shell {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "TERM=xterm", "LANG=C.UTF-8", "PS1=> "}
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, tty: tty}
	s.more = sync.NewCond(&s.mu)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(s, tty) // ends with an error when the shell has gone
		s.end()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		tty.Close()
		<-done
	})
	return s
}

// Write takes what the shell shows.
func (s *shell) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.more.Broadcast()
	return s.seen.Write(b)
}

func (s *shell) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.more.Broadcast()
}

func (s *shell) typing(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, text); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the shell shows each text behind the one before, and
// forgets all up to the end of the last.
func (s *shell) expect(texts ...string) {
	s.t.Helper()
	stop := time.AfterFunc(20*time.Second, s.end)
	defer stop.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		at := 0
		for _, text := range texts {
			i := bytes.Index(s.seen.Bytes()[at:], []byte(text))
			if i < 0 {
				at = -1
				break
			}
			at += i + len(text)
		}
		if at >= 0 {
			s.seen.Next(at)
			return
		}
		if s.over {
			s.t.Fatalf("%q was not shown, but:\n%q", texts, s.seen.String())
		}
		s.more.Wait()
	}
}

// do runs commands and waits for the end of them.
func (s *shell) do(commands ...string) {
	s.t.Helper()
	for _, c := range append(commands, "echo do''ne") {
		s.typing(c + "\n")
	}
	s.expect("done\r\n")
}

// becomes types a line that holds TABs, puts printf before it (the cursor goes
// there by Ctrl-A) and waits for the words that the line has become.
func (s *shell) becomes(line string, words ...string) {
	s.t.Helper()
	s.typing("deis " + line + "\x01printf '<%s>' \r")
	s.expect("<deis><" + strings.Join(words, "><") + ">")
}

// lists types a line that holds TABs, and waits for what can be meant.
func (s *shell) lists(line string, texts ...string) {
	s.t.Helper()
	s.typing("deis " + line)
	s.expect(texts...)
	s.typing("\x01: \r") // the line is run as what does nothing
	s.do()
}

// page is a whole list.
func page[T any](items ...T) api.Page[T] { return api.Page[T]{Count: len(items), Results: items} }

// knowing is a controller that answers as one with two apps.
func knowing(t *testing.T) string {
	answers := map[string]any{
		"/v1/apps/":               page(api.App{ID: "demo"}, api.App{ID: "other"}),
		"/v1/apps/demo/":          api.App{ID: "demo", UUID: "1", Structure: map[string]int{"web": 1}},
		"/v1/apps/demo/builds/":   page(api.Build{UUID: "1", Procfile: map[string]string{"web": "x", "worker": "y"}}),
		"/v1/apps/demo/config/":   api.Config{UUID: "1", Values: map[string]string{"MODE": "test", "NAME": "x"}},
		"/v1/apps/demo/releases/": page(api.Release{Version: 21, Summary: "bob changed: $(touch pwned) 'MODE'"}, api.Release{Version: 3, Summary: "bob created"}),
		"/v1/apps/demo/domains/":  page(api.Domain{Domain: "www.example.com"}),
		"/v1/keys/":               page(api.Key{ID: "bob@laptop"}, api.Key{ID: "old key"}, api.Key{ID: "$(touch pwned)"}),
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("DEIS_API_VERSION", "1.7")
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// install writes a shell's script as the help of `deis completion` says.
func install(t *testing.T, home, shell, path string) {
	t.Helper()
	script, err := exec.Command(binary, "completion", shell).Output()
	file := filepath.Join(home, path)
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, script, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestShells presses TAB in the shells of Debian, each with the script
// installed and with the script sourced.
func TestShells(t *testing.T) {
	const zshSetup = "PS1='> '; unsetopt prompt_sp prompt_cr; bindkey -e"
	for _, c := range []struct {
		name  string
		argv  []string
		setup func(t *testing.T, home string) (commands []string)
	}{
		{"bash", []string{"bash", "--norc", "--noprofile", "-i"}, func(t *testing.T, home string) []string {
			install(t, home, "bash", ".local/share/bash-completion/completions/deis")
			return []string{"source /usr/share/bash-completion/bash_completion && declare -F _init_completion"}
		}},
		{"bash without its package", []string{"bash", "--norc", "--noprofile", "-i"}, func(*testing.T, string) []string {
			return []string{"source <(deis completion bash)", "! declare -F _init_completion && ! declare -F _get_comp_words_by_ref || exit"}
		}},
		{"zsh", []string{"zsh", "-f", "-i"}, func(t *testing.T, home string) []string {
			install(t, home, "zsh", ".zfunc/_deis")
			return []string{zshSetup, "fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit -u"}
		}},
		{"zsh sourced", []string{"zsh", "-f", "-i"}, func(*testing.T, string) []string {
			return []string{zshSetup, "autoload -Uz compinit; compinit -u", "source <(deis completion zsh)"}
		}},
		{"fish", []string{"fish", "--private", "-i"}, func(t *testing.T, home string) []string {
			install(t, home, "fish", ".config/fish/completions/deis.fish")
			return nil
		}},
		{"fish sourced", []string{"fish", "--private", "-i"}, func(*testing.T, string) []string {
			return []string{"deis completion fish | source"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := home(t, knowing(t))
			if err := os.WriteFile(filepath.Join(dir, "cert.pem"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			commands := c.setup(t, dir)
			s := startShell(t, dir, c.argv...)
			s.do(commands...)

			s.becomes("ps:sc\t", "ps:scale")
			s.becomes("config:uns\t-a demo MO\t", "config:unset", "-a", "demo", "MODE")
			s.becomes("help ps:re\t", "help", "ps:restart")
			s.becomes("whoa\t", "whoami")
			s.becomes("scale -a demo wo\t3", "scale", "-a", "demo", "worker=3") // no space behind =
			s.becomes("info --app=ot\t", "info", "--app=other")
			s.becomes("info -a d\t", "info", "-a", "demo")
			s.becomes("info --ap\tdemo", "info", "--app", "demo")
			s.becomes("rollback -a demo v2\t", "rollback", "-a", "demo", "v21")
			s.becomes("domains:remove -a demo w\t", "domains:remove", "-a", "demo", "www.example.com")
			s.becomes("keys:remove bob\t", "keys:remove", "bob@laptop")
			s.becomes("keys:remove ol\t", "keys:remove", "old key")
			s.becomes("certs:add ce\t", "certs:add", "cert.pem")
			s.becomes("info -a none\t", "info", "-a", "none")                      // nothing to complete, nothing said
			s.becomes("domains:remove -a none \t", "domains:remove", "-a", "none") // the controller answers 404

			s.lists("info -a \t\t", "demo", "other")
			s.lists("rollback -a demo v\t\t", "21", "MODE", "3", "bob created") // the newest first
			s.lists("ps:\t\t", "list an app's processes", "run more or fewer processes")
			s.lists("keys:remove \t\t", "old")
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Error("what the controller said was run")
			}
		})
	}
}

// TestManPages renders every page as man does, and has mandoc look for faults.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command(binary, "__man", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
	for _, page := range pages {
		cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", page)
		var stdout, stderr bytes.Buffer
		cmd.Env = append(os.Environ(), "MANWIDTH=100", "MAN_KEEP_FORMATTING=", "LC_ALL=C.UTF-8")
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		name := strings.TrimSuffix(filepath.Base(page), ".1")
		if err := cmd.Run(); err != nil || stderr.Len() > 0 || !strings.Contains(stdout.String(), name+" - ") {
			t.Errorf("%s: %v\n%s%s", name, err, &stderr, &stdout)
		}
	}
}
