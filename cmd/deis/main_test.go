package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "deis-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "deis")
	code := 1
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// home is a home directory with a session at a controller.
func home(t *testing.T, controller string) string {
	t.Helper()
	dir := t.TempDir()
	session := fmt.Sprintf(`{"username":"bob","ssl_verify":true,"controller":"%s","token":"abc","response_limit":100}`, controller)
	err := errors.Join(os.Mkdir(filepath.Join(dir, ".deis"), 0o700), os.WriteFile(filepath.Join(dir, ".deis", "client.json"), []byte(session), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func command(home string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(binary, args...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=" + home + "/bin:" + os.Getenv("PATH"), "MARK=1"}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// expect runs a command and checks all that a script sees of it.
func expect(t *testing.T, cmd *exec.Cmd, stdout, stderr *bytes.Buffer, code int, wantOut, wantErr string) {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code || stdout.String() != wantOut || stderr.String() != wantErr {
		t.Errorf("%v: exit %d\nstdout %q\nstderr %q\nwant %d\n%q\n%q", cmd.Args[1:], got, stdout, stderr, code, wantOut, wantErr)
	}
}

func TestExitCodes(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("DEIS_API_VERSION", "1.7")
		switch r.URL.Path {
		case "/v1/apps/demo/run/stream": // Deis v1 has no such route
			http.NotFound(w, r)
		case "/v1/apps/demo/run":
			_, _ = io.WriteString(w, `[7,"hi\n"]`)
		case "/v1/apps/":
			_, _ = io.WriteString(w, `{"count":0,"results":[]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"detail":"Not found"}`)
		}
	}))
	defer srv.Close()
	dir := home(t, srv.URL)
	for _, c := range []struct {
		args        string
		code        int
		out, errOut string
	}{
		{"", 1, "", "Usage: deis <command> [<args>...]\n"},
		{"--version", 0, "1.14.0\n", ""},
		{"nope", 1, "", "Found no matching command, try 'deis help'\nUsage: deis <command> [<args>...]\n"},
		{"apps:nope", 1, "", "Found no matching command, try 'deis help'\nUsage: deis <command> [<args>...]\n"},
		{"apps", 0, "=== Apps\n", ""},
		{"apps extra", 1, "", "Usage: deis apps:list [options]\n"},
		{"ps -a demo", 1, "", "Error: \n404 NOT FOUND\ndetail: Not found\n\nThe controller that was asked is " + srv.URL + ".\n"},
		{"run -a demo exit 7", 7, "Running 'exit 7'...\nhi\n", ""},
		{"logout", 0, "Logged out\n", ""},
		{"apps", 1, "", "Error: Not logged in. Use 'deis login' or 'deis register' to get started.\n"},
	} {
		cmd, stdout, stderr := command(dir, strings.Fields(c.args)...)
		expect(t, cmd, stdout, stderr, c.code, c.out, c.errOut)
	}
}

func TestPlugins(t *testing.T) {
	dir := home(t, "http://unused")
	script := "#!/bin/sh\nprintf '<%s>' \"${0##*/}\" \"$@\" \"$MARK\"\nexit 5\n"
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "bin"), 0o700), os.WriteFile(filepath.Join(dir, "bin", "deis-foo"), []byte(script), 0o700),
		os.WriteFile(filepath.Join(dir, "bin", "deis-dull"), []byte(script), 0o600)); err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{
		"foo":                "<deis-foo><1>",
		"foo a --x=y -- -z":  "<deis-foo><a><--x=y><--><-z><1>",
		"foo:bar --x y":      "<deis-foo><bar><--x><y><1>",
		"foo:bar:baz":        "<deis-foo><bar:baz><1>",
		"help foo:bar":       "<deis-foo><bar><--help><1>",
		"foo --version help": "<deis-foo><--version><help><1>",
	} {
		cmd, stdout, stderr := command(dir, strings.Fields(call)...)
		expect(t, cmd, stdout, stderr, 5, want, "")
	}
	cmd, stdout, stderr := command(dir, "dull")
	expect(t, cmd, stdout, stderr, 1, "", "Found no matching command, try 'deis help'\nUsage: deis <command> [<args>...]\nDid you mean 'pull'?\n")
}

// TestInterrupt: Ctrl-C during a request ends the command.
func TestInterrupt(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	}))
	defer srv.Close()
	defer close(release)
	cmd, stdout, stderr := command(home(t, srv.URL), "scale", "web=1", "-a", "demo")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || stdout.String() != "Scaling processes... but first, coffee!\n" || stderr.String() != "\nThe deploy goes on at the controller if it has begun there: follow it with 'deis ps -a demo' and 'deis logs -a demo'.\n" {
		t.Errorf("%v, stdout %q, stderr %q", err, stdout, stderr)
	}
}

func TestProxy(t *testing.T) {
	asked := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RequestURI
		w.Header().Set("DEIS_API_VERSION", "1.7")
		_, _ = io.WriteString(w, `{"count":0,"results":[]}`)
	}))
	defer srv.Close()
	cmd, stdout, stderr := command(home(t, "http://deis.example.com"), "apps")
	cmd.Env = append(cmd.Env, "http_proxy="+srv.URL)
	expect(t, cmd, stdout, stderr, 0, "=== Apps\n", "")
	if got := <-asked; got != "http://deis.example.com/v1/apps/?page_size=100" {
		t.Error(got)
	}
}

// TestCA: a controller with a certificate of its own is refused, unless its CA
// is given or no certificate is asked for; the session remembers which.
func TestCA(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("DEIS_API_VERSION", "1.7")
		switch r.URL.Path {
		case "/v1/":
			w.WriteHeader(http.StatusUnauthorized)
		case "/v1/auth/login/":
			_, _ = io.WriteString(w, `{"token":"abc"}`)
		default:
			_, _ = io.WriteString(w, `{"count":0,"results":[]}`)
		}
	}))
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	dir := home(t, "http://unused")
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{"login", srv.URL, "--username=bob", "--password=pw"}
	cmd, stdout, stderr := command(dir, login...)
	if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), "certificate signed by unknown authority") ||
		!strings.HasPrefix(stdout.String(), srv.URL+"/v1/ does not appear to be a valid Deis controller.\n") {
		t.Errorf("%v: %s %s", err, stdout, stderr)
	}
	for _, option := range []string{"--ca-file=ca.pem", "--ssl-verify=false"} {
		cmd, stdout, stderr = command(dir, append(login, option)...)
		expect(t, cmd, stdout, stderr, 0, "Logged in as bob\n", "")
		cmd, stdout, stderr = command(dir, "apps")
		cmd.Dir = "/" // the file is found from everywhere
		expect(t, cmd, stdout, stderr, 0, "=== Apps\n", "")
	}
}
