package deis

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"
)

// refuses fails unless err says want, and nothing else, at the field.
func refuses(t *testing.T, err error, field, want string) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok || e.Kind != Invalid || !reflect.DeepEqual(e.Fields, map[string][]string{field: {want}}) {
		t.Errorf("%v, want %s: %s", err, field, want)
	}
}

func TestPushIDs(t *testing.T) {
	_, err := NewBuild{Image: "a", Push: "a b"}.parse()
	refuses(t, err, "push", "This is not the id of a push.")
}

func TestTooMuchConfig(t *testing.T) {
	refuses(t, checkSize(Config{Values: map[string]string{"A": strings.Repeat("x", maxConfigBytes)}}), "values",
		"A config holds at most 1000 keys and 1048576 bytes.")
	many := map[string]string{}
	for i := range maxProcessTypes + 1 {
		many[strings.Repeat("a", i+1)] = "1G"
	}
	refuses(t, checkSize(Config{Memory: many}), "memory", "A config holds at most 100 of them.")
}

// TestKeyOfNoSignature: a private key may parse and yet sign nothing.
func TestKeyOfNoSignature(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	_, problem := parsePrivateKey(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if problem != "The private key is neither RSA nor ECDSA nor Ed25519." {
		t.Error(problem)
	}
}

// taken are records in which every app id is.
type taken struct{ Records }

func (taken) InTx(context.Context, func(Tx) error) error { return ErrNotUnique("id") }

// etcdUp is an etcd that answers.
type etcdUp struct{ Mirror }

func (etcdUp) Answers(context.Context) error { return nil }

func TestNoNameIsFree(t *testing.T) {
	c := New(Needs{Records: taken{}, Mirror: etcdUp{}})
	_, err := c.CreateApp(t.Context(), User{Username: "bob"}, NewApp{})
	if KindOf(err) != Unavailable || err.Error() != "No free name was found; choose an app id." {
		t.Error(err)
	}
}

// gone are the records of a user who is no longer active.
type gone struct {
	Records
	hash string
}

func (g gone) PasswordHash(context.Context, string) (string, error) { return g.hash, nil }
func (gone) User(context.Context, string) (User, error)             { return User{Username: "bob"}, nil }
func (gone) UserByToken(context.Context, []byte) (User, error)      { return User{Username: "bob"}, nil }
func (gone) App(context.Context, string) (App, error)               { return App{ID: "demo", Owner: "bob"}, nil }
func (gone) CreateToken(context.Context, string, []byte) error      { panic("a token for who is gone") }
func (gone) LatestRelease(context.Context, string) (Release, error) {
	panic("a config for who is gone")
}
func (gone) Granted(context.Context, string, string) (bool, error) { return true, nil }
func (gone) CreatePush(context.Context, Push) (_ Push, _ error)    { panic("a push of who is gone") }
func (gone) Config(context.Context, string, string) (_ Config, _ error) {
	panic("a config for who is gone")
}

func TestInactiveUser(t *testing.T) {
	hash, err := hashPassword(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Needs{Records: gone{hash: hash}})
	_, err = c.Login(t.Context(), home, "bob", "secret")
	refuses(t, err, "non_field_errors", "User account is disabled.")
	_, err = c.Login(t.Context(), home, "bob", "wrong")
	refuses(t, err, "non_field_errors", "Unable to log in with provided credentials.")
	if _, err := c.Authenticate(t.Context(), "token"); KindOf(err) != Unauthorized || err.Error() != "User inactive or deleted" {
		t.Error(err)
	}
	if _, err := c.ConfigHook(t.Context(), "bob", "demo"); KindOf(err) != Forbidden {
		t.Error(err)
	}
}
