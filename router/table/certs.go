package table

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/deis/deis/internal/keys"
)

// TLS is what port 443 needs. It is closed if there is no certificate.
type TLS struct {
	Platform *Pair           // for every host that has none of its own
	Domains  map[string]Pair // by custom domain
	DHParam  string          // PEM, or empty
}

// Pair is a certificate chain and its key, both in PEM, made anew from what
// was parsed.
type Pair struct{ Cert, Key string }

// checked is what became of a pair of keys at their revisions: parsing a
// thousand private keys at every change would be seen.
type checked struct {
	certMod, keyMod int64
	pair            *Pair  // the last good one, nil if there never was one
	problem         string // of the one that stands in etcd
}

// Enabled says whether there is any certificate.
func (t TLS) Enabled() bool { return t.Platform != nil || len(t.Domains) > 0 }

// minRSABits is what OpenSSL accepts at its default security level.
const minRSABits = 2048

func (b *builder) certs(prev map[string]checked) {
	b.TLS.Domains = map[string]Pair{}
	if pair, ok := b.pair(keys.Router+"sslCert", keys.Router+"sslKey", prev); ok {
		b.TLS.Platform = &pair
	}
	if v := strings.TrimSpace(b.value(keys.Router + "sslDhparam")); v != "" {
		block, _ := pem.Decode([]byte(v))
		if block != nil && block.Type == "DH PARAMETERS" {
			b.TLS.DHParam = string(pem.EncodeToMemory(block))
		} else {
			b.problem(keys.Router+"sslDhparam", "not DH PARAMETERS in PEM")
		}
	}
	for domain := range b.Domains {
		if pair, ok := b.pair(keys.CertCert(domain), keys.CertKey(domain), prev); ok {
			b.TLS.Domains[domain] = pair
		}
	}
}

// pair reads a certificate and its key. A pair that does not fit, as between
// the writes of a new certificate and of its key, leaves the one before it.
func (b *builder) pair(certKey, keyKey string, prev map[string]checked) (Pair, bool) {
	cert, key := b.state.Keys[certKey], b.state.Keys[keyKey]
	if strings.TrimSpace(cert.Value) == "" || strings.TrimSpace(key.Value) == "" {
		return Pair{}, false
	}
	c, ok := prev[certKey]
	if !ok || c.certMod != cert.Mod || c.keyMod != key.Mod {
		c.certMod, c.keyMod = cert.Mod, key.Mod
		var p Pair
		if p, c.problem = parsePair(cert.Value, key.Value); c.problem == "" {
			c.pair = &p
		}
	}
	b.pairs[certKey] = c
	if c.problem != "" {
		b.problem(certKey, c.problem)
	}
	if c.pair == nil {
		return Pair{}, false
	}
	return *c.pair, true
}

// parsePair checks what OpenSSL would check, so that one app's certificate
// cannot hold up all others.
func parsePair(cert, key string) (p Pair, problem string) {
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return Pair{}, "not a certificate and its key"
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return Pair{}, "not a certificate"
	}
	switch leaf.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1:
		return Pair{}, "signed in a way that is no longer accepted"
	}
	switch k := pair.PrivateKey.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return Pair{}, "its key is too short"
		}
	case *ecdsa.PrivateKey:
		if k.Curve.Params().BitSize < 256 {
			return Pair{}, "its key is too short"
		}
	case ed25519.PrivateKey:
	default:
		return Pair{}, "its key is of an unknown kind"
	}
	var chain strings.Builder
	for _, der := range pair.Certificate {
		if _, err := x509.ParseCertificate(der); err != nil {
			return Pair{}, "its chain has a part that is no certificate"
		}
		_ = pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a Builder does not fail
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return Pair{}, "its key is of an unknown kind"
	}
	return Pair{Cert: chain.String(), Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}, ""
}
