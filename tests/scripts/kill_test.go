//go:build integration

package scripts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/deis/deis/tests/platform"
)

// TestKill kills each component's main process, one after the other, while an
// app is asked for: only the router's own end may be seen. After each, the
// component is back by itself and a push works.
func TestKill(t *testing.T) {
	ctx := t.Context()
	app := "kill-" + platform.Random(3)
	dir := t.TempDir()
	user := stage.root
	must(t, user.Deploy(ctx, dir, stage.app, app))
	if out, err := user.Deis(ctx, dir, "scale", "cmd=2", "-a", app); err != nil {
		t.Fatal(out, err)
	}
	for _, component := range []string{"publisher", "logspout", "logger", "registry", "builder", "controller", "filter", "etcd", "database", "nginx worker", "nginx master", "router"} {
		t.Run(strings.ReplaceAll(component, " ", "-"), func(t *testing.T) {
			l := startLoad(ctx, stage.Platform, app+".localhost", 50)
			must(t, eventually("requests before", func() (bool, error) { return l.sent.Load() > 50, nil }))
			kill(t, component)
			must(t, eventually(component+" is back", func() (bool, error) { return ready(ctx, component) }))
			must(t, eventually("a push works", func() (bool, error) {
				must(t, user.Commit(ctx, dir, nil))
				_, err := user.Push(ctx, dir, app)
				return err == nil, err
			}))
			faults := l.end()
			t.Logf("%d requests, %d faults", l.sent.Load(), len(faults))
			if component == "router" || strings.HasPrefix(component, "nginx") {
				// The connections of the process that was killed are gone with
				// it; what comes after is answered.
				if status, body, err := stage.Get(ctx, app+".localhost", "/"); status != 200 {
					t.Errorf("after the restart: %d %s %v", status, body, err)
				}
				return
			}
			for _, f := range faults {
				t.Error(f)
			}
		})
	}
	if out, err := user.Deis(ctx, dir, "destroy", "-a", app, "--confirm="+app); err != nil {
		t.Error(out, err)
	}
}

// kill sends SIGKILL to a component's main process, or to a process of nginx.
func kill(t *testing.T, component string) {
	t.Helper()
	container, title, _ := strings.Cut(component, " ")
	if container == "nginx" {
		container = "router"
	}
	pid := mainPID(t, container)
	if title != "" {
		pid = child(t, pid, "nginx: "+title)
	}
	if pid <= 1 {
		t.Fatalf("%s was not found", component)
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
}

func mainPID(t *testing.T, component string) int {
	t.Helper()
	pid, err := findMain(t.Context(), component)
	must(t, err)
	return pid
}

// findMain is the id of a component's main process.
func findMain(ctx context.Context, component string) (int, error) {
	out, err := platform.Docker(ctx, "inspect", "--format", "{{.State.Pid}}", stage.Container(component))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(out)
	if err == nil && pid <= 1 {
		err = fmt.Errorf("%s does not run", component)
	}
	return pid, err
}

// child finds a descendant of a process by the beginning of its title.
func child(t *testing.T, pid int, title string) int {
	t.Helper()
	// Each thread has a list of the children that it made.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(t, err)
	for _, list := range lists {
		b, err := os.ReadFile(list)
		must(t, err)
		for _, field := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(field)
			must(t, err)
			cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", n))
			must(t, err)
			if strings.HasPrefix(string(cmdline), title) {
				return n
			}
			if found := child(t, n, title); found != 0 {
				return found
			}
		}
	}
	return 0
}

// ready asks a component whether it is.
func ready(ctx context.Context, component string) (bool, error) {
	name, _, _ := strings.Cut(component, " ")
	if name == "nginx" {
		name = "router"
	}
	return stage.Ready(ctx, name)
}
