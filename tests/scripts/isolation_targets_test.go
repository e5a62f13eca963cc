//go:build integration

package scripts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/deis/deis/tests/platform"
)

// namespace is the network of the host or of a container.
type namespace struct {
	name      string
	pid       string // of a process in it; self is the host's
	addresses []string
	sockets   []socket
}

// socket is one that listens; its address may be a wildcard.
type socket struct{ network, address, port string }

// namespaces are the host's and those of every container of every platform.
func namespaces(t *testing.T) []namespace {
	t.Helper()
	spaces := []namespace{{name: "the host", pid: "self"}}
	ids, err := platform.Docker(t.Context(), "ps", "-q", "--filter", "label=deis.platform")
	must(t, err)
	for _, id := range strings.Fields(ids) {
		// a container of others may be gone by now
		out, err := platform.Docker(t.Context(), "inspect", "--format", `{{.State.Pid}} {{.HostConfig.NetworkMode}} {{.Name}} {{index .Config.Labels "deis.platform"}}`, id)
		if f := strings.Fields(out); err == nil && len(f) == 4 && f[0] != "0" && f[1] != "host" {
			spaces = append(spaces, namespace{name: f[2], pid: f[0]})
		}
	}
	var seen []namespace
	for _, s := range spaces {
		if err := s.look(t.Context()); err == nil {
			seen = append(seen, s)
		} else if !s.gone() {
			t.Fatal(err)
		}
	}
	return seen
}

// gone tells whether the container has ended.
func (s *namespace) gone() bool {
	_, err := os.Stat("/proc/" + s.pid)
	return err != nil
}

// enter is the command that runs another inside the namespace.
func (s *namespace) enter() []string {
	if s.pid == "self" {
		return nil
	}
	return []string{"nsenter", "-t", s.pid, "-n"}
}

// look fills in addresses and sockets.
func (s *namespace) look(ctx context.Context) error {
	out, err := output(ctx, "", append(s.enter(), "ip", "-o", "addr", "show", "scope", "global")...)
	if err != nil {
		return err
	}
	s.addresses, s.sockets = nil, nil
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[2], "inet") {
			address, _, _ := strings.Cut(f[3], "/")
			s.addresses = append(s.addresses, address)
		}
	}
	out, err = output(ctx, "", append(s.enter(), "ss", "-lntuH")...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return fmt.Errorf("ss printed %q", line)
		}
		address, port, err := net.SplitHostPort(f[4])
		if i := strings.LastIndexByte(f[4], ':'); err != nil && i >= 0 { // *:80
			address, port = f[4][:i], f[4][i+1:]
		}
		address, _, _ = strings.Cut(address, "%")
		s.sockets = append(s.sockets, socket{f[0], address, port})
	}
	return nil
}

// own is where a socket is found from inside its namespace.
func (s *namespace) own(k socket) string {
	address := k.address
	switch address {
	case "*", "0.0.0.0", "::":
		address = s.addresses[0]
	}
	return k.network + "/" + net.JoinHostPort(address, k.port)
}

// show makes sure that each socket can be reached from where it should be:
// from its own namespace, and unless it is bound to the loopback from the host.
// It returns what others will look for: every port of a socket, at every
// address of the namespace.
func (s *namespace) show(t *testing.T) []string {
	t.Helper()
	if len(s.addresses) == 0 || len(s.sockets) == 0 {
		return nil
	}
	here, fromHost := map[string]socket{}, map[string]socket{}
	for _, k := range s.sockets {
		here[s.own(k)] = k
		if ip := net.ParseIP(k.address); ip == nil || !ip.IsLoopback() {
			fromHost[s.own(k)] = k
		}
	}
	fromInside, err1 := probe(t.Context(), s.enter(), slices.Sorted(maps.Keys(here)))
	results, err2 := probe(t.Context(), nil, slices.Sorted(maps.Keys(fromHost)))
	now := *s
	if err := errors.Join(err1, err2, now.look(t.Context())); err != nil {
		if !s.gone() {
			t.Error(err)
		}
		return nil
	}
	lost := map[socket]string{}
	for target, k := range here {
		if !reached(target, fromInside[target]) {
			lost[k] = fromInside[target] + " from inside"
		}
	}
	for target, k := range fromHost {
		if !reached(target, results[target]) {
			lost[k] = results[target] + " from the host"
		}
	}
	// What others started may have ended meanwhile; what still listens must answer.
	var targets []string
	for _, k := range s.sockets {
		if why, ok := lost[k]; ok {
			if slices.Contains(now.sockets, k) {
				t.Errorf("%s listens at %v and is %s", s.name, k, why)
			}
			continue
		}
		for _, address := range s.addresses {
			targets = append(targets, k.network+"/"+net.JoinHostPort(address, k.port))
		}
	}
	return targets
}

// reached tells whether a probe from where it is allowed got there. A UDP socket
// may have nothing to say; a missing one would refuse.
func reached(target, state string) bool {
	return state == "open" || strings.HasPrefix(target, "udp/") && state == "sent"
}

// openHostPorts makes sure that the host has sockets which a container without
// a filter would reach, and those of an Engine that listens on TCP among them.
// It returns the port of one that is certainly ours.
func openHostPorts(t *testing.T) (port string) {
	t.Helper()
	for _, address := range []string{":2375", ":2376", ":0"} {
		l, err := net.Listen("tcp4", address)
		if err != nil {
			continue // it is taken, so it is a target already
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
	}
	conn, err := net.ListenPacket("udp4", ":0")
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(b[:n], from)
		}
	}()
	return port
}

// enough datagrams are some of ours; a probe sends 50 to each target.
const enough = 25

// counters say how many datagrams came to a namespace. Those of the host are
// of packets from our networks that got past the filter, those of a container
// are all that it received.
type counters struct {
	spaces []namespace
	chain  string
}

// newCounters counts for the host in a chain that does nothing else.
func newCounters(t *testing.T, spaces []namespace) *counters {
	t.Helper()
	c := &counters{chain: "DEIS-TEST-" + stage.Name}
	for _, s := range spaces {
		if s.pid != "self" {
			c.spaces = append(c.spaces, s)
		}
	}
	t.Cleanup(func() {
		for _, args := range [][]string{{"-D", "INPUT", "-p", "udp", "-j", c.chain}, {"-F", c.chain}, {"-X", c.chain}} {
			if out, err := exec.Command("iptables", append([]string{"-w"}, args...)...).CombinedOutput(); err != nil {
				t.Errorf("iptables %v: %v %s", args, err, out)
			}
		}
	})
	command(t, "", "iptables", "-w", "-N", c.chain)
	for _, subnet := range []string{"APPS_SUBNET", "BUILDS_SUBNET", "BUILDS2_SUBNET"} {
		c.from(t, stage.Env[subnet])
	}
	command(t, "", "iptables", "-w", "-I", "INPUT", "-p", "udp", "-j", c.chain)
	return c
}

// from counts what comes to the host from one more subnet.
func (c *counters) from(t *testing.T, subnet string) {
	command(t, "", "iptables", "-w", "-A", c.chain, "-s", subnet)
}

func (c *counters) read(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for line := range strings.Lines(command(t, "", "iptables", "-w", "-nvxL", c.chain)) {
		if f := strings.Fields(line); len(f) > 1 {
			if n, err := strconv.Atoi(f[0]); err == nil {
				counts["the host"] += n
			}
		}
	}
	for _, s := range c.spaces {
		b, err := os.ReadFile("/proc/" + s.pid + "/net/snmp")
		if err != nil {
			continue // of others, and gone
		}
		counts[s.name] = received(string(b))
	}
	return counts
}

// received adds up what a namespace got by UDP, for sockets or for nobody.
func received(snmp string) int {
	var names []string
	total := 0
	for line := range strings.Lines(snmp) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] != "Udp:":
		case names == nil:
			names = f
		default:
			for i, name := range names {
				if name == "InDatagrams" || name == "NoPorts" || name == "InErrors" {
					n, _ := strconv.Atoi(f[i])
					total += n
				}
			}
		}
	}
	return total
}
