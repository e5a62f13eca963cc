//go:build integration

package scripts

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/tests/platform"
)

// startVictim starts a build that goes on until the test is over, and returns
// its address: its RUN step serves.
func startVictim(t *testing.T, app string) string {
	t.Helper()
	user, dir := stage.root, filepath.Join(t.TempDir(), app)
	must(t, user.AppRepository(t.Context(), dir, stage.app))
	must(t, user.Commit(t.Context(), dir, map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\nRUN [\"/app\"]\nCMD [\"/app\"]\n"}))
	if _, err := user.Deis(t.Context(), dir, "create", app, "--no-remote"); err != nil {
		t.Fatal(err)
	}
	destroyAtEnd(t, app)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	pushed := make(chan error, 1)
	go func() {
		out, err := user.Push(ctx, dir, app)
		pushed <- fmt.Errorf("the victim's push ended: %s %w", out, err)
	}()
	ip := ""
	t.Cleanup(func() {
		defer cancel()
		if resp, err := http.Get("http://" + net.JoinHostPort(ip, "5000") + "/exit"); err == nil { // it answers by ending
			_ = resp.Body.Close()
		}
		<-pushed
	})
	must(t, eventually("the victim", func() (bool, error) {
		select {
		case err := <-pushed:
			pushed <- err
			return false, err
		default:
		}
		id, err := platform.Docker(t.Context(), "ps", "-q", "--filter", "label=deis.platform="+stage.Name, "--filter", "label=deis.app="+app)
		if err != nil || id == "" {
			return false, err
		}
		ip = address(t, id)
		return ip != "" && get(ip) == nil, nil
	}))
	return ip
}

// get asks a container of the test app, on a connection of its own.
func get(ip string) error {
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + net.JoinHostPort(ip, "5000") + "/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	return nil
}

// asker uses containers from the host, as the router does, and notes which
// did not answer.
type asker struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	asked  int
	faults []string
}

func newAsker(addresses []string) *asker {
	ctx, cancel := context.WithCancel(context.Background())
	a := &asker{stop: cancel}
	for _, ip := range addresses {
		a.done.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				err := get(ip)
				a.mu.Lock()
				a.asked++
				if err != nil {
					a.faults = append(a.faults, ip+": "+err.Error())
				}
				a.mu.Unlock()
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	return a
}

func (a *asker) end() (asked int, faults []string) {
	a.stop()
	a.done.Wait()
	return a.asked, a.faults
}

// neighbours are the network cards that the host has for addresses.
func neighbours(t *testing.T, addresses []string) map[string]string {
	t.Helper()
	cards := map[string]string{}
	for _, ip := range addresses {
		if f := strings.Fields(command(t, "", "ip", "neigh", "show", ip)); len(f) > 4 {
			cards[ip] = f[2] + " " + f[4] // device and card
		}
	}
	return cards
}

// control looks from a container that nothing holds back, on a network like
// those of the platform but without the filter: the probes find the host, the
// datagrams are counted, and the attack takes the address of the neighbour.
func (m *matrix) control(t *testing.T, image string) {
	t.Helper()
	ctx, name := t.Context(), stage.Name+"-control"
	t.Cleanup(func() {
		for _, args := range [][]string{{"rm", "--force", name}, {"network", "rm", name}} {
			if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
				t.Errorf("docker %v: %v %s", args, err, out)
			}
		}
	})
	if _, err := platform.Docker(ctx, "network", "create", "--label", "deis.platform="+stage.Name, "--opt", "com.docker.network.bridge.enable_icc=false", name); err != nil {
		t.Fatal(err)
	}
	id, err := platform.Docker(ctx, "run", "--detach", "--name", name, "--network", name, "--label", "deis.platform="+stage.Name, image, "/app")
	must(t, err)
	subnet, err := platform.Docker(ctx, "network", "inspect", "--format", "{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}", name)
	must(t, err)
	subnet, gateway, _ := strings.Cut(subnet, " ")
	m.counters.from(t, subnet)
	before := m.counters.read(t)["the host"]
	found := parse(command(t, strings.Join(m.targets, "\n"), "docker", "exec", "-i", id, "/app", "probe", "-"))
	open := 0
	for _, state := range found {
		if state == "open" {
			open++
		}
	}
	counted := m.counters.read(t)["the host"] - before
	if open == 0 || counted < enough {
		t.Errorf("without the filter %d targets are open and %d datagrams were counted", open, counted)
	}
	ip := address(t, id)
	raw := "tcp/" + gateway + ":" + m.hostPort
	ask := newAsker([]string{ip})
	out := command(t, "", "docker", "run", "--rm", "--network", name, "--label", "deis.platform="+stage.Name, image, "/app", "spoof", ip, raw)
	asked, faults := ask.end()
	if !strings.Contains(out, "took "+ip) || !strings.Contains(out, "answered "+raw) {
		t.Errorf("on a bridge with its victim and without the filter, the attack did nothing: %s", out)
	}
	t.Logf("control: without the filter %d of %d targets are open and %d datagrams got to the host; an attack on the same bridge: %s, %d of %d requests lost",
		open, len(m.targets), counted, strings.Join(strings.Fields(out), " "), len(faults), asked)
}
