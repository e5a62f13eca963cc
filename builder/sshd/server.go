// Package sshd is the builder's SSH server: host keys shared through etcd,
// users known by their keys alone, and one command for each session.
package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// Limits of connections.
const (
	maxAuthTries    = 6
	idleTimeout     = 30 * time.Second // without a session, the handshake included
	keepaliveEvery  = 30 * time.Second
	keepaliveMissed = 3  // in a row, then the client is gone
	maxSessions     = 10 // of one connection at once
)

// Session is what a client wants, after it has proved who it is.
type Session struct {
	Key        []byte // wire form of the key that signed
	Connection string // client's address and port, ours
	Command    string // as the client wrote it
	Stdin      io.Reader
	Stdout     io.Writer
	Stderr     io.Writer
}

// Handler is what the server leaves to others.
type Handler interface {
	// Known says whether a key may log in. It decides nothing else.
	Known(ctx context.Context, key []byte) bool
	// Accepts says whether there is such a command at all.
	Accepts(command string) bool
	// Run carries out a command and returns its exit status. ctx ends with the
	// connection.
	Run(ctx context.Context, s Session) int
}

// Config is how a Server runs.
type Config struct {
	HostKeys       []string // PEM
	MaxConnections int
	Version        string
	Log            *slog.Logger
}

// Server answers SSH clients.
type Server struct {
	ssh      *ssh.Server
	handler  Handler
	log      *slog.Logger
	slots    chan struct{} // of connections
	sessions tracker
}

// New makes a Server.
func New(cfg Config, h Handler) (*Server, error) {
	s := &Server{handler: h, log: cfg.Log, slots: make(chan struct{}, cfg.MaxConnections)}
	s.ssh = &ssh.Server{
		Version:          cfg.Version,
		PublicKeyHandler: func(ctx ssh.Context, key ssh.PublicKey) bool { return h.Known(ctx, key.Marshal()) },
		ServerConfigCallback: func(ssh.Context) *gossh.ServerConfig {
			return &gossh.ServerConfig{MaxAuthTries: maxAuthTries, VerifiedPublicKeyCallback: signed, PublicKeyAuthAlgorithms: signatures}
		},
		ConnCallback:    s.admit,
		ChannelHandlers: map[string]ssh.ChannelHandler{"session": s.session},
		RequestHandlers: map[string]ssh.RequestHandler{},
	}
	for _, text := range cfg.HostKeys {
		signer, err := gossh.ParsePrivateKey([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
		s.ssh.AddHostKey(signer)
	}
	if len(s.ssh.HostSigners) == 0 {
		return nil, errors.New("there are no host keys") // else one would be made up
	}
	return s, nil
}

// signatures are those by which a client may prove who it is: none by SHA-1,
// none of DSA, and no certificates.
var signatures = []string{
	gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519, gossh.KeyAlgoECDSA256, gossh.KeyAlgoSKECDSA256,
	gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521, gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSASHA512,
}

// signedKey is where a connection's permissions hold the key that signed.
const signedKey = "deis-key"

// signed is called when a client has proved that it holds a key. What a client
// only offered before leaves no trace: its permissions begin here.
func signed(_ gossh.ConnMetadata, key gossh.PublicKey, _ *gossh.Permissions, _ string) (*gossh.Permissions, error) {
	return &gossh.Permissions{Extensions: map[string]string{signedKey: string(key.Marshal())}}, nil
}

// Serve answers on ln until ctx ends; then it takes no new connections and no
// new sessions, and waits for those that run, at most for drain.
func (s *Server) Serve(ctx context.Context, ln net.Listener, drain time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- s.ssh.Serve(patient{ln, s.log}) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	past, cancel := context.WithCancel(ctx)
	cancel()
	_ = s.ssh.Shutdown(past) // closes the listener, waits for nothing
	err := s.sessions.drain(drain)
	_ = s.ssh.Close()
	<-failed
	return err
}

// admit takes a connection in if there is room, and gives it a time in which
// to say who it is and what it wants.
func (s *Server) admit(ctx ssh.Context, conn net.Conn) net.Conn {
	select {
	case s.slots <- struct{}{}:
	default:
		s.log.Warn("connection refused, too many are open", "addr", conn.RemoteAddr().String())
		return nil
	}
	c := &connection{Conn: conn, release: sync.OnceFunc(func() { <-s.slots })}
	c.idle()
	ctx.SetValue(connectionKey{}, c)
	return c
}

type connectionKey struct{}

// connection gives its slot back when it is closed. Its deadline is that of a
// client that has no session, which gliderlabs would take away with each read.
type connection struct {
	net.Conn
	release func()

	mu       sync.Mutex
	sessions int
	alive    bool // keepalives are sent
}

func (c *connection) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// SetDeadline does nothing: see idle and begin.
func (c *connection) SetDeadline(time.Time) error { return nil }

func (c *connection) idle() { _ = c.Conn.SetDeadline(time.Now().Add(idleTimeout)) } // an error shows at the next read

// begin counts a session; first is true for the first.
func (c *connection) begin() (first, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions == maxSessions {
		return false, false
	}
	c.sessions++
	_ = c.Conn.SetDeadline(time.Time{})
	first, c.alive = !c.alive, true
	return first, true
}

func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions--; c.sessions == 0 {
		c.idle()
	}
}

// keepalive closes a connection whose client does not answer any more. Any
// answer will do.
func keepalive(ctx context.Context, conn *gossh.ServerConn) {
	ticker := time.NewTicker(keepaliveEvery)
	defer ticker.Stop()
	answers := make(chan error, keepaliveMissed)
	for missed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case err := <-answers:
			if err != nil {
				return
			}
			missed = 0
			continue
		case <-ticker.C:
		}
		if missed++; missed > keepaliveMissed {
			_ = conn.Close()
			return
		}
		go func() {
			_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
			answers <- err
		}()
	}
}

// patient is a listener that survives what goes wrong with one connection.
type patient struct {
	net.Listener
	log *slog.Logger
}

func (p patient) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := p.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		p.log.Warn("connection not accepted", "err", err)
		time.Sleep(pause)
	}
}
