//go:build integration

package scripts

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/tests/platform"
)

// metadata is where clouds tell a machine its secrets.
const metadata = "169.254.169.254"

// TestIsolation looks from every place where users' code runs for everything
// that listens, and finds the router's two ports and the internet.
func TestIsolation(t *testing.T) {
	ctx := t.Context()
	user := stage.root
	internet := newInternet(t)

	id := platform.Random(3)
	web, worker, other := "web-"+id, "worker-"+id, "other-"+id
	dir := t.TempDir()
	must(t, user.Deploy(ctx, filepath.Join(dir, web), stage.app, web))
	must(t, user.Deploy(ctx, filepath.Join(dir, other), stage.app, other))
	deployWorker(t, filepath.Join(dir, worker), worker)
	for _, app := range []string{web, other} {
		destroyAtEnd(t, app)
	}
	victims := []string{address(t, running(t, other)), startVictim(t, "victim-"+id)}

	image, err := platform.Docker(ctx, "inspect", "--format", "{{.Image}}", running(t, web))
	must(t, err)
	m := newMatrix(t, internet, victims)
	m.control(t, image)
	for _, app := range []string{web, worker} {
		id := running(t, app)
		self := address(t, id)
		m.from(t, app, func(target string) bool { return hostOf(target) != self }, func(t *testing.T, targets []string) string {
			return inContainer(t, id, targets, m.spoof)
		})
	}
	all := func(string) bool { return true }
	m.from(t, "slugbuilder", all, func(t *testing.T, targets []string) string {
		return internet.inSlugbuilder(t, "slug-"+id, targets, m.spoof)
	})
	m.from(t, "run", all, func(t *testing.T, targets []string) string {
		return inRun(t, "run-"+id, targets, m.spoof)
	})
	t.Logf("matrix: %d targets, 4 vantage points, %d looks", len(m.targets), m.looks)
}

// matrix is what is looked for, and what may be found.
type matrix struct {
	targets  []string        // network/address
	allowed  map[string]bool // the router's ports
	must     []string        // of allowed and of the internet: found from everywhere
	victims  []string        // addresses that others try to take
	spoof    []string        // arguments of the attack on them
	hostPort string          // where the host listens at every address
	counters *counters
	looks    int // from all vantage points
}

// newMatrix finds everything that listens and shows that it does.
func newMatrix(t *testing.T, internet *internet, victims []string) *matrix {
	t.Helper()
	hostPort := openHostPorts(t)
	m := &matrix{hostPort: hostPort, allowed: map[string]bool{}, victims: victims, must: slices.Clone(internet.targets)}
	for _, gateway := range []string{"APPS_GATEWAY", "BUILDS_GATEWAY", "BUILDS2_GATEWAY"} {
		http := "tcp/" + net.JoinHostPort(stage.Env[gateway], stage.Env["HTTP_PORT"])
		https := "tcp/" + net.JoinHostPort(stage.Env[gateway], stage.Env["HTTPS_PORT"]) // while there is a certificate
		m.allowed[http], m.allowed[https] = true, true
		m.must = append(m.must, http)
	}
	for _, victim := range victims {
		m.targets = append(m.targets, "tcp/"+net.JoinHostPort(victim, "5000"))
	}
	m.targets = append(m.targets, "tcp/"+net.JoinHostPort(metadata, "80"), "udp/"+net.JoinHostPort(metadata, "53"), "unix//var/run/docker.sock")
	found, err := probe(t.Context(), nil, m.targets)
	must(t, err)
	expect(t, "the host", found, m.targets...)

	spaces := namespaces(t)
	for _, s := range spaces {
		m.targets = append(m.targets, s.show(t)...)
	}
	slices.Sort(m.targets)
	m.targets = slices.Compact(m.targets)
	m.counters = newCounters(t, spaces)
	m.spoof = append(slices.Clone(victims), "tcp/127.0.0.1:"+stage.Env["REGISTRY_PORT"])
	return m
}

// from looks from one place for the targets that are meant for it, while others
// use the victims.
func (m *matrix) from(t *testing.T, name string, meant func(target string) bool, look func(*testing.T, []string) string) {
	t.Helper()
	ask := newAsker(m.victims)
	var seen map[string]string // once the host knows all of them, which it forgets now and then
	must(t, eventually("the victims' cards", func() (bool, error) {
		seen = neighbours(t, m.victims)
		return len(seen) == len(m.victims), nil
	}))
	before := m.counters.read(t)
	out := look(t, slices.Concat(m.targets, m.must))
	asked, faults := ask.end()
	after := m.counters.read(t)

	results := parse(out)
	closed, gone := 0, 0
	stands := sync.OnceValue(func() map[string]bool { return addresses(t) })
	for _, target := range m.targets {
		switch state, ok := results[target]; {
		case !meant(target):
			continue
		case !ok:
			t.Fatalf("%s was not tried:\n%.2000s", target, out)
		case m.allowed[target]:
		case state == "closed", state == "sent": // whether what was sent came through, the counters tell
			closed++
		case !strings.HasPrefix(target, "unix/") && !stands()[hostOf(target)]:
			gone++
			continue
		default: // also refused: that is an answer
			t.Errorf("%s is %s from %s", target, state, name)
		}
		m.looks++
	}
	expect(t, name, results, m.must...)
	for space, n := range after {
		if n -= before[space]; n >= enough {
			t.Errorf("%d datagrams from %s got to %s", n, name, space)
		}
	}
	for _, f := range faults {
		t.Errorf("while %s tried to take its address: %s", name, f)
	}
	if now := neighbours(t, m.victims); !maps.Equal(seen, now) {
		t.Errorf("neighbours were %v, after %s they are %v", seen, name, now)
	}
	for _, line := range attacks.FindAllString(out, -1) {
		t.Log(line)
		if !strings.HasPrefix(line, "kept ") && !strings.HasPrefix(line, "refused ") && !strings.HasPrefix(line, "silent ") {
			t.Errorf("%s: %s", name, line)
		}
	}
	if !strings.Contains(out, "refused "+m.victims[0]) && !strings.Contains(out, "kept "+m.victims[0]) {
		t.Errorf("%s made no attack:\n%.2000s", name, out)
	}
	t.Logf("%s: %d of %d closed, %d gone meanwhile, the victims answered %d times", name, closed, len(m.targets), gone, asked)
}

// addresses are all that this machine and its containers have now. What is no
// more among them, since another platform was removed meanwhile, is somewhere
// on the internet.
func addresses(t *testing.T) map[string]bool {
	all := map[string]bool{metadata: true}
	for _, s := range namespaces(t) {
		for _, address := range s.addresses {
			all[address] = true
		}
	}
	return all
}

// hostOf is the address in a target.
func hostOf(target string) string {
	_, address, _ := strings.Cut(target, "/")
	host, _, _ := net.SplitHostPort(address)
	return host
}

// results and attacks are lines that the test app prints; what git puts
// before them does not matter.
var (
	results = regexp.MustCompile(`(open|refused|closed|sent) ((?:tcp|udp|unix)/[^\s\x1b]+)`)
	attacks = regexp.MustCompile(`(?:refused|took|kept|answered|silent) (?:raw IP|[0-9.]+|tcp/[0-9.:]+)[^\n\r\x1b]*`)
)

func parse(out string) map[string]string {
	found := map[string]string{}
	for _, m := range results.FindAllStringSubmatch(out, -1) {
		found[m[2]] = m[1]
	}
	return found
}

// expect requires that targets are open.
func expect(t *testing.T, from string, results map[string]string, targets ...string) {
	t.Helper()
	for _, target := range targets {
		if results[target] != "open" {
			t.Errorf("%s is %q from %s, and should be open", target, results[target], from)
		}
	}
}

// probe runs the test app, inside of another namespace if wrap enters one.
func probe(ctx context.Context, wrap, targets []string) (map[string]string, error) {
	out, err := output(ctx, strings.Join(targets, "\n"), append(slices.Clone(wrap), stage.app, "probe", "-")...)
	return parse(out), err
}

// command runs a program that must succeed and returns what it printed.
func command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := output(t.Context(), stdin, args...)
	must(t, err)
	return out
}

func output(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// inContainer looks from inside a running container of an app.
func inContainer(t *testing.T, id string, targets, spoof []string) string {
	t.Helper()
	out := command(t, strings.Join(targets, "\n"), "docker", "exec", "-i", id, "/app", "probe", "-")
	return out + command(t, "", append([]string{"docker", "exec", id, "/app", "spoof"}, spoof...)...)
}

// inRun looks from the RUN steps of a Dockerfile.
func inRun(t *testing.T, app string, targets, spoof []string) string {
	t.Helper()
	user, dir := stage.root, t.TempDir()
	must(t, user.AppRepository(t.Context(), dir, stage.app))
	must(t, user.Commit(t.Context(), dir, map[string]string{
		"targets": strings.Join(targets, "\n"),
		"Dockerfile": "FROM scratch\nCOPY app targets /\nRUN [\"/app\", \"probe\", \"@/targets\"]\n" +
			fmt.Sprintf("RUN [\"/app\", \"spoof\", \"%s\"]\n", strings.Join(spoof, `", "`)) + "EXPOSE 5000\nCMD [\"/app\"]\n",
	}))
	return push(t, dir, app)
}

// push creates an app and returns what a push to it showed.
func push(t *testing.T, dir, app string) string {
	t.Helper()
	user := stage.root
	if _, err := user.Deis(t.Context(), dir, "create", app, "--no-remote"); err != nil {
		t.Fatal(err)
	}
	destroyAtEnd(t, app)
	out, err := user.Command(t.Context(), dir, "git", "push", user.Remote(app), "master")
	must(t, err)
	return out
}

func deployWorker(t *testing.T, dir, app string) {
	t.Helper()
	user := stage.root
	must(t, user.AppRepository(t.Context(), dir, stage.app))
	must(t, user.Commit(t.Context(), dir, map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\nCMD [\"/app\", \"worker\"]\n"}))
	push(t, dir, app)
}

func destroyAtEnd(t *testing.T, app string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := stage.root.Deis(ctx, ".", "destroy", "-a", app, "--confirm="+app); err != nil {
			t.Error(err)
		}
	})
}

// running is the id of the app's container.
func running(t *testing.T, app string) string {
	t.Helper()
	var id string
	must(t, eventually("a container of "+app, func() (bool, error) {
		var err error
		id, err = platform.Docker(t.Context(), "ps", "-q", "--no-trunc", "--filter", "label=deis.platform="+stage.Name, "--filter", "label=deis.app="+app)
		return id != "" && !strings.Contains(id, "\n"), err
	}))
	return id
}

// address is a container's on the one network that it has.
func address(t *testing.T, id string) string {
	t.Helper()
	ip, err := platform.Docker(t.Context(), "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id)
	must(t, err)
	return ip
}
