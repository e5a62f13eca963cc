package ldap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/porttest"
	"github.com/deis/deis/internal/retry"
)

// slapd is OpenLDAP's server with people in testdata/people.ldif, on ldap:// and
// ldaps://, with a certificate for 127.0.0.1 and localhost.
type slapd struct {
	t          *testing.T
	program    string
	dir        string
	plain, tls string // host:port
	ca         string // PEM of who signed the certificate

	cmd  *exec.Cmd
	stop io.Closer // ends the server
	log  *os.File
}

const suffix = "dc=example,dc=org"

// config lets people be found by the reader only, but those in the lobby by
// anybody. bind_anon_cred is what many directories allow: a name without a
// password binds as nobody, and succeeds.
const config = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
allow bind_anon_cred
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
database mdb
suffix "` + suffix + `"
directory %[1]s/db
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=lobby,` + suffix + `" by * read
access to * by dn.exact="cn=reader,` + suffix + `" read by self read by * none
`

// start starts a slapd that ends with the test.
func start(t *testing.T) *slapd {
	t.Helper()
	program, err := exec.LookPath("slapd")
	if err != nil {
		program = "/usr/sbin/slapd"
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("there is no slapd: install it (Debian and Ubuntu: apt-get install slapd)")
	}
	ports, err := porttest.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	s := &slapd{t: t, program: program, dir: t.TempDir(), plain: porttest.Addr(ports[0]), tls: porttest.Addr(ports[1])}
	s.write("slapd.conf", fmt.Sprintf(config, s.dir))
	s.certify()
	people, err := filepath.Abs("testdata/people.ldif")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.add(people)
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(); s.log.Close() })
	s.begin()
	return s
}

// add adds the entries of an LDIF file, while the server is stopped.
func (s *slapd) add(file string) {
	s.t.Helper()
	cmd := exec.Command(s.program, "-T", "add", "-f", filepath.Join(s.dir, "slapd.conf"), "-l", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("slapadd: %v\n%s", err, out)
	}
}

func (s *slapd) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// watch runs the server until its standard input ends, which happens when the
// test binary does, however it ends.
const watch = `"$@" </dev/null & read -r _; kill "$!"; wait "$!"`

// begin starts the server and waits until it answers.
func (s *slapd) begin() {
	s.t.Helper()
	s.cmd = exec.Command("/bin/sh", "-c", watch, "slapd", s.program, "-d", "none", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", "ldap://"+s.plain+" ldaps://"+s.tls)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	stop, err := s.cmd.StdinPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.stop = stop
	for _, at := range []string{s.plain, s.tls} {
		s.eventually("slapd answers at "+at, func() bool { return answers(at) })
	}
}

// end stops the server and waits until it has gone.
func (s *slapd) end() {
	if s.stop != nil {
		_ = s.stop.Close() // its end of the pipe
		_ = s.cmd.Wait()   // says by which signal it ended
		s.stop = nil
	}
}

func (s *slapd) eventually(what string, cond func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.log.Name())
			s.t.Fatalf("not in 30 s: %s\n%s", what, log)
		}
		if retry.Sleep(s.t.Context(), 10*time.Millisecond) != nil {
			return
		}
	}
}

func answers(address string) bool {
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// certify makes an authority and a certificate by it.
func (s *slapd) certify() {
	s.t.Helper()
	var authority *x509.Certificate
	var signer *ecdsa.PrivateKey
	for i, name := range []string{"ca", "cert"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			s.t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: i == 0, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		if i == 0 {
			c.KeyUsage, c.DNSNames, c.IPAddresses = x509.KeyUsageCertSign, nil, nil
			authority, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, authority, &key.PublicKey, signer)
		if err != nil {
			s.t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			s.t.Fatal(err)
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		if s.write(name+".pem", text); i == 0 {
			s.ca = text
		}
		s.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))) // the last is the server's
	}
}

// settings are those that find people, over the endpoint.
func (s *slapd) settings(endpoint string) Settings {
	return Settings{
		Endpoint: endpoint, BindDN: "cn=reader," + suffix, BindPassword: "reads", UserBase: "ou=people," + suffix, UserFilter: "uid", CA: s.ca,
	}
}

// logged are the lines of a log that say something about the directory.
func logged(log string) []string {
	var lines []string
	for _, l := range strings.Split(log, "\n") {
		if strings.Contains(l, "directory") {
			lines = append(lines, l)
		}
	}
	return lines
}
