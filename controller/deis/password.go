package deis

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

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

// hashing bounds how many hashes are computed at once: each takes 19 MiB.
var hashing = make(chan struct{}, 4)

// hashPassword makes the text that is stored for a password.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	return fmt.Sprintf("argon2id$%d$%d$%d$%s$%s", argonTime, argonMemory, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt),
		base64.RawStdEncoding.EncodeToString(derive(password, salt, argonTime, argonMemory, argonThreads)))
}

// checkPassword says whether password made hash. With an empty hash it takes
// as long and says no, so that unknown users cannot be told from known ones.
func checkPassword(hash, password string) bool {
	var time, memory uint32
	var threads uint8
	known := true
	fields := strings.Split(hash, "$")
	if len(fields) != 6 || fields[0] != "argon2id" {
		known = false
		fields = strings.Split(unknownHash, "$")
	}
	if _, err := fmt.Sscanf(strings.Join(fields[1:4], " "), "%d %d %d", &time, &memory, &threads); err != nil {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(fields[4])
	want, err2 := base64.RawStdEncoding.DecodeString(fields[5])
	if err1 != nil || err2 != nil {
		return false
	}
	got := derive(password, salt, time, memory, threads)
	return subtle.ConstantTimeCompare(got, want) == 1 && known
}

// unknownHash is compared with when there is no user.
var unknownHash = hashPassword("")

func derive(password string, salt []byte, time, memory uint32, threads uint8) []byte {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return argon2.IDKey([]byte(password), salt, time, memory, threads, argonKey)
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
