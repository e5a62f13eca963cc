//go:build integration

package router_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/deis/deis/internal/keys"
)

var local = map[string]string{keys.PlatformDomain: "localhost"}

func TestStatuses(t *testing.T) {
	p := start(t, local)
	p.expect("nobody.localhost", http.StatusNotFound)
	p.expect("deis.localhost", http.StatusServiceUnavailable)
	p.expect("deis-store.localhost", http.StatusNotFound)
	p.expect("localhost", http.StatusNotFound)

	p.app("demo")
	p.expect("demo.localhost", http.StatusServiceUnavailable)
	one, stop := backend(t, "one")
	p.app("demo", one)
	if a := p.expect("demo.localhost", http.StatusOK); a.seen.Name != "one" {
		t.Error(a.body)
	}
	p.expect("DEMO.localhost", http.StatusOK)
	p.expect("demo.anything.at.all", http.StatusOK) // any suffix, as in v1
	p.expect("demo", http.StatusNotFound)
	p.expect("x.demo.localhost", http.StatusNotFound)

	two, _ := backend(t, "two")
	p.app("demo-two", two) // one is not a prefix of the other
	if a := p.expect("demo-two.localhost", http.StatusOK); a.seen.Name != "two" {
		t.Error(a.body)
	}
	stop()
	p.expect("demo.localhost", http.StatusBadGateway)
	if a := p.do("POST", "demo.localhost", "/", strings.NewReader("x")); a.status != http.StatusBadGateway {
		t.Error(a.status)
	}
	p.set(keys.App("demo"), "")
	p.expect("demo.localhost", http.StatusNotFound)
	if p.reloads() != 0 {
		t.Error("apps and endpoints took reloads:", p.reloads())
	}
}

func TestAppsWithNamesOfOurs(t *testing.T) {
	p := start(t, local)
	for _, name := range []string{"deis-controller", "deis-app", "conf", "api", "seq", "epoch"} {
		addr, _ := backend(t, name)
		p.app(name, addr)
		if a := p.expect(name+".localhost", http.StatusOK); a.seen.Name != name {
			t.Error(name, a.body)
		}
	}
}

func TestRoundRobinAndFailover(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	two, _ := backend(t, "two")
	three, stop := backend(t, "three")
	p.app("demo", one, two, three)
	names := map[string]int{}
	for range 60 {
		names[p.expect("demo.localhost", http.StatusOK).seen.Name]++
	}
	// Each worker takes its own turns.
	for _, name := range []string{"one", "two", "three"} {
		if names[name] < 15 || names[name] > 25 {
			t.Error(names)
		}
	}
	stop()
	for i := range 40 {
		method := []string{"GET", "POST"}[i%2]
		if a := p.do(method, "demo.localhost", "/", strings.NewReader("body")); a.status != http.StatusOK || a.seen.Body != 4 {
			t.Errorf("%s with one endpoint down: %d %s", method, a.status, a.body)
		}
	}
}

func TestAnswersOfTheAppPass(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	for _, code := range []int{201, 301, 404, 500, 502, 503, 504} {
		a := p.do("GET", "demo.localhost", fmt.Sprintf("/a%%2Fb/../c?status=%d", code), nil)
		if a.status != code || a.seen.Path != fmt.Sprintf("/a%%2Fb/../c?status=%d", code) {
			t.Errorf("%d: %d %+v", code, a.status, a.seen)
		}
	}
}

func TestHeaders(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	p.put(keys.Host("controller"), strings.Split(one, ":")[0])
	p.set(keys.Port("controller"), strings.Split(one, ":")[1])

	a := p.do("GET", "demo.localhost:8080", "/", nil, "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Port", "1", "X-Forwarded-Ssl", "x", "Connection", "close", "Accept-Encoding", "identity")
	want := map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80", "X-Forwarded-Ssl": "off",
		"Connection": "", "Upgrade": "",
	}
	for name, v := range want {
		if got := strings.Join(a.seen.Header.Values(name), "|"); got != v {
			t.Errorf("%s: %q, not %q", name, got, v)
		}
	}
	if a.seen.Host != "demo.localhost" || a.seen.Proto != "HTTP/1.1" || a.seen.Close {
		t.Errorf("%+v", a.seen)
	}
	if a := p.do("POST", "demo.localhost", "/", nil); !a.seen.Close {
		t.Error("a POST went on a connection that is kept open")
	}
	for claim, scheme := range map[string]string{"https": "https", "http, https": "https", "https,http": "http", "HTTPS": "http", "ftp": "http", "https,  http": "http"} {
		a := p.do("GET", "demo.localhost", "/", nil, "X-Forwarded-Proto", claim)
		if a.seen.Header.Get("X-Forwarded-Proto") != scheme {
			t.Errorf("%q: %v", claim, a.seen.Header)
		}
		if port, ssl := a.seen.Header.Get("X-Forwarded-Port"), a.seen.Header.Get("X-Forwarded-Ssl"); (scheme == "https") != (port == "443" && ssl == "on") {
			t.Error(claim, port, ssl)
		}
	}
	api := p.do("GET", "deis.localhost", "/v1/", nil, "X-Forwarded-Proto", "https", "X-Forwarded-For", "6.6.6.6")
	if h := api.seen.Header; h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-Port") != "" || api.seen.Host != "deis.localhost" {
		t.Errorf("API: %+v", api.seen)
	}
	// Another subdomain of the API.
	p.set(keys.Subdomain, "paas")
	p.expect("paas.localhost", http.StatusOK)
	p.expect("deis.localhost", http.StatusNotFound)
}

func TestDomains(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	two, _ := backend(t, "two")
	p.app("one", one)
	p.app("two", two)
	p.expect("www.example.com", http.StatusNotFound)
	long := strings.Repeat(strings.Repeat("a", 60)+".", 4) + "example.com"
	for _, d := range []string{"www.example.com", "deis.example.com", "two.example.com", long} {
		p.set(keys.Domain(d), "one")
		if a := p.expect(d, http.StatusOK); a.seen.Name != "one" {
			t.Error(d, a.body)
		}
	}
	// The platform's own names are not for the taking.
	for _, d := range []string{"deis.localhost", "two.localhost", "localhost", "new.localhost"} {
		p.set(keys.Domain(d), "one")
		if a := p.get(d); a.seen.Name == "one" {
			t.Error("taken over:", d)
		}
	}
	p.set(keys.Domain("one.localhost"), "one")
	p.expect("one.localhost", http.StatusOK)
	p.set(keys.Domain("www.example.com"), "")
	p.expect("www.example.com", http.StatusNotFound)
	if p.reloads() != 0 {
		t.Error("domains took reloads:", p.reloads())
	}
}

func TestHealthCheck(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	for _, at := range []string{p.http, p.health} {
		resp, err := http.Get("http://" + at + "/health-check")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || resp.ContentLength != 0 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Error(at, resp.StatusCode, resp.ContentLength, resp.Header)
		}
	}
	if a := p.do("GET", "demo.localhost", "/health-check", nil); a.seen.Name != "one" {
		t.Error("an app's own path was taken:", a.body)
	}
	if status("http://"+p.health+"/") != http.StatusNotFound {
		t.Error("the health port serves more than that")
	}
}

// upgrading echoes lines after an upgrade.
func upgrading(t *testing.T) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
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
				if err != nil || req.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(req.Header.Get("Connection"), "upgrade") {
					fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
					return
				}
				fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					fmt.Fprint(conn, line)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func TestWebSocket(t *testing.T) {
	p := start(t, local)
	address := upgrading(t)
	p.app("demo", address)
	host, port, _ := strings.Cut(address, ":")
	p.put(keys.Host("controller"), host)
	p.set(keys.Port("controller"), port)
	var echoes []func(text string)
	for _, name := range []string{"demo.localhost", "deis.localhost"} {
		conn, err := net.Dial("tcp", p.http)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", name)
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(name, resp, err)
		}
		echoes = append(echoes, func(text string) {
			t.Helper()
			fmt.Fprintln(conn, text)
			if line, err := r.ReadString('\n'); err != nil || line != text+"\n" {
				t.Fatalf("%s: %q %v", name, line, err)
			}
		})
	}
	echo := func(text string) {
		t.Helper()
		for _, e := range echoes {
			e(text)
		}
	}
	echo("first")
	for i := range 20 {
		p.set(keys.Service("demo", job("demo", 2+i)), fmt.Sprintf("127.0.0.1:%d", 1+i))
		echo("change")
	}
	p.set(keys.Router+"bodySize", "2m")
	if p.reloads() != 1 {
		t.Error(p.reloads())
	}
	echo("after a reload")
}

// TestStream: an answer of the API that goes on comes as it is written, also
// compressed.
func TestStream(t *testing.T) {
	p := start(t, local)
	lines := make(chan string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for line := range lines {
			fmt.Fprintln(w, line)
			if http.NewResponseController(w).Flush() != nil || line == "end" {
				return
			}
		}
	}))
	defer srv.Close()
	host, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	p.put(keys.Host("controller"), host)
	p.set(keys.Port("controller"), port)
	for _, plain := range []bool{true, false} {
		req, err := http.NewRequest("GET", "http://"+p.http+"/v1/apps/demo/logs?follow=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "deis.localhost"
		transport := &http.Transport{DisableCompression: plain}
		defer transport.CloseIdleConnections()
		go func() { lines <- "first " + strings.Repeat("x", 1000) }()
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		expect := func(want string) {
			t.Helper()
			if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
				t.Fatalf("%.20q %v, want %q (compressed: %v)", line, err, want, resp.Uncompressed)
			}
		}
		expect("first")
		for _, line := range []string{"second", "third", "", "fourth", "end"} {
			lines <- line
			expect(line + "\n")
		}
	}
}
