package deis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Parameters of argon2id (RFC 9106), as small as its second recommendation's
// purpose allows on a host that also runs apps.
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// Each hash takes 19 MiB while it is computed, so few are at once, and who asks
// for one waits for a while only, in a line that is not long.
const (
	hashedAtOnce = 4
	hashLine     = 64
	hashWait     = 10 * time.Second
)

var hashing = newTurns(hashedAtOnce, hashLine)

// turns lets some in at once and others wait.
type turns struct{ all, in chan struct{} }

func newTurns(atOnce, waiting int) turns {
	return turns{all: make(chan struct{}, atOnce+waiting), in: make(chan struct{}, atOnce)}
}

// enter waits for a turn, which ends with leave. It fails with kind TooMany if
// it would be long until then.
func (t turns) enter(ctx context.Context, wait time.Duration) error {
	busy := tooMany(0, "Too many passwords are being checked.")
	select {
	case t.all <- struct{}{}:
	default:
		return busy
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case t.in <- struct{}{}:
		return nil
	case <-timer.C:
		err = busy
	case <-ctx.Done():
		err = ctx.Err()
	}
	<-t.all
	return err
}

func (t turns) leave() { <-t.in; <-t.all }

// hashPassword makes the text that is stored for a password.
func hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	key, err := derive(ctx, password, salt, argonTime, argonMemory, argonThreads)
	if err != nil {
		return "", err
	}
	return encodeHash(salt, key), nil
}

func encodeHash(salt, key []byte) string {
	return fmt.Sprintf("argon2id$%d$%d$%d$%s$%s", argonTime, argonMemory, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// checkPassword says whether password made hash. With a text that is no hash,
// as for unknown users, it takes as long and says no, so that those cannot be
// told from others.
func checkPassword(ctx context.Context, hash, password string) (bool, error) {
	var time, memory uint32
	var threads uint8
	known := true
	fields := strings.Split(hash, "$")
	if len(fields) != 6 || fields[0] != "argon2id" {
		known = false
		fields = strings.Split(nobodysHash, "$")
	}
	if _, err := fmt.Sscanf(strings.Join(fields[1:4], " "), "%d %d %d", &time, &memory, &threads); err != nil {
		return false, fmt.Errorf("stored hash of a password: %w", err)
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(fields[4])
	want, err2 := base64.RawStdEncoding.DecodeString(fields[5])
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("stored hash of a password: %w", err)
	}
	got, err := derive(ctx, password, salt, time, memory, threads)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// nobodysHash is compared with when there is no user.
var nobodysHash = encodeHash(make([]byte, argonSalt), make([]byte, argonKey))

func derive(ctx context.Context, password string, salt []byte, time, memory uint32, threads uint8) ([]byte, error) {
	if err := hashing.enter(ctx, hashWait); err != nil {
		return nil, err
	}
	defer hashing.leave()
	return argon2.IDKey([]byte(password), salt, time, memory, threads, argonKey), nil
}

// newToken makes a token of 40 hex digits and the hash that is stored of it.
// The token is random, so a plain hash is as good as a slow one.
func newToken() (token string, hash []byte) {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	token = hex.EncodeToString(b)
	return token, hashToken(token)
}

func hashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
