package deis

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// AddKey stores an SSH public key under an id of the user's choice. A key
// belongs to one user only.
func (c *Controller) AddKey(ctx context.Context, by User, id, public string) (Key, error) {
	switch {
	case id == "":
		return Key{}, Field("id", textBlank)
	case utf8.RuneCountInString(id) > 128:
		return Key{}, Field("id", "%s", tooLong(128))
	case strings.ContainsAny(id, "\r\n") || strings.HasSuffix(id, "/"): // could not be named in a path
		return Key{}, Field("id", "A key's id is one line and does not end with a slash.")
	}
	public = strings.TrimSpace(public)
	key, err := parsePublicKey(public)
	if err != nil {
		return Key{}, err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return Key{}, err
	}
	stored, err := c.Records.CreateKey(ctx, Key{
		Owner: by.Username, ID: id, Public: public, Fingerprint: ssh.FingerprintLegacyMD5(key), SHA256: ssh.FingerprintSHA256(key),
	})
	if err != nil {
		return Key{}, err
	}
	return stored, c.Mirror.Update(ctx, partOfKey(stored))
}

// Bounds of public keys. Those of RSA are what Go's and OpenSSH's own
// implementations agree to verify.
const (
	maxPublicBytes   = 16 << 10
	minSSHRSABits    = 1024
	maxSSHRSABits    = 16384
	textNotPublicKey = "This is not an SSH public key."
)

// parsePublicKey reads a key as it stands in a .pub file: type, base64,
// comment.
func parsePublicKey(public string) (ssh.PublicKey, error) {
	if len(public) > maxPublicBytes {
		return nil, Field("public", "%s", tooLong(maxPublicBytes))
	}
	if strings.ContainsAny(public, "\r\n") {
		return nil, Field("public", "An SSH public key is one line.")
	}
	fields := strings.Fields(public)
	if len(fields) < 2 {
		return nil, Field("public", textNotPublicKey)
	}
	if _, err := base64.StdEncoding.DecodeString(fields[1]); err != nil {
		return nil, Field("public", "Incorrect padding")
	}
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || len(rest) > 0 || key.Type() != fields[0] {
		return nil, Field("public", textNotPublicKey)
	}
	switch key.Type() {
	case ssh.KeyAlgoRSA:
		bits := 0
		if k, ok := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey); ok {
			bits = k.N.BitLen()
		}
		if bits < minSSHRSABits || bits > maxSSHRSABits {
			return nil, Field("public", "RSA keys need %d to %d bits.", minSSHRSABits, maxSSHRSABits)
		}
		return key, nil
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoED25519,
		ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoSKED25519:
		return key, nil
	}
	return nil, Field("public", "Keys of type %s are not supported.", key.Type())
}

// Keys lists the user's keys.
func (c *Controller) Keys(ctx context.Context, by User, p Page) ([]Key, int, error) {
	return c.Records.Keys(ctx, by.Username, p)
}

// Key finds one of the user's keys, by its id or a fingerprint.
func (c *Controller) Key(ctx context.Context, by User, id string) (Key, error) {
	return c.Records.Key(ctx, by.Username, id)
}

// RemoveKey deletes one of the user's keys, found as Key does.
func (c *Controller) RemoveKey(ctx context.Context, by User, id string) error {
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	key, err := c.Records.DeleteKey(ctx, by.Username, id)
	if err != nil {
		return err
	}
	return c.Mirror.Update(ctx, partOfKey(key))
}
