//go:build integration

package router_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// publisher stands for the publisher of a host.
type publisher struct {
	p     *platform
	lease *etcd.Lease
}

func (p *platform) publisher(host string) *publisher {
	p.t.Helper()
	lease, err := p.kv.Grant(p.t.Context(), time.Minute)
	if err != nil {
		p.t.Fatal(err)
	}
	pub := &publisher{p, lease}
	pub.put(keys.PublisherHost(host), host)
	return pub
}

func (pub *publisher) put(key, v string) {
	pub.p.t.Helper()
	if err := pub.lease.Put(pub.p.t.Context(), map[string]string{key: v}); err != nil {
		pub.p.t.Fatal(err)
	}
}

// stall answers no request before the test lets it.
func stall(t *testing.T) (addr string, release func()) {
	t.Helper()
	hold := make(chan struct{})
	srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-hold
		fmt.Fprint(w, `{"Name":"stalled"}`)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	release = sync.OnceFunc(func() { close(hold) })
	t.Cleanup(func() { release(); _ = srv.Close() })
	return ln.Addr().String(), release
}

func TestWithdrawnGetNothingMore(t *testing.T) {
	p := start(t, local)
	old, _ := backend(t, "old")
	fresh, _ := backend(t, "new")
	p.put(keys.App("demo"), "demo")
	pub := p.publisher("10.1.1.1")
	pub.put(keys.Service("demo", job("demo", 1)), old)
	p.eventually("routed", func() bool { return p.get("demo.localhost").status == 200 })

	// A client that keeps its connection, so that the router keeps those to the app.
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	ask := func(method string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.http+"/", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "demo.localhost"
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp.Status, err)
		}
		return string(b)
	}
	for range 20 {
		ask("GET")
		ask("POST")
	}
	pub.put(keys.Service("demo", job("demo", 2)), fresh)
	p.served(p.put(keys.Service("demo", job("demo", 1)), "")) // the publisher deletes it
	for range 200 {
		if b := ask("GET"); strings.Contains(b, `"old"`) {
			t.Fatal("a withdrawn endpoint got a GET")
		}
		if b := ask("POST"); strings.Contains(b, `"old"`) {
			t.Fatal("a withdrawn endpoint got a POST")
		}
	}
}

func TestStaleEndpoints(t *testing.T) {
	p := start(t, local)
	lives, _ := backend(t, "lives")
	dies, stop := backend(t, "dies")
	p.put(keys.App("demo"), "demo")
	pub := p.publisher("10.1.1.1")
	pub.put(keys.Service("demo", job("demo", 1)), lives)
	pub.put(keys.Service("demo", job("demo", 2)), dies)
	p.eventually("both routed", func() bool { return p.metric("deis_router_endpoints") == 2 })
	if err := pub.lease.Revoke(t.Context()); err != nil { // as when it ran out
		t.Fatal(err)
	}
	p.eventually("both stale", func() bool { return p.metric("deis_router_stale_endpoints") == 2 })
	for range 10 {
		p.expect("demo.localhost", http.StatusOK)
	}
	stop()
	for range 10 {
		p.expect("demo.localhost", http.StatusOK)
	}
	p.eventually("the dead one dropped", func() bool { return p.metric("deis_router_endpoints") == 1 })
	p.expect("demo.localhost", http.StatusOK)

	// The publisher is back and does not name it.
	p.publisher("10.1.1.1")
	p.eventually("none is stale", func() bool { return p.metric("deis_router_endpoints") == 0 })
	p.eventually("503", func() bool { return p.get("demo.localhost").status == http.StatusServiceUnavailable })
}

func TestEtcdAwayIsNotSeen(t *testing.T) {
	p := start(t, local, "ETCD_TTL=2")
	one, _ := backend(t, "one")
	p.app("demo", one)
	p.expect("demo.localhost", http.StatusOK)
	p.etcd.Stop()
	p.eventually("not ready", func() bool { return status(p.ready) == http.StatusServiceUnavailable })
	for range 20 {
		p.expect("demo.localhost", http.StatusOK)
	}
	p.etcd.Restart()
	p.eventually("ready", func() bool { return status(p.ready) == http.StatusOK })
	two, _ := backend(t, "two")
	p.app("other", two)
	p.expect("other.localhost", http.StatusOK)
	p.expect("demo.localhost", http.StatusOK)
	if starts := p.metric("deis_router_nginx_starts_total"); starts != 1 {
		t.Error("nginx was started", starts, "times")
	}
}

// TestChurn sends requests on fresh and kept connections while every endpoint
// is replaced again and again, each as in a deploy: new one announced, old one
// withdrawn, routers waited for, old one ended at once.
func TestChurn(t *testing.T) {
	p := start(t, local)
	p.put(keys.App("demo"), "demo")
	pub := p.publisher("10.1.1.1")
	type instance struct {
		key  string
		stop func()
		busy *atomic.Int64
	}
	begin := func(n int) instance {
		addr, stop, busy := countingBackend(t, fmt.Sprint(n))
		i := instance{keys.Service("demo", job("demo", n)), stop, busy}
		pub.put(i.key, addr)
		return i
	}
	running := []instance{begin(1), begin(2)}
	p.eventually("routed", func() bool { return p.get("demo.localhost").status == 200 })

	var sent, failed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for c := range 6 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: c%2 == 0}, Timeout: 10 * time.Second}
			for n := 0; ctx.Err() == nil; n++ {
				method, url := "GET", "http://"+p.http+"/"
				if n%2 == 0 {
					method = "POST"
				}
				if n%10 == 0 {
					url += "?wait=300ms"
				}
				req, err := http.NewRequest(method, url, bytes.NewReader(make([]byte, 3000)))
				if err != nil {
					t.Error(err)
					return
				}
				req.Host = "demo.localhost"
				resp, err := client.Do(req)
				sent.Add(1)
				if err != nil {
					failed.Add(1)
					t.Error(method, err)
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					failed.Add(1)
					t.Error(method, resp.Status)
				}
			}
		})
	}
	for n := 3; n < 200 && (n < 40 || sent.Load() < 2000); n++ {
		running = append(running, begin(n))
		old := running[0]
		running = running[1:]
		p.served(p.put(old.key, ""))
		drain(t, 350*time.Millisecond) // the longest answer, on a machine that is not busy
		p.eventually("it has answered all", func() bool { return old.busy.Load() == 0 })
		old.stop()
	}
	cancel()
	clients.Wait()
	if sent.Load() < 2000 || failed.Load() > 0 || p.reloads() != 0 {
		t.Errorf("%d requests, %d failed, %v reloads", sent.Load(), failed.Load(), p.reloads())
	}
}

// TestAppClosesKeptConnections has an app that takes one request on each
// connection and closes it in the face of the second.
func TestAppClosesKeptConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				_, _ = http.ReadRequest(r) // the second
			}()
		}
	}()
	p := start(t, local)
	p.app("demo", ln.Addr().String())
	for i := range 60 {
		method := []string{"GET", "POST", "PUT"}[i%3]
		if a := p.do(method, "demo.localhost", "/", strings.NewReader("x")); a.status != http.StatusOK {
			t.Errorf("%d %s: %d", i, method, a.status)
		}
	}
}

// drain lets requests under way end, as the scheduler does.
func drain(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

func TestKilled(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	master := p.nginx()
	out, err := exec.Command("pgrep", "-P", fmt.Sprint(master)).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(out)) { // workers come back by their master
		var n int
		if _, err := fmt.Sscan(pid, &n); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	p.eventually("workers are back", func() bool { return status("http://"+p.http+"/health-check") == 200 })
	p.expect("demo.localhost", http.StatusOK)
	if p.nginx() != master {
		t.Error("the master was replaced")
	}

	slow, release := stall(t)
	p.app("slow", slow)
	under := make(chan int)
	go func() { under <- p.get("slow.localhost").status }()
	p.eventually("a request is under way", func() bool { return established(t, slow) })
	if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("nginx is back", func() bool { return p.metric("deis_router_nginx_starts_total") == 2 && status(p.ready) == 200 })
	p.expect("demo.localhost", http.StatusOK) // from the file, before any change
	release()
	if got := <-under; got != 200 {
		t.Error("the request under way ended with", got)
	}
	two, _ := backend(t, "two")
	p.app("other", two)
	p.expect("other.localhost", http.StatusOK)
	p.set(keys.Router+"bodySize", "3m")
	p.expect("demo.localhost", http.StatusOK)

	// The router itself: its container comes back.
	pid := p.docker("inspect", "--format", "{{.State.Pid}}", p.name)
	var n int
	if _, err := fmt.Sscan(pid, &n); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("the router is back", func() bool {
		return p.docker("inspect", "--format", "{{.State.Pid}}", p.name) != pid && status(p.ready) == 200
	})
	p.expect("demo.localhost", http.StatusOK)
}

// established says whether anyone is connected to an address.
func established(t *testing.T, addr string) bool {
	t.Helper()
	out, err := exec.Command("ss", "-Htn", "state", "established", "dst", addr).Output()
	if err != nil {
		t.Fatal(err)
	}
	return len(out) > 0
}

func TestStopDrains(t *testing.T) {
	p := start(t, local)
	slow, release := stall(t)
	p.app("slow", slow)
	under := make(chan int)
	go func() { under <- p.get("slow.localhost").status }()
	p.eventually("a request is under way", func() bool { return established(t, slow) })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = exec.Command("docker", "stop", "--time", "20", p.name).Run()
	}()
	p.eventually("the host key is revoked", func() bool {
		_, there, err := p.kv.Get(t.Context(), keys.RouterHost("127.0.0.1"))
		return err == nil && !there
	})
	release()
	if got := <-under; got != 200 {
		t.Error("the request under way ended with", got)
	}
	<-stopped
	if code := p.docker("inspect", "--format", "{{.State.ExitCode}}", p.name); code != "0" {
		t.Error("exit", code)
	}
}
