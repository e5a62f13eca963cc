//go:build integration

package scripts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deis/deis/tests/platform"
)

// internet is a network namespace beyond the host, at an address for
// documentation. It also plays the metadata service of a cloud.
type internet struct {
	name    string
	address string
	targets []string
	packs   string // repositories that git serves there
}

func newInternet(t *testing.T) *internet {
	t.Helper()
	id, net := platform.Random(3), 4*rand.IntN(63)
	n := &internet{name: "deis-" + id, address: fmt.Sprintf("198.51.100.%d", net+2), packs: t.TempDir()}
	n.targets = []string{"tcp/" + n.address + ":80", "udp/" + n.address + ":53", "tcp/" + n.address + ":9418"}
	near, far := "ds"+id, "dp"+id
	t.Cleanup(func() {
		// the interfaces and routes go with it
		if out, err := exec.Command("ip", "netns", "del", n.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del: %v %s", err, out)
		}
	})
	for _, line := range []string{
		"ip netns add " + n.name,
		"ip link add " + near + " type veth peer name " + far + " netns " + n.name,
		fmt.Sprintf("ip addr add 198.51.100.%d/30 dev %s", net+1, near),
		"ip link set " + near + " up",
		"ip -n " + n.name + " link set lo up",
		"ip -n " + n.name + " link set " + far + " up",
		"ip -n " + n.name + " addr add " + n.address + "/30 dev " + far,
		"ip -n " + n.name + " addr add " + metadata + "/32 dev lo",
		"ip route add " + metadata + "/32 via " + n.address,
	} {
		command(t, "", strings.Fields(line)...)
	}
	n.serve(t, stage.app, "listen", "tcp/0.0.0.0:80", "udp/"+n.address+":53", "udp/"+metadata+":53")
	// git itself would leave its daemon behind when it is killed
	git := strings.TrimSpace(command(t, "", "git", "--exec-path"))
	n.serve(t, filepath.Join(git, "git-daemon"), "--export-all", "--listen=0.0.0.0", "--base-path="+n.packs, n.packs)
	must(t, eventually("the internet", func() (bool, error) {
		got, err := probe(t.Context(), nil, n.targets)
		if err != nil {
			return false, err
		}
		for _, target := range n.targets {
			if got[target] != "open" {
				return false, fmt.Errorf("%v", got)
			}
		}
		return true, nil
	}))
	return n
}

// serve runs a program there until the test is over.
func (n *internet) serve(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.name}, args...)...)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
}

// inSlugbuilder looks from a slugbuilder: by a buildpack whose compile step is
// the test app.
func (n *internet) inSlugbuilder(t *testing.T, app string, targets, spoof []string) string {
	t.Helper()
	ctx, user, pack := t.Context(), stage.root, filepath.Join(n.packs, "pack")
	binary, err := os.ReadFile(stage.app)
	must(t, err)
	must(t, user.Repository(ctx, pack, map[string]string{
		"targets":     strings.Join(targets, "\n"),
		"app":         string(binary),
		"bin/detect":  "#!/bin/sh\necho Looking around\n",
		"bin/release": "#!/bin/sh\nprintf -- '---\\ndefault_process_types:\\n  worker: sleep 1000000\\n'\n",
		"bin/compile": "#!/bin/sh\ncd \"$(dirname \"$0\")/..\"\n./app probe @targets\n./app spoof " + strings.Join(spoof, " ") + "\n",
	}))
	for _, name := range []string{"app", "bin/detect", "bin/release", "bin/compile"} {
		must(t, os.Chmod(filepath.Join(pack, name), 0o755))
	}
	must(t, user.Commit(ctx, pack, nil))

	dir := t.TempDir()
	must(t, user.Repository(ctx, dir, map[string]string{"readme": "nothing"}))
	if _, err := user.Deis(ctx, dir, "create", app, "--no-remote"); err != nil {
		t.Fatal(err)
	}
	destroyAtEnd(t, app)
	if _, err := user.Deis(ctx, dir, "config:set", "BUILDPACK_URL=git://"+n.address+"/pack", "-a", app); err != nil {
		t.Fatal(err)
	}
	out, err := user.Command(ctx, dir, "git", "push", user.Remote(app), "master")
	must(t, err)
	return out
}
