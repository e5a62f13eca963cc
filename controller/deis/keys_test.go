package deis

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// ed25519Key and its fingerprints, as ssh-keygen -l -E md5 and -E sha256 print
// them.
const (
	ed25519Key    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFgTmTHMnXTjSFIV2FcNX6dEEFhQSd2cZiyaQsHhm2dD me@host"
	ed25519MD5    = "49:ef:fe:5e:e6:20:69:6a:cf:1a:17:b4:23:ac:c4:e1"
	ed25519SHA256 = "SHA256:dqiEj5tvgTHjlkkoh7kKVHWiJ6BbQBfkRB5i3W+bNbY"
)

func publicLine(t testing.TB, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func TestPublicKeys(t *testing.T) {
	curve := func(c elliptic.Curve) any {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k.Public()
	}
	number := func(bits uint) any { // not a product of primes, which nobody looks at
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1), E: 65537}
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for kind, key := range map[string]any{
		"ssh-rsa": number(2048), "ecdsa-sha2-nistp256": curve(elliptic.P256()), "ecdsa-sha2-nistp384": curve(elliptic.P384()),
		"ecdsa-sha2-nistp521": curve(elliptic.P521()), "ssh-ed25519": ed,
	} {
		line := publicLine(t, key)
		for _, in := range []string{line, line + " me@host", line + "  a comment with blanks"} {
			if got, err := parsePublicKey(in); err != nil || got.Type() != kind {
				t.Errorf("%s: %v", in, err)
			}
		}
	}
	key, err := parsePublicKey(ed25519Key)
	if err != nil || ssh.FingerprintLegacyMD5(key) != ed25519MD5 || ssh.FingerprintSHA256(key) != ed25519SHA256 {
		t.Error(ssh.FingerprintLegacyMD5(key), ssh.FingerprintSHA256(key), err)
	}

	dsa := base64.StdEncoding.EncodeToString(ssh.Marshal(struct {
		Name       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", new(big.Int).SetBit(big.NewInt(1), 1023, 1), new(big.Int).SetBit(big.NewInt(1), 159, 1), big.NewInt(2), big.NewInt(2)}))
	for in, want := range map[string]string{
		"":                             textNotPublicKey,
		"ssh-rsa":                      textNotPublicKey,
		"ssh-rsa !!!":                  "Incorrect padding",
		"ssh-rsa AAA":                  "Incorrect padding",
		"ssh-rsa AAAA":                 textNotPublicKey,
		"ssh-dss " + dsa:               "Keys of type ssh-dss are not supported.",
		publicLine(t, number(1023)):    "RSA keys need 1024 to 16384 bits.",
		ed25519Key + "\n" + ed25519Key: "An SSH public key is one line.",
		`command="sh" ` + ed25519Key:   "Incorrect padding",
		strings.Replace(ed25519Key, "ssh-ed25519", "ssh-rsa", 1): textNotPublicKey,
		ed25519Key + strings.Repeat(" x", maxPublicBytes):        tooLong(maxPublicBytes),
	} {
		var e *Error
		if _, err := parsePublicKey(in); !errors.As(err, &e) || e.Kind != Invalid || e.Fields["public"][0] != want {
			t.Errorf("%.100q: %v, want %s", in, err, want)
		}
	}
}
