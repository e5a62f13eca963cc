package sshd

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/keys"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// fake lets some keys in, and answers with the key that asked.
type fake struct {
	mu    sync.Mutex
	known map[string]bool
	run   func(context.Context, Session) int
}

func (f *fake) Known(_ context.Context, key []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[string(key)]
}

func (f *fake) Accepts(command string) bool { return command == "who" }

func (f *fake) Run(ctx context.Context, s Session) int {
	if f.run != nil {
		return f.run(ctx, s)
	}
	_, _ = s.Stdout.Write(s.Key)
	return 3
}

func serve(t *testing.T, h Handler, connections int) (addr string) {
	t.Helper()
	pem, err := newHostKey(kinds[0].generate)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{HostKeys: []string{pem}, MaxConnections: connections, Version: "test", Log: quiet}, h)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln, 10*time.Second) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func newSigner(t testing.TB) gossh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func dial(addr string, signers ...gossh.Signer) (*gossh.Client, error) {
	return gossh.Dial("tcp", addr, &gossh.ClientConfig{
		User: "git", Auth: []gossh.AuthMethod{gossh.PublicKeys(signers...)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(), Timeout: 30 * time.Second,
	})
}

// who asks the server which key it believes to speak with.
func who(c *gossh.Client) (string, error) {
	s, err := c.NewSession()
	if err != nil {
		return "", err
	}
	defer s.Close()
	out, err := s.Output("who")
	var exit *gossh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		return "", fmt.Errorf("exit status: %w", err)
	}
	return string(out), nil
}

func TestParallelHandshakesNeverMix(t *testing.T) {
	f := &fake{known: map[string]bool{}}
	var signers []gossh.Signer
	for range 100 {
		s := newSigner(t)
		signers = append(signers, s)
		f.known[string(s.PublicKey().Marshal())] = true
	}
	addr := serve(t, f, 300)
	stranger := newSigner(t)
	var wg sync.WaitGroup
	for i, s := range signers {
		wg.Go(func() {
			c, err := dial(addr, s)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if got, err := who(c); err != nil || got != string(s.PublicKey().Marshal()) {
				t.Errorf("%d: %v", i, err)
			}
		})
		if i%10 == 0 {
			wg.Go(func() {
				if c, err := dial(addr, stranger); err == nil {
					c.Close()
					t.Error("a stranger is in")
				}
			})
		}
	}
	wg.Wait()
}

func TestKindsOfKeys(t *testing.T) {
	e, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	ec, err1 := gossh.NewSignerFromKey(e)
	rs, err2 := gossh.NewSignerFromKey(r)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	sha1Only, err := gossh.NewSignerWithAlgorithms(rs.(gossh.AlgorithmSigner), []string{gossh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{known: map[string]bool{}}
	addr := serve(t, f, 10)
	for name, c := range map[string]struct {
		signer gossh.Signer
		ok     bool
	}{"ed25519": {newSigner(t), true}, "ecdsa": {ec, true}, "rsa-sha2": {rs, true}, "ssh-rsa (SHA-1)": {sha1Only, false}} {
		f.mu.Lock()
		f.known[string(c.signer.PublicKey().Marshal())] = true
		f.mu.Unlock()
		conn, err := dial(addr, c.signer)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestOnlyOneCommandAndNothingElse(t *testing.T) {
	signer := newSigner(t)
	f := &fake{known: map[string]bool{string(signer.PublicKey().Marshal()): true}}
	c, err := dial(serve(t, f, 10), signer)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.OpenChannel("direct-tcpip", nil); err == nil {
		t.Error("forwarding")
	}
	if ok, _, err := c.SendRequest("tcpip-forward", true, nil); ok || err != nil {
		t.Error("remote forwarding", err)
	}
	for what, ask := range map[string]func(*gossh.Session) error{
		"shell":     func(s *gossh.Session) error { return s.Shell() },
		"pty":       func(s *gossh.Session) error { return s.RequestPty("xterm", 80, 24, nil) },
		"subsystem": func(s *gossh.Session) error { return s.RequestSubsystem("sftp") },
		"exec":      func(s *gossh.Session) error { return s.Start("id") },
	} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(s); err == nil {
			t.Errorf("%s was granted", what)
		}
		if _, err := s.SendRequest("env", true, nil); err == nil { // closed
			t.Errorf("after %s the session goes on", what)
		}
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setenv("GIT_DIR", "/"); err != nil {
		t.Error("env:", err)
	}
	if ok, err := s.SendRequest("auth-agent-req@openssh.com", true, nil); ok || err != nil {
		t.Error("agent:", ok, err)
	}
	if err := s.Start("who"); err != nil {
		t.Error("exec after refused habits:", err)
	}
}

func TestGoneClientEndsItsCommand(t *testing.T) {
	signer := newSigner(t)
	began, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	f := &fake{known: map[string]bool{string(signer.PublicKey().Marshal()): true}, run: func(ctx context.Context, _ Session) int {
		began <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return 0
	}}
	addr := serve(t, f, 10)
	for what, leave := range map[string]func(*gossh.Client, *gossh.Session){
		"connection": func(c *gossh.Client, _ *gossh.Session) { c.Close() },
		"channel":    func(_ *gossh.Client, s *gossh.Session) { s.Close() },
	} {
		c, err := dial(addr, signer)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start("who"); err != nil {
			t.Fatal(err)
		}
		<-began
		leave(c, s)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("after the end of its %s the command runs", what)
		}
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	signer := newSigner(t)
	f := &fake{known: map[string]bool{string(signer.PublicKey().Marshal()): true}}
	addr := serve(t, f, 1)
	first, err := dial(addr, signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial(addr, signer); err == nil {
		t.Error("a second connection")
	}
	first.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := dial(addr, signer)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the slot was not given back:", err)
		}
	}
}

func TestNoHostKeysFailsStart(t *testing.T) {
	if _, err := New(Config{Log: quiet, MaxConnections: 1}, &fake{}); err == nil {
		t.Error("started with a key that was made up")
	}
}

func TestHostKeysAreKept(t *testing.T) {
	srv := etcdtest.Start(t)
	kv := srv.Dial()
	ctx := t.Context()
	first, err := HostKeys(ctx, quiet, kv)
	if err != nil || len(first) != 3 {
		t.Fatal(len(first), err)
	}
	again, err := HostKeys(ctx, quiet, kv)
	if err != nil || strings.Join(first, "") != strings.Join(again, "") {
		t.Error("other keys the second time", err)
	}
	if _, err := kv.Put(ctx, keys.SSHHostKey("rsa"), "junk"); err != nil {
		t.Fatal(err)
	}
	if some, err := HostKeys(ctx, quiet, kv); err != nil || len(some) != 2 {
		t.Error(len(some), err)
	}
	if e, _, _ := kv.Get(ctx, keys.SSHHostKey("rsa")); e.Value != "junk" {
		t.Error("a key was replaced")
	}
	srv.Stop()
	if _, err := HostKeys(ctx, quiet, kv); err == nil {
		t.Error("keys without etcd")
	}
	srv.Restart()
	if e, _, err := kv.Get(ctx, keys.SSHHostKey("ed25519")); err != nil || e.Value != first[0] {
		t.Error("an outage cost the host key", err)
	}
}

// line is a public key as the controller stores it.
func line(s gossh.Signer, comment string) string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(s.PublicKey()))) + " " + comment
}

func TestUsers(t *testing.T) {
	u := &Users{Log: quiet}
	if u.Loaded() {
		t.Error("loaded")
	}
	a, b := newSigner(t), newSigner(t)
	fp := gossh.FingerprintLegacyMD5(a.PublicKey())
	state := etcd.State{Keys: map[string]etcd.Entry{
		keys.BuilderUser("zoe", fp):       {Value: line(a, "one"), Mod: 1},
		keys.BuilderUser("bob", fp):       {Value: line(a, "two"), Mod: 2},
		keys.BuilderUser("bob", "broken"): {Value: "no key", Mod: 3},
		keys.BuilderUsers + "x":           {Value: "", Mod: 4},
	}}
	u.Apply(state)
	if user, got, ok := u.Lookup(a.PublicKey().Marshal()); !ok || user != "bob" || got != fp {
		t.Error(user, got, ok)
	}
	if _, _, ok := u.Lookup(b.PublicKey().Marshal()); ok {
		t.Error("unknown key")
	}
	delete(state.Keys, keys.BuilderUser("bob", fp))
	u.Apply(state)
	if user, _, ok := u.Lookup(a.PublicKey().Marshal()); !ok || user != "zoe" {
		t.Error(user, ok)
	}
	state.Keys[keys.BuilderUser("zoe", fp)] = etcd.Entry{Value: line(b, ""), Mod: 9} // replaced
	u.Apply(state)
	if _, _, ok := u.Lookup(a.PublicKey().Marshal()); ok {
		t.Error("the old key still works")
	}
	if user, _, ok := u.Lookup(b.PublicKey().Marshal()); !ok || user != "zoe" {
		t.Error(user, ok)
	}
}

func TestFingerprintIsDeisV1s(t *testing.T) {
	const text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f comment"
	u := &Users{Log: quiet}
	u.Apply(etcd.State{Keys: map[string]etcd.Entry{keys.BuilderUser("a", "x"): {Value: text, Mod: 1}}})
	key, _, _, _, err := gossh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, fp, _ := u.Lookup(key.Marshal()); len(fp) != 47 || strings.Count(fp, ":") != 15 || fp != strings.ToLower(fp) {
		t.Error(fp)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u := &Users{Log: quiet}
			state := etcd.State{Keys: make(map[string]etcd.Entry, n)}
			var last gossh.Signer
			for i := range n {
				last = newSigner(b)
				state.Keys[keys.BuilderUser(fmt.Sprint("user", i), "fp")] = etcd.Entry{Value: line(last, ""), Mod: int64(i)}
			}
			u.Apply(state)
			wire := last.PublicKey().Marshal()
			for b.Loop() {
				if _, _, ok := u.Lookup(wire); !ok {
					b.Fatal("unknown")
				}
			}
		})
	}
}
