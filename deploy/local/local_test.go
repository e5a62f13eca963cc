//go:build integration

// Package local_test runs the scripts that start a platform: what they refuse,
// and what the packet filter does when someone interferes with it.
package local_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/version"
)

// platform is a name of its own with a state folder of its own.
type platform struct {
	name  string
	state string
}

func newPlatform(t *testing.T) platform {
	t.Helper()
	return platform{name: "t" + strings.ToLower(rand.Text()[:8]), state: t.TempDir()}
}

// script runs one of the scripts and returns what it said and whether it succeeded.
func (p platform) script(t *testing.T, env []string, name string, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./"+name, args...)
	cmd.Env = append(os.Environ(), "DEIS_NAME="+p.name, "XDG_STATE_HOME="+p.state)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// docker runs the Engine's client and returns its output.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// removeAtEnd removes a container when the test is over, whatever became of it.
func removeAtEnd(t *testing.T, container string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "docker", "rm", "--force", "--volumes", container).CombinedOutput(); err != nil {
			t.Errorf("remove %s: %v\n%s", container, err, out)
		}
	})
}

// eventually waits until check says "", and fails with what it said last.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		said := check()
		if said == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(said)
		}
	}
}

// traces is what the Engine and the state folder know of a platform.
func (p platform) traces(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, kind := range []string{"container", "network", "volume"} {
		args := []string{kind, "ls", "--quiet", "--filter", "label=deis.platform=" + p.name}
		if kind == "container" {
			args = append(args, "--all")
		}
		fmt.Fprintln(&all, kind, docker(t, args...))
	}
	entries, err := os.ReadDir(p.state)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&all, "state", entries)
	return all.String()
}

func TestRefusalsAreOneSentenceAndChangeNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	free := []string{"HTTP_PORT=0", "HTTPS_PORT=0", "SSH_PORT=0", "HEALTH_PORT=0"}

	for _, test := range []struct {
		name string
		env  []string
		want string
	}{
		{"port taken", []string{"HTTP_PORT=" + port}, "port " + port + " is taken by"},
		{"port no number", []string{"SSH_PORT=ssh"}, "SSH_PORT=ssh: a port is a number from 1 to 65535"},
		{"port too large", []string{"SSH_PORT=65536"}, "SSH_PORT=65536: a port is a number from 1 to 65535"},
		{"a port twice", []string{"HTTPS_PORT=28471", "SSH_PORT=28471"}, "SSH_PORT=28471: another port of the platform has that number"},
		{"disk full", []string{"DISK_FLOOR_MB=999999999"}, "the platform needs 999999999 MB free"},
		{"foreign address", []string{"LISTEN=198.51.100.7"}, "LISTEN=198.51.100.7: this machine has no such address"},
		{"bad domain", []string{"DOMAIN=a b"}, "DOMAIN=a b: a domain is"},
		{"bad name", []string{"DEIS_NAME=Upper"}, "DEIS_NAME=Upper: a name is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlatform(t)
			before := p.traces(t)
			out, ok := p.script(t, append(append([]string{}, free...), test.env...), "up.sh")
			if ok || !strings.HasPrefix(out, "deis: "+test.want) || strings.Count(out, "\n") != 1 {
				t.Errorf("up.sh: success %v, said:\n%swant one line: deis: %s", ok, out, test.want)
			}
			if after := p.traces(t); after != before {
				t.Errorf("left behind:\n%swant:\n%s", after, before)
			}
		})
	}
}

func TestUpRefusesWhoIsNotRoot(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// The folder of a checkout may be closed to others: root reads the scripts, then gives itself up.
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `id() { echo 1000; }; export -f id; exec ./up.sh`)
	cmd.Dir = here
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "deis: this needs root") {
		t.Errorf("up.sh: %v, said:\n%s", err, out)
	}
}

func TestUpLeavesForeignContainersAlone(t *testing.T) {
	p := newPlatform(t)
	docker(t, "create", "--name", p.name+"-router", "deis/etcd:"+version.Platform)
	removeAtEnd(t, p.name+"-router")
	out, ok := p.script(t, []string{"HTTP_PORT=0", "HTTPS_PORT=0", "SSH_PORT=0", "HEALTH_PORT=0"}, "up.sh")
	if want := "deis: a container " + p.name + "-router is there and is not this platform's"; ok || !strings.HasPrefix(out, want) {
		t.Errorf("up.sh: success %v, said:\n%swant: %s", ok, out, want)
	}
	docker(t, "container", "inspect", p.name+"-router")
}

func TestCommandsWithoutPlatform(t *testing.T) {
	p := newPlatform(t)
	for _, test := range []struct {
		script, arg, want string
	}{
		{"status.sh", "", "deis: there is no platform " + p.name},
		{"logs.sh", "", "deis: name a component: make logs C=router"},
		{"logs.sh", "nginx", "deis: name a component: make logs C=router"},
		{"logs.sh", "router", "deis: router of the platform " + p.name + " is not started"},
	} {
		if out, ok := p.script(t, nil, test.script, test.arg); ok || !strings.HasPrefix(out, test.want) {
			t.Errorf("%s %s: success %v, said:\n%swant: %s", test.script, test.arg, ok, out, test.want)
		}
	}
	if out, ok := p.script(t, nil, "down.sh", "clean"); !ok {
		t.Errorf("down.sh clean of nothing failed:\n%s", out)
	}
}

// filterArgs start the filter for bridges that nobody has, on the machine's network like the real one.
func filterArgs(p platform, shared string, command ...string) []string {
	args := []string{"run", "--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--read-only", "--tmpfs", "/run",
		"--security-opt", "no-new-privileges:true", "--label", "deis.platform=" + p.name, "--volume", shared + ":/shared",
		"--env", "CHAIN=DEIS-" + p.name, "--env", "BRIDGES=a-" + p.name + "=203.0.113.0/25 b-" + p.name + "=203.0.113.128/25", "--env", "ADDRESSES=127.0.0.1",
		"--env", "PORTS=80,443", "--env", "SUBNETS=198.51.100.0/24", "--env", "STATE=/shared/ready", "--env", "LOOK_SECONDS=0.2"}
	args = append(args, command...)
	return args
}

// rules prints the filter's rules as the kernel has them, seen from a container of its image. Those for the machine's other bridges
// come and go with them, so they are not compared.
func rules(t *testing.T, p platform) string {
	t.Helper()
	all := docker(t, "exec", p.name+"-filter", "iptables", "-w", "-t", "mangle", "-S")
	var ours []string
	for line := range strings.Lines(all) {
		if strings.Contains(line, "DEIS-"+p.name+"-") && !strings.Contains(line, "-FW -o ") {
			ours = append(ours, strings.TrimSpace(line)+"\n")
		}
	}
	return strings.Join(ours, "")
}

func TestFilterStandsAndRepairsItself(t *testing.T) {
	p := newPlatform(t)
	image := "deis/filter:" + version.Platform
	shared := t.TempDir()
	ready := filepath.Join(shared, "ready")
	removeAtEnd(t, p.name+"-filter")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		args := filterArgs(p, shared, "--rm", image, "remove")
		if out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput(); err != nil {
			t.Errorf("remove the filter: %v\n%s", err, out)
		}
	})
	docker(t, filterArgs(p, shared, "--detach", "--name", p.name+"-filter", image)...)

	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if got, err := os.ReadFile(ready); err != nil || string(got) != string(boot) {
			return fmt.Sprintf("ready file: %q, %v; want %q", got, err, boot)
		}
		return ""
	})
	want := rules(t, p)
	for _, rule := range []string{
		"-A INPUT -i a-" + p.name + " -j DEIS-" + p.name + "-IN",
		"-A FORWARD -i b-" + p.name + " -j DEIS-" + p.name + "-FW",
		"-A DEIS-" + p.name + "-IN ! -s 203.0.113.0/25 -i a-" + p.name + " -j DROP",
		"-A DEIS-" + p.name + "-FW ! -s 203.0.113.128/25 -i b-" + p.name + " -j DROP",
		"-A DEIS-" + p.name + "-IN -d 127.0.0.1/32 -p tcp -m multiport --dports 80,443 -j RETURN",
		"-A DEIS-" + p.name + "-IN -j DROP",
		"-A DEIS-" + p.name + "-FW -d 169.254.0.0/16 -j DROP",
		"-A DEIS-" + p.name + "-FW -d 198.51.100.0/24 -j DROP",
	} {
		if !strings.Contains(want, rule+"\n") {
			t.Errorf("rules:\n%swant among them: %s", want, rule)
		}
	}

	for _, breach := range [][]string{
		{"-F", "DEIS-" + p.name + "-IN"},
		{"-D", "INPUT", "-i", "a-" + p.name, "-j", "DEIS-" + p.name + "-IN"},
		{"-I", "DEIS-" + p.name + "-FW", "-j", "RETURN"},
	} {
		docker(t, append([]string{"exec", p.name + "-filter", "iptables", "-w", "-t", "mangle"}, breach...)...)
		eventually(t, func() string {
			if got := rules(t, p); !sameRules(got, want) {
				return fmt.Sprintf("after iptables %s:\n%swant:\n%s", strings.Join(breach, " "), got, want)
			}
			return ""
		})
	}

	// Killed, it leaves the rules in force; removed, nothing of it stays.
	docker(t, "restart", "--time", "0", p.name+"-filter")
	if got := rules(t, p); !sameRules(got, want) {
		t.Errorf("after a restart:\n%swant:\n%s", got, want)
	}
	docker(t, "pause", p.name+"-filter")
	docker(t, filterArgs(p, shared, "--rm", image, "remove")...)
	out := docker(t, filterArgs(p, shared, "--rm", "--entrypoint", "iptables", image, "-w", "-t", "mangle", "-S")...)
	if strings.Contains(out, "DEIS-"+p.name) {
		t.Errorf("after remove:\n%s", out)
	}
}

// sameRules compares two listings whatever the order of the jumps from INPUT and FORWARD, which only add up.
func sameRules(a, b string) bool {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]++
	}
	for line := range strings.Lines(b) {
		count[line]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
