//go:build integration

package router_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/keys"
)

// certificate makes one for a name.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder}))
}

// handshake gives the name and serial number of what port 443 shows for a name.
func (p *platform) handshake(name string) (cn string, serial string, err error) {
	conn, err := tls.Dial("tcp", p.https, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	leaf := conn.ConnectionState().PeerCertificates[0]
	return leaf.Subject.CommonName, leaf.SerialNumber.String(), nil
}

func TestTLS(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	if _, err := net.Dial("tcp", p.https); err == nil {
		t.Error("443 is open without a certificate")
	}
	p.set(keys.Domain("www.example.com"), "demo")
	cert, key := certificate(t, "www.example.com")
	p.set(keys.CertCert("www.example.com"), cert) // without its key: nothing yet
	p.set(keys.CertKey("www.example.com"), key)
	cn, first, err := p.handshake("www.example.com")
	if err != nil || cn != "www.example.com" {
		t.Fatal(cn, err)
	}
	if cn, _, err := p.handshake("demo.localhost"); err == nil {
		t.Error("unknown name got the certificate of", cn)
	}
	// The same name again, in two steps: at no moment a pair that does not fit.
	cert, key = certificate(t, "www.example.com")
	p.set(keys.CertCert("www.example.com"), cert)
	if _, serial, err := p.handshake("www.example.com"); err != nil || serial != first {
		t.Error("between cert and key:", serial, err)
	}
	p.set(keys.CertKey("www.example.com"), key)
	if _, serial, err := p.handshake("www.example.com"); err != nil || serial == first {
		t.Error("not renewed", err)
	}
	// One that is broken concerns its domain only.
	p.set(keys.Domain("bad.example.com"), "demo")
	p.set(keys.CertCert("bad.example.com"), "garbage")
	p.set(keys.CertKey("bad.example.com"), "garbage")
	if _, _, err := p.handshake("www.example.com"); err != nil {
		t.Error(err)
	}
	// The platform's own, for every name that leads somewhere.
	cert, key = certificate(t, "*.localhost")
	p.put(keys.Router+"sslCert", cert)
	p.set(keys.Router+"sslKey", key)
	for name, want := range map[string]string{"demo.localhost": "*.localhost", "deis.localhost": "*.localhost", "www.example.com": "www.example.com", "bad.example.com": "*.localhost"} {
		if cn, _, err := p.handshake(name); err != nil || cn != want {
			t.Error(name, cn, err)
		}
	}
	for _, name := range []string{"nobody.localhost", "else.example.com", ""} {
		if cn, _, err := p.handshake(name); err == nil {
			t.Errorf("%q got the certificate of %s", name, cn)
		}
	}
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "www.example.com"}}}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+p.https+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "www.example.com"
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 || !bytes.Contains(body, []byte(`"X-Forwarded-Ssl":["on"]`)) {
		t.Error(resp.Proto, resp.Status, string(body))
	}
}

func TestHTTPSOnly(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	p.set(keys.Router+"hsts/enabled", "true")
	a := p.do("GET", "demo.localhost", "/a?b=c", nil)
	if a.status != http.StatusMovedPermanently || a.header.Get("Location") != "https://demo.localhost/a?b=c" || a.header.Get("Strict-Transport-Security") != "" {
		t.Error(a)
	}
	a = p.do("GET", "demo.localhost", "/?status=500", nil, "X-Forwarded-Proto", "https")
	if a.status != 500 || a.header.Get("Strict-Transport-Security") != "max-age=10886400" {
		t.Error(a)
	}
	p.set(keys.Router+"hsts/includeSubDomains", "true")
	p.set(keys.Router+"enforceHTTPS", "false")
	a = p.do("GET", "deis.localhost", "/", nil, "X-Forwarded-Proto", "https")
	if a.status != 503 || a.header.Get("Strict-Transport-Security") != "max-age=10886400; includeSubDomains" {
		t.Error(a)
	}
	p.expect("demo.localhost", 200)
	if a := p.expect("nobody.localhost", 404); a.header.Get("Strict-Transport-Security") != "" {
		t.Error(a.header)
	}
}

func TestWhitelists(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	two, _ := backend(t, "two")
	p.app("demo", one)
	p.app("other", two)
	list := keys.Config("demo", "deis_whitelist")
	for text, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.0/8:office,10.0.0.1:home": 200, "10.0.0.0/8": 403, "::1": 403, "[::1]/128:six, 127.0.0.1": 403,
		"[::1]:six, 127.0.0.1": 200, "127.0.0.1/33": 403, "127.0.0.0/31": 200, "126.0.0.0/31": 403,
		"127.0.0.1, nonsense": 403, "allow all; location /x { return 200; }": 403, `127.0.0.1"; } server { listen 81; } #`: 403,
		"127.0.0.1\n127.0.0.2": 403, ",": 403, "${HOME}": 403, "0.0.0.0/0": 200,
	} {
		p.set(list, text)
		if a := p.get("demo.localhost"); a.status != want {
			t.Errorf("%q: %d, not %d", text, a.status, want)
		}
		p.expect("other.localhost", 200)
	}
	p.set(list, "")
	p.expect("demo.localhost", 200)

	p.set(keys.Router+"enforceWhitelist", "true")
	p.expect("demo.localhost", 403)
	p.expect("deis.localhost", 403)
	p.set(list, "127.0.0.1")
	p.expect("demo.localhost", 200)
	p.expect("deis.localhost", 403)
	p.set(keys.Router+"controller/whitelist", "127.0.0.1:me")
	p.expect("deis.localhost", 503)
	p.set(keys.Router+"enforceWhitelist", "false")
	p.set(keys.Router+"controller/whitelist", "10.0.0.1")
	p.expect("deis.localhost", 403)
	p.expect("other.localhost", 200)
	if p.reloads() != 0 {
		t.Error("whitelists took reloads")
	}
}

func TestBadSettingsChangeNothing(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	p.set(keys.Router+"bodySize", "3m")
	big := func() int { return p.do("POST", "demo.localhost", "/", bytes.NewReader(make([]byte, 2<<20))).status }
	if got := big(); got != 200 {
		t.Fatal(got)
	}
	before := p.reloads()
	for _, key := range []string{"bodySize", "defaultTimeout", "workerProcesses", "maxWorkerConnections", "errorLogLevel", "serverTokens", "proxyRealIpCidr",
		"gzip", "gzipCompLevel", "gzipDisable", "gzipTypes", "gzipProxied", "gzipVary", "gzipMinLength", "gzipHttpVersion", "controller/timeout/connect",
		"builder/timeout/tcp", "sslCiphers", "sslProtocols", "sslSessionCache", "sslBufferSize", "sslCert", "sslDhparam", "controller/timeout/read"} {
		p.set(keys.Router+key, "1m; } server { listen 81; } #")
	}
	p.put(keys.Subdomain, "a b")
	p.put(keys.Host("builder"), "no such host; }")
	p.set(keys.Port("builder"), "22")
	if got := big(); got != 200 || p.reloads() != before {
		t.Error(got, p.reloads(), before)
	}
	p.expect("demo.localhost", 200)
	p.expect("deis.localhost", 503)
	if n := p.metric("deis_router_invalid_values"); n < 20 {
		t.Error(n, "invalid values")
	}
	// What only nginx can judge holds up nothing else.
	cert, key := certificate(t, "*.localhost")
	p.put(keys.Router+"sslCert", cert)
	p.put(keys.Router+"sslKey", key)
	p.put(keys.Router+"sslCiphers", "NO-SUCH-CIPHER")
	p.set(keys.Router+"bodySize", "1k")
	if got := big(); got != http.StatusRequestEntityTooLarge {
		t.Error(got)
	}
	if cn, _, err := p.handshake("demo.localhost"); err != nil || cn != "*.localhost" {
		t.Error(cn, err)
	}
}

func TestReloadsAreFew(t *testing.T) {
	p := start(t, local)
	var last int64
	began := time.Now()
	for i := range 100 {
		last = p.put(keys.Router+"gzipMinLength", fmt.Sprint(300+i))
	}
	took := time.Since(began)
	p.served(last)
	if n := p.reloads(); n < 1 || n > 3+took.Seconds() {
		t.Error(n, "reloads for 100 changes within", took)
	}
}

func TestBodySizeAndStore(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	size := func(host string, n int) int { return p.do("PUT", host, "/", bytes.NewReader(make([]byte, n))).status }
	if got := size("demo.localhost", 1<<20); got != 200 {
		t.Error("1 MiB:", got)
	}
	if got := size("demo.localhost", 1<<20+1); got != http.StatusRequestEntityTooLarge {
		t.Error("1 MiB and a byte:", got)
	}
	p.set(keys.StoreGateway+"host", "127.0.0.1")
	p.expect("deis-store.localhost", 503)
	_, port, _ := net.SplitHostPort(one)
	p.set(keys.StoreGateway+"port", port)
	if got := size("deis-store.localhost", 8<<20); got != 200 {
		t.Error("store:", got)
	}
	two, _ := backend(t, "two")
	p.app("two", two)
	p.set(keys.Domain("deis-store.example.com"), "two")
	if a := p.expect("deis-store.example.com", 200); a.seen.Name != "two" {
		t.Error(a.body)
	}
}

func TestClientAddress(t *testing.T) {
	p := start(t, map[string]string{keys.PlatformDomain: "localhost", keys.Router + "proxyRealIpCidr": "127.0.0.0/8"})
	one, _ := backend(t, "one")
	p.app("demo", one)
	p.set(keys.Config("demo", "deis_whitelist"), "203.0.113.0/24")
	p.expect("demo.localhost", 403)
	if a := p.do("GET", "demo.localhost", "/", nil, "X-Forwarded-For", "203.0.113.7"); a.seen.Header.Get("X-Forwarded-For") != "203.0.113.7" {
		t.Error(a)
	}
	p.set(keys.Router+"proxyProtocol", "1")
	conn, err := net.Dial("tcp", p.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PROXY TCP4 203.0.113.9 127.0.0.1 1000 80\r\nGET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(b), `"X-Forwarded-For":["203.0.113.9"]`) {
		t.Error(string(b), err)
	}
	if status("http://"+p.health+"/health-check") != 200 {
		t.Error("the health port speaks the PROXY protocol")
	}
}

func TestSSH(t *testing.T) {
	echo := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { defer conn.Close(); _, _ = io.Copy(conn, conn) }()
			}
		}()
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		return port
	}
	p := start(t, local)
	if _, err := net.Dial("tcp", p.ssh); err == nil {
		t.Fatal("open without a builder")
	}
	p.put(keys.Host("builder"), "127.0.0.1")
	p.set(keys.Port("builder"), echo())
	conn, err := net.Dial("tcp", p.ssh)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	say := func(text string) {
		t.Helper()
		fmt.Fprintln(conn, text)
		if line, err := r.ReadString('\n'); err != nil || line != text+"\n" {
			t.Fatalf("%q %v", line, err)
		}
	}
	say("SSH-2.0-x")
	p.set(keys.Port("builder"), echo())
	say("still here after the builder moved")
	p.set(keys.Port("builder"), "")
	p.set(keys.Host("builder"), "")
	say("and after it went")
	if _, err := net.Dial("tcp", p.ssh); err == nil {
		t.Error("open without a builder")
	}
}

func TestAccessLog(t *testing.T) {
	p := start(t, local)
	one, _ := backend(t, "one")
	p.app("demo", one)
	p.do("GET", "demo.localhost", "/some?path", nil, "Referer", "http://r.example/", "User-Agent", `agent "x"`)
	p.expect("nobody.localhost", 404)
	full := regexp.MustCompile(`(?m)^\[INFO\] - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] - 127\.0\.0\.1 - - - 200 - "GET /some\?path HTTP/1\.1" - \d+ - "http://r\.example/" - "agent \\x22x\\x22" - "demo" - ` +
		regexp.QuoteMeta(one) + ` - demo\.localhost - 0\.\d{3} - 0\.\d{3}$`)
	empty := regexp.MustCompile(`(?m)^\[INFO\] - \[[^]]+\] - 127\.0\.0\.1 - - - 404 - "GET / HTTP/1\.1" - \d+ - "-" - "Go-http-client/1\.1" - "-" - - - nobody\.localhost - - - 0\.\d{3}$`)
	var out string
	p.eventually("both lines", func() bool {
		out = p.docker("logs", p.name)
		return full.MatchString(out) && empty.MatchString(out)
	})
	if !strings.Contains(out, "deis-router running...") {
		t.Error(out)
	}
}
