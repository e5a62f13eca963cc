//go:build integration

package scripts

import (
	"context"
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
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certificate FILE HOST... makes a self-signed certificate, FILE.crt, and its
// key, FILE.key. The first host is its common name.
func certificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: certificate file host...")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	ts.Check(err)
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: args[1]}, DNSNames: args[1:],
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
}

// https FILE HOST STATUS [REGEXP] waits until the router answers for the root
// of a host so, under the certificate FILE.crt; with ! FILE HOST until it no
// longer shows that certificate for the host.
func https(ts *testscript.TestScript, neg bool, args []string) {
	if neg && len(args) != 2 || !neg && len(args) < 3 {
		ts.Fatalf("usage: https file host status [regexp], ! https file host")
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(ts.ReadFile(args[0] + ".crt"))) {
		ts.Fatalf("%s.crt is no certificate", args[0])
	}
	if neg {
		ts.Check(eventually("another certificate, or none", func() (bool, error) {
			_, _, err := getTLS(args[1], trusted)
			return err != nil, nil
		}))
		return
	}
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	pattern := regexp.MustCompile(strings.Join(args[3:], " "))
	ts.Check(eventually("https://"+args[1], func() (bool, error) {
		status, body, err := getTLS(args[1], trusted)
		if err == nil && (status != want || !pattern.MatchString(body)) {
			err = fmt.Errorf("status %d: %s", status, body)
		}
		return err == nil, err
	}))
}

// getTLS asks the router for the root of a host over TLS, trusting these
// certificates only.
func getTLS(host string, trusted *x509.CertPool) (status int, body string, err error) {
	router := net.JoinHostPort("127.0.0.1", stage.Env["HTTPS_PORT"])
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	client := &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: trusted},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", router)
			},
		},
	}
	resp, err := client.Get("https://" + host + "/")
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(b), err
}
