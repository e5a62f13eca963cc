package sshd

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"

	gossh "golang.org/x/crypto/ssh"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// kinds are the host keys that clients may know the builder by.
var kinds = []struct {
	name     string
	generate func() (crypto.PrivateKey, error)
}{
	{"ed25519", func() (crypto.PrivateKey, error) { _, k, err := ed25519.GenerateKey(rand.Reader); return k, err }},
	{"ecdsa", func() (crypto.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	{"rsa", func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
}

// HostKeys reads the host keys from etcd, in PEM, so that clients meet the
// same builder wherever it runs. A key is made only when etcd says for certain
// that there is none, and never put over another.
func HostKeys(ctx context.Context, log *slog.Logger, kv *etcd.KV) ([]string, error) {
	var usable []string
	for _, kind := range kinds {
		key := keys.SSHHostKey(kind.name)
		entry, ok, err := kv.Get(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		text := entry.Value
		if !ok {
			if text, err = newHostKey(kind.generate); err != nil {
				return nil, err
			}
			if text, _, err = kv.Create(ctx, key, text); err != nil {
				return nil, fmt.Errorf("create %s: %w", key, err)
			}
		}
		if _, err := gossh.ParsePrivateKey([]byte(text)); err != nil {
			log.Error("host key ignored", "key", key, "err", err)
			continue
		}
		usable = append(usable, text)
	}
	if len(usable) == 0 {
		return nil, errors.New("none of the host keys in etcd can be used")
	}
	return usable, nil
}

func newHostKey(generate func() (crypto.PrivateKey, error)) (string, error) {
	private, err := generate()
	if err != nil {
		return "", err
	}
	block, err := gossh.MarshalPrivateKey(private, "deis-builder")
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(block)), nil
}
