package deis_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

// signed is a certificate that tests make, with its key.
type signed struct {
	*x509.Certificate
	key crypto.Signer
}

// template is a certificate for the names: the first is its common name, the
// others are alternative ones.
func template(names ...string) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	if len(names) > 0 {
		c.Subject.CommonName, c.DNSNames = names[0], names[1:]
	}
	return c
}

// sign makes a certificate: by's, or its own if by is nil.
func sign(t testing.TB, c *x509.Certificate, key crypto.Signer, by *signed) *signed {
	t.Helper()
	if by == nil {
		by = &signed{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.Certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{made, key}
}

func curveKey(t testing.TB, c elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// self is a self-signed certificate for the names.
func self(t testing.TB, names ...string) *signed {
	return sign(t, template(names...), curveKey(t, elliptic.P256()), nil)
}

// text is certificates in PEM.
func text(certs ...*signed) string {
	var b strings.Builder
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Builder does not fail
	}
	return b.String()
}

// keyText is a key in PEM, PKCS #8.
func keyText(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// posted is what a client posts of a certificate.
func posted(t testing.TB, c *signed, commonName string) deis.NewCert {
	t.Helper()
	return deis.NewCert{Certificate: text(c), Key: keyText(t, c.key), CommonName: commonName}
}

func TestCertsThatAreTaken(t *testing.T) {
	p256 := curveKey(t, elliptic.P256())
	root := self(t, "Root")
	middle := sign(t, template("Middle"), curveKey(t, elliptic.P384()), root)
	leaf := sign(t, template("www.x.org"), p256, middle)
	ecDER, err := x509.MarshalECPrivateKey(p256.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	oid, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	if err != nil {
		t.Fatal(err)
	}
	r := sign(t, template("www.x.org"), rsaKey(t, 2048), nil)
	later := template("www.x.org")
	later.NotBefore = time.Now().Add(30 * time.Minute)
	oldRoot := template("Old Root")
	oldRoot.NotAfter = time.Now().Add(-time.Minute)
	expired := sign(t, oldRoot, curveKey(t, elliptic.P256()), nil)
	sans := self(t, "x.org", "www.x.org", "*.apps.x.org")

	for name, x := range map[string]struct {
		in   deis.NewCert
		want string
		kept string // the chain
	}{
		"rsa":             {posted(t, r, ""), "www.x.org", text(r)},
		"rsa, pkcs 1":     {deis.NewCert{Certificate: text(r), Key: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r.key.(*rsa.PrivateKey)))}, "www.x.org", text(r)},
		"ecdsa":           {posted(t, leaf, ""), "www.x.org", text(leaf)},
		"ecdsa, sec 1":    {deis.NewCert{Certificate: text(leaf), Key: block("EC PARAMETERS", oid) + block("EC PRIVATE KEY", ecDER)}, "www.x.org", text(leaf)},
		"ed25519":         {posted(t, sign(t, template("www.x.org"), edKey(t), nil), ""), "www.x.org", ""},
		"chain":           {deis.NewCert{Certificate: text(leaf, middle), Key: keyText(t, p256)}, "www.x.org", text(leaf, middle)},
		"chain and root":  {deis.NewCert{Certificate: text(leaf, middle, root), Key: keyText(t, p256)}, "www.x.org", text(leaf, middle, root)},
		"more than PEM":   {deis.NewCert{Certificate: "Bag Attributes\r\n" + text(leaf) + "subject=\n" + keyText(t, p256) + text(middle) + "end", Key: "x\n" + keyText(t, p256) + "y"}, "www.x.org", text(leaf, middle)},
		"not valid yet":   {posted(t, sign(t, later, p256, nil), ""), "www.x.org", ""},
		"old root":        {deis.NewCert{Certificate: text(sign(t, template("www.x.org"), p256, expired), expired), Key: keyText(t, p256)}, "www.x.org", ""},
		"common name":     {posted(t, sans, "x.org"), "x.org", ""},
		"alternative":     {posted(t, sans, "www.x.org"), "www.x.org", ""},
		"by wildcard":     {posted(t, sans, "demo.apps.x.org"), "demo.apps.x.org", ""},
		"folded":          {posted(t, sans, "WWW.X.org."), "www.x.org", ""},
		"own, folded":     {posted(t, self(t, "WWW.X.org"), ""), "www.x.org", ""},
		"no common name":  {posted(t, self(t, "", "first.x.org", "x.org"), ""), "first.x.org", ""},
		"company":         {posted(t, self(t, "The X Company", "first.x.org"), ""), "first.x.org", ""},
		"wildcard as own": {posted(t, self(t, "*.x.org"), "www.x.org"), "www.x.org", ""},
	} {
		cert, pair, err := deis.ParseCert(x.in)
		if err != nil || cert.CommonName != x.want || pair.CommonName != x.want || cert.Expires.IsZero() || x.kept != "" && pair.Chain != x.kept {
			t.Errorf("%s: %+v, %v, %s", name, cert, err, pair.Chain)
			continue
		}
		if got, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key)); err != nil || strings.Count(pair.Chain+pair.Key, "BEGIN") != len(got.Certificate)+1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertsThatAreRefused(t *testing.T) {
	p256 := curveKey(t, elliptic.P256())
	root := self(t, "Root")
	middle := sign(t, template("Middle"), curveKey(t, elliptic.P256()), root)
	leaf := sign(t, template("www.x.org"), p256, middle)
	good := posted(t, leaf, "")
	old := template("www.x.org")
	old.NotBefore, old.NotAfter = time.Date(2014, 3, 5, 0, 0, 0, 0, time.UTC), time.Date(2016, 3, 5, 17, 14, 27, 0, time.UTC)
	many := []*signed{leaf, middle}
	for len(many) < 11 {
		many = append(many, root)
	}
	end := template("End") // signs nothing
	end.IsCA = false
	notCA := sign(t, end, curveKey(t, elliptic.P256()), root)
	damaged := strings.Replace(text(middle), "MII", "MI?", 1)
	nonsense := block("CERTIFICATE", []byte("nonsense"))
	legacy := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("x")}))
	const (
		noStart   = "Could not load certificate: [('PEM routines', 'PEM_read_bio', 'no start line')]"
		wildcard  = "Wildcard certificates are not supported"
		encrypted = "The private key is encrypted. Take its passphrase off first: openssl pkey -in KEY -out PLAIN"
		foreign   = "The private key does not belong to the certificate."
		noKey     = "Could not load private key: there is none in PEM."
		badKey    = "Could not load private key: it is damaged or of an unknown kind."
	)
	with := func(certificate, key, commonName string) deis.NewCert {
		return deis.NewCert{Certificate: certificate, Key: key, CommonName: commonName}
	}
	for name, x := range map[string]struct {
		in    deis.NewCert
		field string
		want  string
	}{
		"no PEM":             {with("foo", good.Key, ""), "certificate", noStart},
		"the key twice":      {with(good.Key, good.Key, ""), "certificate", noStart},
		"DER":                {with(string(leaf.Raw), good.Key, ""), "certificate", noStart},
		"nonsense":           {with(nonsense, good.Key, ""), "certificate", "Could not load certificate: number 1 of the chain is damaged."},
		"nonsense behind":    {with(text(leaf)+nonsense, good.Key, ""), "certificate", "Could not load certificate: number 2 of the chain is damaged."},
		"damaged":            {with(text(leaf)+damaged, good.Key, ""), "certificate", "Could not load certificate: a part of the chain is damaged."},
		"cut off":            {with(good.Certificate[:200], good.Key, ""), "certificate", "Could not load certificate: a part of the chain is damaged."},
		"too long":           {with(good.Certificate+strings.Repeat(" ", 64<<10), good.Key, ""), "certificate", "A certificate with its chain has at most 65536 bytes."},
		"too many":           {with(text(many...), good.Key, ""), "certificate", "A chain has at most 10 certificates."},
		"expired":            {posted(t, sign(t, old, p256, nil), ""), "certificate", "The certificate expired on 2016-03-05."},
		"order":              {with(text(leaf, root, middle), good.Key, ""), "certificate", "The chain is out of order: certificate number 1 is not signed by number 2."},
		"order behind":       {with(text(leaf, middle, notCA), good.Key, ""), "certificate", "The chain is out of order: certificate number 2 is not signed by number 3."},
		"root first":         {with(text(middle, root), keyText(t, root.key), ""), "key", "The private key belongs to certificate number 2, which must come first."},
		"signed by an end":   {with(text(sign(t, template("www.x.org"), p256, notCA), notCA), good.Key, ""), "certificate", "The chain is out of order: certificate number 1 is not signed by number 2."},
		"odd signature":      {with(text(oddlySigned(t, template("www.x.org"), p256)), good.Key, ""), "certificate", "Certificate number 1 of the chain is signed in a way that is no longer accepted."},
		"rsa too short":      {posted(t, sign(t, template("www.x.org"), rsaKey(t, 1024), nil), ""), "certificate", "Certificate number 1 of the chain has a key that has 1024 bits; RSA keys need 2048 to 8192."},
		"p-224":              {posted(t, sign(t, template("www.x.org"), curveKey(t, elliptic.P224()), nil), ""), "certificate", "Certificate number 1 of the chain has a key that has 224 bits; ECDSA keys need 256."},
		"no key":             {with(good.Certificate, "foo", ""), "key", noKey},
		"blank key":          {with(good.Certificate, " \n", ""), "key", "This field may not be blank."},
		"certificate as key": {with(good.Certificate, good.Certificate, ""), "key", noKey},
		"encrypted":          {with(good.Certificate, block("ENCRYPTED PRIVATE KEY", []byte("x")), ""), "key", encrypted},
		"encrypted, old":     {with(good.Certificate, legacy, ""), "key", encrypted},
		"damaged key":        {with(good.Certificate, block("PRIVATE KEY", []byte("x")), ""), "key", badKey},
		"wrong form of key":  {with(good.Certificate, strings.ReplaceAll(good.Key, "PRIVATE", "RSA PRIVATE"), ""), "key", badKey},
		"long key":           {with(good.Certificate, good.Key+strings.Repeat("\n", 16<<10), ""), "key", "A private key has at most 16384 bytes."},
		"foreign key":        {with(good.Certificate, keyText(t, curveKey(t, elliptic.P256())), ""), "key", foreign},
		"key of other kind":  {with(good.Certificate, keyText(t, edKey(t)), ""), "key", foreign},
		"wildcard":           {with(good.Certificate, good.Key, "*.x.org"), "common_name", wildcard},
		"own wildcard":       {posted(t, self(t, "*.x.org", "x.org"), ""), "common_name", wildcard},
		"first is wildcard":  {posted(t, self(t, "", "*.x.org"), ""), "common_name", wildcard},
		"star within":        {with(good.Certificate, good.Key, "a.*.org"), "common_name", wildcard},
		"nameless":           {posted(t, self(t), ""), "common_name", "The certificate names no host."},
		"company":            {posted(t, self(t, "The X Company"), ""), "common_name", "Hostname does not look valid."},
		"path":               {with(good.Certificate, good.Key, "../../x"), "common_name", "Hostname does not look valid."},
		"own path":           {posted(t, self(t, "x.org/../../controller/builderKey"), ""), "common_name", "Hostname does not look valid."},
		"long name":          {with(good.Certificate, good.Key, strings.Repeat("a.", 200)), "common_name", "Hostname must be 255 characters or less."},
		"other name":         {with(good.Certificate, good.Key, "y.org"), "common_name", "The certificate is not valid for y.org."},
		"two labels for *":   {posted(t, self(t, "*.x.org"), "a.b.x.org"), "common_name", "The certificate is not valid for a.b.x.org."},
		"parent of *":        {posted(t, self(t, "*.x.org"), "x.org"), "common_name", "The certificate is not valid for x.org."},
		"* for a label":      {posted(t, self(t, "*"), "localhost"), "common_name", "The certificate is not valid for localhost."},
	} {
		_, pair, err := deis.ParseCert(x.in)
		var e *deis.Error
		if !errors.As(err, &e) || e.Kind != deis.Invalid || len(e.Fields) != 1 || len(e.Fields[x.field]) != 1 || e.Fields[x.field][0] != x.want {
			t.Errorf("%s: %v, want %s: %s", name, err, x.field, x.want)
		}
		if pair != (deis.Pair{}) {
			t.Errorf("%s: %v", name, pair)
		}
	}
	var e *deis.Error
	if _, _, err := deis.ParseCert(with("foo", "bar", "")); !errors.As(err, &e) || len(e.Fields) != 2 {
		t.Error("not all that is wrong is named:", err)
	}
}

// oddlySigned is a self-signed certificate whose signature is of an algorithm
// that nobody knows. Go makes none with SHA-1 any more.
func oddlySigned(t testing.TB, c *x509.Certificate, key crypto.Signer) *signed {
	t.Helper()
	known, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}) // ECDSA with SHA-256
	if err != nil {
		t.Fatal(err)
	}
	odd := string(known[:len(known)-1]) + "\x63"
	made, err := x509.ParseCertificate([]byte(strings.ReplaceAll(string(sign(t, c, key, nil).Raw), string(known), odd)))
	if err != nil {
		t.Fatal(err)
	}
	return &signed{made, key}
}

// TestCertsAreTheirOwners: no user, not even an admin, sees or removes
// another's certificate, and a name has one.
func TestCertsAreTheirOwners(t *testing.T) {
	p := newPlatform(t)
	var log lines
	n := p.needs()
	n.Log = slog.New(slog.NewJSONHandler(&log, nil))
	c, ctx := deis.New(n), t.Context()
	admin := p.by
	bob, eve := p.user("bob"), p.user("eve")
	own := self(t, "www.x.org", "x.org")

	made, err := c.AddCert(ctx, bob, posted(t, own, ""))
	p.must(err)
	if made.Owner != "bob" || made.CommonName != "www.x.org" || !made.Expires.Equal(own.NotAfter) || made.ID == 0 || made.Created.IsZero() {
		t.Errorf("%+v", made)
	}
	for _, name := range []string{"www.x.org", "WWW.x.org."} {
		if got, err := c.Cert(ctx, bob, name); err != nil || got != made {
			t.Error(got, err)
		}
	}
	_, err = c.AddCert(ctx, bob, posted(t, own, ""))
	p.kind(err, deis.Invalid, "map[common_name:[This field must be unique.]]")
	_, err = c.AddCert(ctx, eve, posted(t, self(t, "www.x.org"), "www.x.org"))
	p.kind(err, deis.Invalid, "map[common_name:[This field must be unique.]]")
	_, err = c.AddCert(ctx, bob, posted(t, own, "x.org"))
	p.must(err)

	for _, by := range []deis.User{admin, eve} {
		if all, n, err := c.Certs(ctx, by, deis.Page{}); len(all) != 0 || n != 0 || err != nil {
			t.Error(by.Username, all, n, err)
		}
		_, err = c.Cert(ctx, by, "www.x.org")
		p.kind(err, deis.NotFound)
		p.kind(c.RemoveCert(ctx, by, "www.x.org"), deis.NotFound)
	}
	if all, n, err := c.Certs(ctx, bob, deis.Page{}); len(all) != 2 || n != 2 || err != nil || all[0] != made {
		t.Error(all, n, err)
	}
	_, err = c.Cert(ctx, bob, "none.org")
	p.kind(err, deis.NotFound)
	p.must(c.RemoveCert(ctx, bob, "WWW.X.ORG"))
	p.kind(c.RemoveCert(ctx, bob, "www.x.org"), deis.NotFound)
	_, err = c.AddCert(ctx, eve, posted(t, self(t, "www.x.org"), ""))
	p.must(err)

	for _, want := range []string{"cert www.x.org added", "cert x.org added", "cert www.x.org removed"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "PRIVATE") || strings.Contains(log.String(), strings.Split(keyText(t, own.key), "\n")[1]) {
		t.Error("the log has the private key")
	}
	if len(p.logs.lines) != 0 {
		t.Error("an app's log has", p.logs.lines)
	}
	pair := deis.Pair{CommonName: "x.org", Chain: "CHAIN", Key: "SECRET"}
	if s := fmt.Sprintf("%v %+v %#v %s", pair, pair, []deis.Pair{pair}, &pair); strings.Contains(s, "SECRET") {
		t.Error(s)
	}
}

// TestHostNamesAreClaimed: a certificate and a domain of one name belong to
// people who work on the same app, whichever came first.
func TestHostNamesAreClaimed(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	bob, eve, mate := p.user("bob"), p.user("eve"), p.user("mate")
	for _, id := range []string{"bobs", "eves"} {
		_, err := c.CreateApp(ctx, map[string]deis.User{"bobs": bob, "eves": eve}[id], deis.NewApp{ID: &id})
		p.must(err)
	}
	p.must(c.Share(ctx, bob, "bobs", "mate"))
	certify := func(by deis.User, name string) error {
		_, err := c.AddCert(ctx, by, posted(t, self(t, name), ""))
		return err
	}
	route := func(by deis.User, app, name string) error {
		_, err := c.AddDomain(ctx, by, app, name)
		return err
	}

	p.must(route(bob, "bobs", "one.org"))
	p.kind(certify(eve, "one.org"), deis.Invalid, "map[common_name:[The domain one.org is already in use by another app]]")
	p.must(certify(mate, "one.org"))

	p.must(certify(bob, "two.org"))
	p.kind(route(eve, "eves", "two.org"), deis.Invalid, "map[domain:[There is a certificate for two.org of a user who has no access to the app.]]")
	p.must(route(mate, "bobs", "two.org"))

	p.must(certify(mate, "three.org"))
	p.must(route(bob, "bobs", "three.org"))

	p.must(certify(p.by, "four.org")) // an admin's, for anybody's app
	p.must(route(eve, "eves", "four.org"))
	p.must(route(eve, "eves", "five.org"))
	p.must(certify(p.by, "five.org"))

	// Both at once: one of them.
	for i := range 10 {
		name := fmt.Sprintf("race-%d.org", i)
		var errs [2]error
		var wg sync.WaitGroup
		in := posted(t, self(t, name), "")
		wg.Go(func() { _, errs[0] = c.AddCert(ctx, eve, in) })
		wg.Go(func() { errs[1] = route(bob, "bobs", name) })
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Error(errs)
		}
	}

	// Who leaves takes no certificate of an app's domain along.
	p.must(certify(mate, "mates.org"))
	p.must(c.CancelUser(ctx, mate, ""))
	for _, name := range []string{"one.org", "three.org"} {
		if cert, err := c.Cert(ctx, bob, name); err != nil || cert.Owner != "bob" {
			t.Error(cert, err)
		}
	}
	_, err := p.db.Cert(ctx, "mates.org")
	p.kind(err, deis.NotFound)
}

func TestDomainsOfThePlatformAndOfOthers(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	p.app(c, "mine", nil)
	p.app(c, "other", nil)
	add := func(app, name string) error {
		_, err := c.AddDomain(ctx, p.by, app, name)
		return err
	}
	for _, name := range []string{"example.com", "EXAMPLE.com.", "deis.example.com", "other.example.com", "mine.example.com", "new.example.com", "a.b.example.com"} {
		p.kind(add("mine", name), deis.Invalid, "belongs to the platform.]]")
	}
	p.must(add("mine", "notexample.com"))
	p.must(add("mine", "Shop.X.org."))
	p.kind(add("mine", "shop.x.org"), deis.Invalid, "map[domain:[This field must be unique.]]")
	p.kind(add("other", "SHOP.x.org"), deis.Invalid, "map[domain:[The domain shop.x.org is already in use by another app]]")
	p.kind(add("mine", "a_b.org"), deis.Invalid, "map[domain:[Hostname does not look valid.]]")
	p.kind(add("none", "x.org"), deis.NotFound)
	all, n, err := c.Domains(ctx, p.by, "mine", deis.Page{})
	if n != 2 || err != nil || all[1].Domain != "shop.x.org" {
		t.Error(all, err)
	}
	p.kind(c.RemoveDomain(ctx, p.by, "other", "shop.x.org"), deis.NotFound)
	p.must(c.RemoveDomain(ctx, p.by, "mine", "SHOP.X.ORG."))
	p.kind(c.RemoveDomain(ctx, p.by, "mine", "shop.x.org"), deis.NotFound)
	p.must(add("other", "shop.x.org"))
	for _, line := range []string{"INFO [mine]: domain shop.x.org added", "INFO [mine]: domain shop.x.org removed"} {
		if !p.logs.said(line) {
			t.Error("not said:", line)
		}
	}
}

func TestKeysByIDAndFingerprint(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	bob, eve := p.user("bob"), p.user("eve")
	const (
		public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFgTmTHMnXTjSFIV2FcNX6dEEFhQSd2cZiyaQsHhm2dD"
		md5    = "49:ef:fe:5e:e6:20:69:6a:cf:1a:17:b4:23:ac:c4:e1"
		sha256 = "SHA256:dqiEj5tvgTHjlkkoh7kKVHWiJ6BbQBfkRB5i3W+bNbY"
	)
	made, err := c.AddKey(ctx, bob, "home/laptop key", public+" bob@home\n")
	p.must(err)
	if made.Fingerprint != md5 || made.SHA256 != sha256 || made.Public != public+" bob@home" {
		t.Errorf("%+v", made)
	}
	for _, id := range []string{"home/laptop key", md5, sha256} {
		if got, err := c.Key(ctx, bob, id); err != nil || got != made {
			t.Error(id, got, err)
		}
		_, err := c.Key(ctx, eve, id)
		p.kind(err, deis.NotFound)
		p.kind(c.RemoveKey(ctx, eve, id), deis.NotFound)
	}
	for _, by := range []deis.User{bob, eve} {
		_, err = c.AddKey(ctx, by, "again", public+" other comment")
		p.kind(err, deis.Invalid, "map[public:[This field must be unique.]]")
	}
	second := strings.Replace(public, "hm2dD", "hm2dE", 1)
	_, err = c.AddKey(ctx, bob, "home/laptop key", second)
	p.kind(err, deis.Invalid, "map[id:[This field must be unique.]]")
	for id, want := range map[string]string{
		"": "This field may not be blank.", strings.Repeat("ü", 129): "Ensure this field has no more than 128 characters.",
		"a\nb": "A key's id is one line and does not end with a slash.", "a/": "A key's id is one line and does not end with a slash.",
	} {
		_, err = c.AddKey(ctx, bob, id, second)
		p.kind(err, deis.Invalid, want)
	}
	// An id comes before a fingerprint of the same letters.
	_, err = c.AddKey(ctx, bob, sha256, second)
	p.must(err)
	p.must(c.RemoveKey(ctx, bob, sha256))
	if got, err := c.Key(ctx, bob, sha256); err != nil || got != made {
		t.Error(got, err)
	}
	p.must(c.RemoveKey(ctx, bob, sha256))
	p.kind(c.RemoveKey(ctx, bob, sha256), deis.NotFound)
}

// user makes an account beside the admin's.
func (p *platform) user(name string) deis.User {
	p.Helper()
	u, err := p.db.CreateUser(p.Context(), deis.User{Username: name}, "hash")
	p.must(err)
	return u
}

// lines is a log that several goroutines write to.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func FuzzCert(f *testing.F) {
	own := self(f, "www.x.org", "*.x.org")
	good := posted(f, own, "")
	for _, cn := range []string{"", "a.x.org", "*.x.org", "../x"} {
		f.Add(good.Certificate, good.Key, cn)
	}
	f.Add(good.Certificate+good.Certificate, good.Key+good.Key, "")
	f.Add(good.Key, good.Certificate, "")
	f.Fuzz(func(t *testing.T, certificate, key, commonName string) {
		cert, pair, err := deis.ParseCert(deis.NewCert{Certificate: certificate, Key: key, CommonName: commonName})
		if err != nil {
			if deis.KindOf(err) != deis.Invalid {
				t.Errorf("%v of kind %d", err, deis.KindOf(err))
			}
			return
		}
		if strings.ContainsAny(cert.CommonName, "/* \n") || cert.CommonName == "" {
			t.Errorf("common name %q", cert.CommonName)
		}
		// What was accepted once is accepted in the form in which it is kept.
		_, again, err := deis.ParseCert(deis.NewCert{Certificate: pair.Chain, Key: pair.Key, CommonName: commonName})
		if err != nil || again != pair {
			t.Errorf("%v: %v, then %v", err, pair, again)
		}
	})
}
