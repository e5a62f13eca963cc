//go:build integration

package router_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/porttest"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/version"
)

// binary is the router of this tree, run in the image with its nginx.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "router")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "router")
		cmd := exec.Command("go", "build", "-o", binary, "github.com/deis/deis/cmd/router")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the router: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// platform is a router in its container, with an etcd.
type platform struct {
	t                        *testing.T
	etcd                     *etcdtest.Server
	kv                       *etcd.KV
	name                     string // of the container
	http, https, ssh, health string // addresses
	ready                    string // URL of /readyz
}

// start runs a router with what is put into etcd before, and env beside the
// usual settings.
func start(t *testing.T, before map[string]string, env ...string) *platform {
	t.Helper()
	p := &platform{t: t, etcd: etcdtest.Start(t)}
	p.kv = p.etcd.Dial()
	for key, v := range before {
		p.put(key, v)
	}
	id := make([]byte, 4)
	_, _ = rand.Read(id) // never fails
	p.name = "deis-test-" + hex.EncodeToString(id)
	free, err := porttest.Free(5)
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, port := range free {
		ports = append(ports, strconv.Itoa(port))
	}
	p.http, p.https, p.ssh, p.health = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2], "127.0.0.1:"+ports[3]
	p.ready = "http://127.0.0.1:" + ports[4] + "/readyz"
	args := []string{"run", "--detach", "--name", p.name, "--label", "deis.platform=" + p.name, "--network", "host",
		"--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--restart", "always",
		"--volume", binary + ":/bin/router:ro"}
	for _, c := range []string{"NET_BIND_SERVICE", "SETUID", "SETGID", "CHOWN", "KILL"} {
		args = append(args, "--cap-add", c)
	}
	for _, e := range append([]string{"ETCD=" + p.etcd.Endpoints[0], "HOST=127.0.0.1", "EXTERNAL_PORT=" + ports[0], "HTTP_PORT=" + ports[0],
		"HTTPS_PORT=" + ports[1], "SSH_PORT=" + ports[2], "HEALTH_PORT=" + ports[3], "HEALTH_LISTEN=127.0.0.1:" + ports[4]}, env...) {
		args = append(args, "--env", e)
	}
	p.docker(append(args, "deis/router:"+version.Platform)...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("docker", "logs", "--tail", "60", p.name).CombinedOutput()
			t.Logf("router:\n%s", out)
		}
		_ = exec.Command("docker", "rm", "--force", "--volumes", p.name).Run()
	})
	p.eventually("the router is ready", func() bool { return status(p.ready) == http.StatusOK })
	return p
}

func (p *platform) docker(args ...string) string {
	p.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("docker %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *platform) eventually(what string, cond func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	if retry.Until(ctx, 10*time.Millisecond, func(context.Context) (bool, error) { return cond(), nil }) != nil {
		p.t.Fatalf("never: %s", what)
	}
}

// put writes a key; an empty value deletes it.
func (p *platform) put(key, v string) (revision int64) {
	p.t.Helper()
	var err error
	if v == "" {
		revision, _, err = p.kv.Delete(p.t.Context(), key)
	} else {
		revision, err = p.kv.Put(p.t.Context(), key, v)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return revision
}

// set is put, and waits until the router serves it.
func (p *platform) set(key, v string) {
	p.t.Helper()
	p.served(p.put(key, v))
}

// served waits until the router says that it serves a revision.
func (p *platform) served(revision int64) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("revision %d is served", revision), func() bool { return p.applied() >= revision })
}

func (p *platform) applied() int64 {
	e, _, err := p.kv.Get(p.t.Context(), keys.RouterApplied("127.0.0.1"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(e.Value, 10, 64) // 0 while there is none
	return n
}

// app makes an app with endpoints.
func (p *platform) app(name string, endpoints ...string) {
	p.t.Helper()
	for i, addr := range endpoints {
		p.put(keys.Service(name, job(name, i+1)), addr)
	}
	p.set(keys.App(name), name)
}

func job(app string, n int) string { return fmt.Sprintf("%s_v1.web.%d", app, n) }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	seen   seen // if a backend answered
}

// seen is what a backend saw of a request.
type seen struct {
	Name, Method, Path, Proto string
	Header                    http.Header
	Host                      string
	Close                     bool
	Body                      int
}

// do sends a request to the router, on a connection of its own.
func (p *platform) do(method, host, path string, body io.Reader, headers ...string) answer {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.http+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		p.t.Fatalf("%s %s%s: %v", method, host, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(b)}
	_ = json.Unmarshal(b, &a.seen) // if it is none, seen stays empty
	return a
}

func (p *platform) get(host string) answer {
	p.t.Helper()
	return p.do(http.MethodGet, host, "/", nil)
}

// expect fails unless host answers with a status.
func (p *platform) expect(host string, want int) answer {
	p.t.Helper()
	a := p.get(host)
	if a.status != want {
		p.t.Errorf("GET %s: %d, not %d", host, a.status, want)
	}
	return a
}

// backend answers with what it saw, until the test ends.
func backend(t *testing.T, name string) (addr string, stop func()) {
	t.Helper()
	addr, stop, _ = countingBackend(t, name)
	return addr, stop
}

// countingBackend is a backend that says how many requests it is at.
func countingBackend(t *testing.T, name string) (addr string, stop func(), busy *atomic.Int64) {
	t.Helper()
	busy = new(atomic.Int64)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		defer busy.Add(-1)
		if wait, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil {
			<-time.After(wait)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s := seen{Name: name, Method: r.Method, Path: r.RequestURI, Proto: r.Proto, Header: r.Header, Host: r.Host, Close: r.Close, Body: len(b)}
		w.Header().Set("Content-Type", "application/json")
		if code, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
			w.WriteHeader(code)
		}
		out, _ := json.Marshal(s) // strings and numbers
		_, _ = io.Copy(w, bytes.NewReader(out))
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with ErrServerClosed
	}()
	stop = func() {
		_ = srv.Close()
		<-done
	}
	t.Cleanup(stop)
	return ln.Addr().String(), stop, busy
}

func status(url string) int {
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// metric reads one of the router's numbers.
func (p *platform) metric(name string) float64 {
	p.t.Helper()
	resp, err := http.Get(strings.Replace(p.ready, "/readyz", "/metrics", 1))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// nginx gives the master's pid on this host.
func (p *platform) nginx() int {
	p.t.Helper()
	for _, line := range strings.Split(p.docker("top", p.name, "-eo", "pid,args"), "\n") {
		if f := strings.Fields(line); strings.Contains(line, "nginx: master") {
			pid, err := strconv.Atoi(f[0])
			if err != nil {
				p.t.Fatal(err)
			}
			return pid
		}
	}
	p.t.Fatal("no nginx")
	return 0
}

// reloads counts the reloads that went well.
func (p *platform) reloads() float64 { return p.metric(`deis_router_reloads_total{outcome="ok"}`) }
