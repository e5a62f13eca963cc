package sshd

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// Users are the SSH keys that may log in, and whose they are. The zero value
// knows none.
type Users struct {
	Log *slog.Logger

	mu    sync.RWMutex
	known map[string]known    // by etcd key
	users map[string][]string // by wire form of the SSH key: users, sorted
}

// known is an etcd key as it was taken in.
type known struct {
	mod  int64
	user string
	wire string // empty: the value is no SSH key
}

// Apply takes in the state of keys.BuilderUsers. Only what changed is parsed.
func (u *Users) Apply(s etcd.State) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known, u.users = map[string]known{}, map[string][]string{}
	}
	for key, was := range u.known {
		if now, ok := s.Keys[key]; !ok || now.Mod != was.mod {
			u.remove(key, was)
		}
	}
	for key, entry := range s.Keys {
		if _, ok := u.known[key]; !ok {
			u.add(key, entry)
		}
	}
}

func (u *Users) add(key string, entry etcd.Entry) {
	user, _, ok := keys.SplitBuilderUser(key)
	if !ok {
		return
	}
	k := known{mod: entry.Mod, user: user}
	if public, _, _, _, err := gossh.ParseAuthorizedKey([]byte(entry.Value)); err == nil {
		k.wire = string(public.Marshal())
	} else {
		u.Log.Warn("SSH key ignored", "key", key, "err", err)
	}
	u.known[key] = k
	if k.wire == "" {
		return
	}
	of := u.users[k.wire]
	if i, found := slices.BinarySearch(of, user); !found {
		of = slices.Insert(of, i, user)
		u.users[k.wire] = of
	}
	if len(of) > 1 {
		u.Log.Warn("one SSH key has several users, the first is taken", "key", key, "user", of[0])
	}
}

func (u *Users) remove(key string, k known) {
	delete(u.known, key)
	if k.wire == "" {
		return
	}
	for _, other := range u.known {
		if other.wire == k.wire && other.user == k.user { // the same key with two comments
			return
		}
	}
	of := slices.DeleteFunc(slices.Clone(u.users[k.wire]), func(user string) bool { return user == k.user })
	if len(of) == 0 {
		delete(u.users, k.wire)
		return
	}
	u.users[k.wire] = of
}

// Lookup says whose a key is, in its wire form, and its fingerprint as Deis v1
// writes it: MD5, in pairs of hexadecimal digits.
func (u *Users) Lookup(wire []byte) (user, fingerprint string, ok bool) {
	u.mu.RLock()
	of := u.users[string(wire)]
	u.mu.RUnlock()
	if len(of) == 0 {
		return "", "", false
	}
	public, err := gossh.ParsePublicKey(wire)
	if err != nil {
		return "", "", false
	}
	return of[0], strings.ToLower(gossh.FingerprintLegacyMD5(public)), true
}

// Loaded says whether Apply was called.
func (u *Users) Loaded() bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.known != nil
}
