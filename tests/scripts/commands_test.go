//go:build integration

package scripts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/deis/deis/tests/platform"
)

// patience is how long a story waits for what must become true.
const patience = 60 * time.Second

// rest is how long an app's state must stay the same to count as at rest.
const rest = 2 * time.Second

// setup gives each story names of its own: $APP and $OTHER are app ids, and
// "as ann" makes and becomes the user $ann.
func setup(env *testscript.Env) error {
	id := platform.Random(3)
	for k, v := range map[string]string{
		"APP": "app-" + id, "OTHER": "other-" + id, "ID": id, "CONTROLLER": stage.Controller(), "DOMAIN": "localhost",
		"SSH_PORT": stage.Env["SSH_PORT"], "REGISTRY": "127.0.0.1:" + stage.Env["REGISTRY_PORT"], "PLATFORM": stage.Name,
		"IMAGES": stage.images.address, "HTTP_PORT": stage.Env["HTTP_PORT"], "ROOT_PASSWORD": stage.root.Password,
		"GOMODCACHE": os.Getenv("GOMODCACHE"),
	} {
		env.Setenv(k, v)
	}
	return nil
}

// as NAME becomes a user, who is registered at the first time. root is the
// platform's admin, the same for all stories: what it keeps in its home stays.
func as(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: as name")
	}
	name := args[0] + "-" + ts.Getenv("ID")
	home := filepath.Join(ts.Getenv("WORK"), "home-"+name)
	var user *platform.User
	if _, err := os.Stat(home); args[0] == stage.root.Name {
		user, name = stage.root, stage.root.Name
	} else if err == nil {
		user = stage.Existing(name, home)
	} else {
		user, err = stage.NewUser(context.Background(), name, ts.Getenv("WORK"))
		ts.Check(err)
	}
	for _, kv := range user.Env() {
		k, v, _ := strings.Cut(kv, "=")
		ts.Setenv(k, v)
	}
	ts.Setenv(args[0], name)
}

// testapp DIR APP makes a repository of the test app with the app's remote.
func testApp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: testapp dir app")
	}
	user := stage.Existing("", ts.Getenv("HOME"))
	dir := ts.MkAbs(args[0])
	ts.Check(user.AppRepository(context.Background(), dir, stage.app))
	_, err := user.Command(context.Background(), dir, "git", "remote", "add", "deis", user.Remote(args[1]))
	ts.Check(err)
}

// example NAME DIR APP makes a repository of one of the examples.
func example(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: example name dir app")
	}
	dir := ts.MkAbs(args[1])
	ts.Check(os.CopyFS(dir, os.DirFS(filepath.Join(stage.Root, "examples", args[0]))))
	user := stage.Existing("", ts.Getenv("HOME"))
	ts.Check(user.Repository(context.Background(), dir, nil))
	_, err := user.Command(context.Background(), dir, "git", "remote", "add", "deis", user.Remote(args[2]))
	ts.Check(err)
}

// http HOST PATH STATUS [REGEXP] waits until the router answers so. "now" as
// the first argument asks once.
func httpStatus(ts *testscript.TestScript, neg bool, args []string) {
	once := len(args) > 0 && args[0] == "now"
	if once {
		args = args[1:]
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http [now] host path status [regexp]")
	}
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	pattern := regexp.MustCompile(strings.Join(args[3:], " "))
	var status int
	var body string
	deadline := time.Now().Add(patience)
	for {
		status, body, err = stage.Get(context.Background(), args[0], args[1])
		if err == nil && status == want && pattern.MatchString(body) {
			return
		}
		if once || time.Now().After(deadline) {
			ts.Fatalf("http://%s%s: %d %v\n%s", args[0], args[1], status, err, body)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// await REGEXP COMMAND... runs a command until its output matches; with ! until
// it does not.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await regexp command...")
	}
	pattern := regexp.MustCompile(args[0])
	deadline := time.Now().Add(patience)
	for {
		cmd := exec.Command(args[1], args[2:]...)
		if args[1] == "deis" {
			cmd = exec.Command(filepath.Join(stage.Root, "bin/deis"), args[2:]...)
		}
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), stage.Existing("", ts.Getenv("HOME")).Env()...)
		out, err := cmd.CombinedOutput()
		if err == nil && pattern.Match(out) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v\n%s", strings.Join(args[1:], " "), err, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// state save APP keeps all that is known of an app; state same APP fails if
// any of it has changed; state none APP fails if there is anything.
func state(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: state save|same|none app")
	}
	file := filepath.Join(ts.Getenv("WORK"), ".state-"+args[1])
	var now string
	look := func(ok func() bool) func() (bool, error) {
		return func() (_ bool, err error) {
			now, err = Everything(context.Background(), stage.Platform, args[1])
			return err == nil && ok(), err
		}
	}
	switch args[0] {
	case "save": // when what earlier releases left has gone
		before, since := "", time.Now()
		ts.Check(eventually("an app at rest", look(func() bool {
			if now != before || strings.Contains(now, "'leaving'") {
				before, since = now, time.Now()
			}
			return time.Since(since) > rest
		})))
		ts.Check(os.WriteFile(file, []byte(now), 0o600))
	case "same":
		before, err := os.ReadFile(file)
		ts.Check(err)
		_, err = look(func() bool { return true })()
		ts.Check(err)
		if gone, more := without(string(before), now), without(now, string(before)); gone+more != "" {
			ts.Fatalf("the state of %s changed:\n--- gone\n%s\n--- new\n%s", args[1], gone, more)
		}
	case "none":
		if err := eventually("nothing left", look(func() bool { return now == "" })); err != nil {
			ts.Fatalf("something of %s is left: %v\n%s", args[1], err, now)
		}
	default:
		ts.Fatalf("usage: state save|same|none app")
	}
}

// without are the lines of text that other does not have.
func without(text, other string) string {
	has := map[string]bool{}
	for _, l := range strings.Split(other, "\n") {
		has[l] = true
	}
	var out []string
	for _, l := range strings.Split(text, "\n") {
		if !has[l] {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// Everything lists what a platform has of an app, a line each: rows, keys of
// etcd, what the Engine and the registry have, files of the builder and the
// logger. It holds no times and no values that change by themselves.
func Everything(ctx context.Context, p *platform.Platform, app string) (string, error) {
	var lines []string
	add := func(kind, text string, err error) error {
		for _, l := range strings.Split(text, "\n") {
			if l = strings.TrimSpace(l); l != "" {
				lines = append(lines, kind+" "+l)
			}
		}
		return err
	}
	rows, err := p.Rows(ctx, app)
	if err := add("row", rows, err); err != nil {
		return "", err
	}
	keys, err := p.Etcdctl(ctx, "get", "--prefix", "--keys-only", "/deis/")
	if err := add("key", grep(keys, app), err); err != nil {
		return "", err
	}
	for _, list := range [][]string{
		{"container", "ls", "-a", "--filter", "label=deis.platform=" + p.Name, "--filter", "label=deis.app=" + app, "--format", "{{.ID}} {{.Names}} {{.State}}"},
		{"volume", "ls", "--filter", "label=deis.platform=" + p.Name, "--filter", "label=deis.app=" + app, "--format", "{{.Name}}"},
		{"image", "ls", "--no-trunc", "--filter", "reference=127.0.0.1:" + p.Env["REGISTRY_PORT"] + "/" + app, "--format", "{{.ID}}"},
		{"image", "ls", "--no-trunc", "--filter", "label=deis.platform=" + p.Name, "--filter", "label=deis.app=" + app, "--format", "{{.ID}}"},
	} {
		out, err := platform.Docker(ctx, list...)
		if err := add(list[0], out, err); err != nil {
			return "", err
		}
	}
	out, err := platform.Docker(ctx, "exec", p.Container("builder"), "find", "/home/git", "-path", "*/"+app+"*", "-type", "f", "!", "-name", "*.lock")
	if err := add("repository", out, err); err != nil {
		return "", err
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n"), nil
}

func grep(text, part string) string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		if strings.Contains(l, part) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// eventually waits until ok says yes.
func eventually(what string, ok func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		done, err := ok()
		if done {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not in %s: %w", what, patience, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
