package deis

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a certificate. What is weaker nginx does not load, what is larger
// makes each handshake dear.
const (
	maxChainBytes = 64 << 10
	maxKeyBytes   = 16 << 10
	maxChain      = 10 // certificates
	minRSABits    = 2048
	maxRSABits    = 8192
	minCurveBits  = 256
)

const (
	textNoCertificate = "Could not load certificate: [('PEM routines', 'PEM_read_bio', 'no start line')]"
	textNoWildcard    = "Wildcard certificates are not supported"
)

// parse checks a certificate with its key. Both come back written anew, so
// that nothing else of what was sent is kept. All fields that are wrong are
// named at once.
func (in NewCert) parse() (Cert, Pair, error) {
	fields := map[string][]string{}
	chain, problem := parseChain(in.Certificate)
	if problem != "" {
		fields["certificate"] = []string{problem}
	}
	key, problem := parsePrivateKey(in.Key)
	if problem == "" && len(chain) > 0 {
		problem = mismatch(chain, key)
	}
	if problem != "" {
		fields["key"] = []string{problem}
	}
	var host string
	if len(chain) > 0 {
		if host, problem = hostOf(chain[0], in.CommonName); problem != "" {
			fields["common_name"] = []string{problem}
		}
	}
	if len(fields) > 0 {
		return Cert{}, Pair{}, &Error{Kind: Invalid, Fields: fields}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Cert{}, Pair{}, err
	}
	pair := Pair{CommonName: host, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	for _, cert := range chain {
		pair.Chain += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return Cert{CommonName: host, Expires: chain[0].NotAfter}, pair, nil
}

// parseChain reads certificates, each signed by the next. A chain that has a
// problem is nil.
func parseChain(text string) (chain []*x509.Certificate, problem string) {
	if len(text) > maxChainBytes {
		return nil, fmt.Sprintf("A certificate with its chain has at most %d bytes.", maxChainBytes)
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Sprintf("Could not load certificate: number %d of the chain is damaged.", len(chain)+1)
		}
		chain = append(chain, cert)
	}
	begun := strings.Count(text, "-----BEGIN CERTIFICATE-----")
	switch {
	case len(chain) == 0 && begun == 0:
		return nil, textNoCertificate
	case len(chain) != begun: // pem skips what it cannot read
		return nil, "Could not load certificate: a part of the chain is damaged."
	case len(chain) > maxChain:
		return nil, fmt.Sprintf("A chain has at most %d certificates.", maxChain)
	case chain[0].NotAfter.Before(time.Now()):
		return nil, "The certificate expired on " + chain[0].NotAfter.UTC().Format(time.DateOnly) + "."
	}
	for i, cert := range chain {
		if problem := weakness(cert, i > 0); problem != "" {
			return nil, fmt.Sprintf("Certificate number %d of the chain %s.", i+1, problem)
		}
	}
	for i, cert := range chain[1:] {
		if chain[i].CheckSignatureFrom(cert) != nil {
			return nil, fmt.Sprintf("The chain is out of order: certificate number %d is not signed by number %d.", i+1, i+2)
		}
	}
	return chain, ""
}

// weakness says why nginx would not load a certificate, empty if it would.
// What a root says of itself counts for nothing.
func weakness(cert *x509.Certificate, mayBeRoot bool) string {
	if problem := keyWeakness(cert.PublicKey); problem != "" {
		return "has a key that " + problem
	}
	if mayBeRoot && slices.Equal(cert.RawIssuer, cert.RawSubject) {
		return ""
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS,
		x509.SHA512WithRSAPSS, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		return ""
	}
	return "is signed in a way that is no longer accepted"
}

func keyWeakness(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return fmt.Sprintf("has %d bits; RSA keys need %d to %d", n, minRSABits, maxRSABits)
		}
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n < minCurveBits {
			return fmt.Sprintf("has %d bits; ECDSA keys need %d", n, minCurveBits)
		}
	case ed25519.PublicKey:
	default:
		return "is neither RSA nor ECDSA nor Ed25519"
	}
	return ""
}

// publicKey is what the keys of certificates can do.
type publicKey interface {
	Equal(crypto.PublicKey) bool
}

// parsePrivateKey reads a key in any of the forms that OpenSSL writes, but
// those behind a passphrase.
func parsePrivateKey(text string) (key crypto.Signer, problem string) {
	if strings.TrimSpace(text) == "" {
		return nil, textBlank
	}
	if len(text) > maxKeyBytes {
		return nil, fmt.Sprintf("A private key has at most %d bytes.", maxKeyBytes)
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		var parsed any
		var err error
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, "The private key is encrypted. Take its passphrase off first: openssl pkey -in KEY -out PLAIN"
		case block.Type == "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "RSA PRIVATE KEY":
			parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			parsed, err = x509.ParseECPrivateKey(block.Bytes)
		default: // such as EC PARAMETERS
			continue
		}
		if err != nil {
			return nil, "Could not load private key: it is damaged or of an unknown kind."
		}
		signer, ok := parsed.(crypto.Signer)
		if !ok {
			return nil, "The private key is neither RSA nor ECDSA nor Ed25519."
		}
		return signer, ""
	}
	return nil, "Could not load private key: there is none in PEM."
}

// mismatch says why a key is not that of the chain's first certificate, empty
// if it is.
func mismatch(chain []*x509.Certificate, key crypto.Signer) string {
	public, ok := key.Public().(publicKey)
	for i, cert := range chain {
		switch fits := ok && public.Equal(cert.PublicKey); {
		case fits && i == 0:
			return ""
		case fits:
			return fmt.Sprintf("The private key belongs to certificate number %d, which must come first.", i+1)
		}
	}
	return "The private key does not belong to the certificate."
}

// hostOf is the host name that a certificate is to be for: the chosen one, if
// it covers that, or else its own.
func hostOf(leaf *x509.Certificate, chosen string) (host, problem string) {
	name := chosen
	if name == "" {
		name = ownName(leaf)
	}
	switch {
	case name == "":
		return "", "The certificate names no host."
	case strings.Contains(name, "*"):
		return "", textNoWildcard
	}
	if host, problem = canonicalHost(name); problem != "" {
		return "", problem
	}
	if chosen != "" && !covers(leaf, host) {
		return "", fmt.Sprintf("The certificate is not valid for %s.", host)
	}
	return host, ""
}

// ownName is the certificate's common name, or its first alternative one if
// the common name is no host's.
func ownName(leaf *x509.Certificate) string {
	name := leaf.Subject.CommonName
	_, problem := canonicalHost(name)
	if problem != "" && !strings.Contains(name, "*") && len(leaf.DNSNames) > 0 {
		return leaf.DNSNames[0]
	}
	return name
}

// covers says whether a certificate is for a host by one of its alternative
// names or, as many that were made by hand have none, its common name. A
// wildcard stands for one label.
func covers(leaf *x509.Certificate, host string) bool {
	_, parent, _ := strings.Cut(host, ".")
	for _, name := range append([]string{leaf.Subject.CommonName}, leaf.DNSNames...) {
		name = foldHost(name)
		if name == host || parent != "" && name == "*."+parent {
			return true
		}
	}
	return false
}
