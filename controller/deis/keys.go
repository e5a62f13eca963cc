package deis

import (
	"context"
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
	}
	public = strings.TrimSpace(public)
	fingerprint, err := fingerprint(public)
	if err != nil {
		return Key{}, err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return Key{}, err
	}
	key, err := c.Records.CreateKey(ctx, Key{Owner: by.Username, ID: id, Public: public, Fingerprint: fingerprint})
	if err != nil {
		return Key{}, err
	}
	return key, c.Mirror.Update(ctx)
}

// fingerprint is MD5 of a public key's wire form, as the builder looks it up.
func fingerprint(public string) (string, error) {
	if strings.ContainsAny(public, "\r\n") {
		return "", Field("public", "An SSH public key is one line.")
	}
	fields := strings.Fields(public)
	if len(fields) < 2 {
		return "", Field("public", "This is not an SSH public key.")
	}
	if _, err := base64.StdEncoding.DecodeString(fields[1]); err != nil {
		return "", Field("public", "Incorrect padding")
	}
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || len(rest) > 0 || key.Type() != fields[0] {
		return "", Field("public", "This is not an SSH public key.")
	}
	switch key.Type() {
	case ssh.KeyAlgoRSA, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoED25519,
		ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoSKED25519:
		return ssh.FingerprintLegacyMD5(key), nil
	}
	return "", Field("public", "Keys of type %s are not supported.", key.Type())
}

// Keys lists the user's keys.
func (c *Controller) Keys(ctx context.Context, by User, p Page) ([]Key, int, error) {
	return c.Records.Keys(ctx, by.Username, p)
}

// Key finds one of the user's keys.
func (c *Controller) Key(ctx context.Context, by User, id string) (Key, error) {
	return c.Records.Key(ctx, by.Username, id)
}

// RemoveKey deletes one of the user's keys.
func (c *Controller) RemoveKey(ctx context.Context, by User, id string) error {
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	if err := c.Records.DeleteKey(ctx, by.Username, id); err != nil {
		return err
	}
	return c.Mirror.Update(ctx)
}
