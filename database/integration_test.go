//go:build integration

package database

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/deis/deis/internal/labels"
)

const image = "deis/database:1.14.0"

// TestImage runs this tree's binary in the image, as deploy/local does: without
// capabilities, on a read-only root, with PostgreSQL 17, and kills it.
func TestImage(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	name := "t" + strings.ToLower(rand.Text()[:10])
	docker := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("docker", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %v: %v\n%s (the images come from `make images`)", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	bin := filepath.Join(filepath.Dir(f.bin), "program")
	build := exec.Command("go", "build", "-o", bin, "github.com/deis/deis/cmd/database")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args := []string{"run", "-d", "--name", name, "--label", labels.Platform + "=" + name, "--network", "host", "--restart", "always",
		"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--tmpfs", "/tmp:mode=1777",
		"--volume", name + ":/var/lib/postgresql", "--volume", bin + ":/bin/database:ro"}
	for _, v := range f.env {
		if !strings.HasPrefix(v, "PATH=") && !strings.HasPrefix(v, "PGDATA=") {
			args = append(args, "--env", v)
		}
	}
	t.Cleanup(func() {
		docker("rm", "-f", name)
		docker("volume", "rm", name)
	})
	docker(append(args, image)...)
	f.out = new(buffer) // for messages of eventually
	conn := f.await()
	var version string
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version')`).Scan(&version); err != nil || !strings.HasPrefix(version, "17.") {
		t.Errorf("version %s, %v", version, err)
	}
	if _, err := conn.Exec(ctx, `CREATE TABLE apps AS SELECT 'demo' AS id`); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		pid, err := strconv.Atoi(docker("inspect", "-f", "{{.State.Pid}}", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		f.eventually("serving again", func(ctx context.Context) bool {
			if docker("inspect", "-f", "{{.State.Pid}}", name) == strconv.Itoa(pid) {
				return false
			}
			conn, err := f.connect(ctx)
			if err != nil {
				return false
			}
			defer conn.Close(ctx)
			var id string
			return conn.QueryRow(ctx, `SELECT id FROM apps`).Scan(&id) == nil && id == "demo"
		})
	}
	docker("stop", "-t", "60", name)
	if logs := docker("logs", "--tail", "20", name); !strings.Contains(logs, "postgres stopped") {
		t.Errorf("not stopped in order:\n%s", logs)
	}
	if code := docker("inspect", "-f", "{{.State.ExitCode}}", name); code != "0" {
		t.Errorf("exit code %s", code)
	}
	f.eventually("withdrawn", func(ctx context.Context) bool { return f.key(ctx, "host") == "" })
}
