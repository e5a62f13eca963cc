package controller_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/keys"
)

// selfSigned makes a certificate for hosts, which is valid for a day, and its
// key, in PEM. The first host is its common name.
func selfSigned(t testing.TB, hosts ...string) (cert, key string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

var expiry = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dUTC$`)

// TestCerts follows a certificate from the wire to etcd and out again. No
// answer has what it consists of.
func TestCerts(t *testing.T) {
	s := newStack(t)
	url, _ := s.controller()
	root, bob := s.as(url, "root"), s.as(url, "bob")
	cert, secret := selfSigned(t, "www.x.org", "*.x.org")

	var answers []string
	call := func(c client, method, path string, body any) answer {
		a := s.call(c, method, path, body)
		answers = append(answers, a.body)
		return a
	}
	has := func(cn string, want bool) {
		t.Helper()
		for path, value := range map[string]string{keys.CertCert(cn): cert, keys.CertKey(cn): secret} {
			got, ok, err := s.kv.Get(t.Context(), path)
			s.must(err)
			if ok != want || ok && got.Value != value {
				t.Errorf("%s: %v", path, ok)
			}
		}
	}

	made := call(bob, "POST", "/v1/certs/", map[string]string{"certificate": cert, "key": secret})
	var fields map[string]any
	made.decode(t, &fields)
	if made.line != "201 CREATED" || len(fields) != 6 || fields["common_name"] != "www.x.org" || fields["owner"] != "bob" || !expiry.MatchString(fmt.Sprint(fields["expires"])) {
		t.Error(made.line, made.body)
	}
	has("www.x.org", true)
	if got := call(bob, "GET", "/v1/certs/WWW.x.org", nil); got.line != "200 OK" || got.body != made.body {
		t.Error(got.line, got.body)
	}
	var list struct {
		Count   int
		Results []json.RawMessage
	}
	call(bob, "GET", "/v1/certs", nil).decode(t, &list)
	if list.Count != 1 || len(list.Results) != 1 || string(list.Results[0]) != made.body {
		t.Error(list)
	}

	for _, x := range []struct{ cert, key, cn, want string }{
		{"foo", "bar", "", `{"certificate":["Could not load certificate: [('PEM routines', 'PEM_read_bio', 'no start line')]"],"key":["Could not load private key: there is none in PEM."]}`},
		{cert, secret, "", `{"common_name":["This field must be unique."]}`},
		{cert, secret, "*.x.org", `{"common_name":["Wildcard certificates are not supported"]}`},
		{cert, secret, "x.org", `{"common_name":["The certificate is not valid for x.org."]}`},
		{secret + cert, "-", "b.x.org", `{"key":["Could not load private key: there is none in PEM."]}`},
	} {
		body := map[string]string{"certificate": x.cert, "key": x.key, "common_name": x.cn}
		if got := call(bob, "POST", "/v1/certs", body); got.line != "400 BAD REQUEST" || got.body != x.want {
			t.Errorf("%s %s, want %s", got.line, got.body, x.want)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		for _, path := range []string{"/v1/certs", "/v1/certs/www.x.org"} {
			if got := call(bob, method, path, map[string]string{"certificate": cert}); got.line != "405 METHOD NOT ALLOWED" {
				t.Error(method, path, got.line)
			}
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if got := call(root, method, "/v1/certs/www.x.org", nil); got.line != "404 NOT FOUND" || got.body != `{"detail":"Not found"}` {
			t.Error(method, got.line, got.body)
		}
	}
	if got := call(s.as(url, ""), "GET", "/v1/certs", nil); got.line != "401 UNAUTHORIZED" {
		t.Error(got.line)
	}

	if got := call(bob, "POST", "/v1/certs", map[string]string{"certificate": cert, "key": secret, "common_name": "api.x.org"}); got.line != "201 CREATED" {
		t.Error(got.line, got.body)
	}
	has("www.x.org", true)
	has("api.x.org", true)
	if got := call(bob, "DELETE", "/v1/certs/www.x.org", nil); got.line != "204 NO CONTENT" || got.body != "" {
		t.Error(got.line, got.body)
	}
	has("www.x.org", false)
	if got := call(bob, "DELETE", "/v1/auth/cancel", nil); got.line != "204 NO CONTENT" {
		t.Error(got.line, got.body)
	}
	has("api.x.org", false)

	for _, body := range answers {
		if strings.Contains(body, "PRIVATE") || strings.Contains(body, "BEGIN") || strings.Contains(body, strings.Split(secret, "\n")[1]) {
			t.Error("an answer holds what a certificate consists of:", body)
		}
	}
}
