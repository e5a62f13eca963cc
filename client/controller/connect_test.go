package controller

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// listen answers each connection by a function.
func listen(t *testing.T, handle func(net.Conn)) string {
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
				handle(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

// request reads one, as far as its empty line.
func request(conn net.Conn) {
	buf := make([]byte, 4096)
	for text := ""; !strings.Contains(text, "\r\n\r\n"); {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		text += string(buf[:n])
	}
}

// TestConnections: what is said of a controller that gives no answer, or not
// all of one.
func TestConnections(t *testing.T) {
	answers := func(text string) string {
		return listen(t, func(conn net.Conn) {
			request(conn)
			_, _ = io.WriteString(conn, text)
		})
	}
	refuses := httptest.NewServer(nil)
	refuses.Close()
	silent := make(chan struct{})
	defer close(silent)
	for name, c := range map[string]struct{ url, want string }{
		"refuses":            {refuses.URL, "URL cannot be reached: connection refused"},
		"goes away":          {"http://" + answers(""), "the connection to URL was cut: EOF"},
		"cut in the headers": {"http://" + answers("HTTP/1.1 200 OK\r\nContent-Type: x\r\n"), "the connection to URL was cut: net/http: HTTP/1.x transport connection broken: unexpected EOF"},
		"cut in the body":    {"http://" + answers("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\":"), "the connection to URL was cut: unexpected EOF"},
		"cut in a chunk":     {"http://" + answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n{\"id\":"), "the connection to URL was cut: unexpected EOF"},
		"cut in an error":    {"http://" + answers("HTTP/1.1 500 x\r\nContent-Length: 99\r\n\r\n{\"detail\":"), "the connection to URL was cut: unexpected EOF"},
		"is an SSH server":   {"http://" + answers("SSH-2.0-OpenSSH_9.2\r\n"), `URL cannot be reached: net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
		"speaks HTTP, no HTTPS": {"https://" + listen(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}), "URL speaks HTTP, not HTTPS"},
		"never shakes hands": {"https://" + listen(t, func(net.Conn) { <-silent }), "URL cannot be reached: it does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := client(t, Options{URL: c.url})
			if strings.HasPrefix(name, "never") {
				cl.http.Transport.(*http.Transport).TLSHandshakeTimeout = 50 * time.Millisecond
			}
			_, err := cl.App(t.Context(), "demo")
			var unreached *ConnectError
			if got := strings.ReplaceAll(fmt.Sprint(err), c.url, "URL"); !errors.As(err, &unreached) || got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestCauses: causes that a test cannot bring about without a network.
func TestCauses(t *testing.T) {
	call := func(err error) error { return &url.Error{Op: "Get", URL: "http://x/v1/", Err: err} }
	for want, err := range map[string]error{
		"http://x cannot be reached: no such host: x":                                                     &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}},
		"http://x cannot be reached: lookup x: server misbehaving":                                        &net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true},
		"http://x cannot be reached: it does not answer":                                                  &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded},
		"the connection to http://x was cut: read tcp: connection timed out":                              &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection timed out")},
		"http://x cannot be reached: dial tcp: no route to host":                                          &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")},
		"the proxy on the way to http://x cannot be reached: no such host: p":                             &net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "p", IsNotFound: true}},
		"the certificate of http://x is not valid: x509: certificate specifies an incompatible key usage": x509.CertificateInvalidError{Reason: x509.IncompatibleUsage},
	} {
		if got := (&ConnectError{URL: "http://x", Err: call(err)}).Error(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// certificate is a server's, that signs itself.
func certificate(t *testing.T, from, to time.Time, hosts ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: to, DNSNames: hosts, IsCA: true, BasicConstraintsValid: true}
	if len(hosts) == 0 {
		about.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestCertificates(t *testing.T) {
	now := time.Now()
	past := time.Date(2001, 2, 3, 4, 5, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		cert    tls.Certificate
		trusted bool
		want    string
	}{
		"unknown":    {certificate(t, now.Add(-time.Hour), now.Add(time.Hour)), false, "the certificate of URL is not to be trusted: x509: certificate signed by unknown authority"},
		"expired":    {certificate(t, past, past.Add(time.Hour)), true, "the certificate of URL has expired or is not valid yet: it is good from 2001-02-03 04:05 UTC to 2001-02-03 05:05 UTC"},
		"other host": {certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "deis.example.com"), true, "the certificate of URL is another host's: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"},
		"good":       {certificate(t, now.Add(-time.Hour), now.Add(time.Hour)), true, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, anything) }))
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{c.cert}}
			srv.StartTLS()
			defer srv.Close()
			roots := x509.NewCertPool()
			if c.trusted {
				roots.AddCert(c.cert.Leaf)
			}
			_, err := client(t, Options{URL: srv.URL, RootCAs: roots}).App(t.Context(), "demo")
			if got := strings.ReplaceAll(fmt.Sprint(err), srv.URL, "URL"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestLongDeploy: nothing but its context ends a request that is at work.
func TestLongDeploy(t *testing.T) {
	transport := client(t, Options{URL: "http://x"}).http.Transport.(*http.Transport)
	if transport.ResponseHeaderTimeout != 0 || client(t, Options{URL: "http://x"}).http.Timeout != 0 {
		t.Error("a deploy that takes long would be given up")
	}
	if transport.IdleConnTimeout <= 0 || transport.TLSHandshakeTimeout <= 0 || dialer.Timeout <= 0 || dialer.KeepAlive <= 0 {
		t.Error("a controller that is gone would be waited for without end")
	}
}
