package sshd

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// maxConnectionText bounds Session.Connection, as Deis v1 does.
const maxConnectionText = 255

// session serves one channel: one command, and nothing else that SSH offers.
func (s *Server) session(_ *ssh.Server, conn *gossh.ServerConn, offered gossh.NewChannel, ctx ssh.Context) {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok || conn.Permissions == nil || conn.Permissions.Extensions[signedKey] == "" {
		_ = offered.Reject(gossh.Prohibited, "not authenticated")
		return
	}
	if !s.sessions.add() {
		_ = offered.Reject(gossh.ResourceShortage, "the builder is stopping")
		return
	}
	defer s.sessions.done()
	first, ok := c.begin()
	if !ok {
		_ = offered.Reject(gossh.ResourceShortage, "too many sessions")
		return
	}
	defer c.end()
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	if first {
		go keepalive(ctx, conn) // ends with the connection
	}
	defer channel.Close()
	command, ok := s.command(requests)
	if !ok {
		return
	}
	s.run(ctx, conn, command, channel, requests)
}

// command answers requests until one is a command that there is. What a client
// may ask by habit is refused or ignored; what would leave it waiting for a
// shell ends the session.
func (s *Server) command(requests <-chan *gossh.Request) (command string, ok bool) {
	for req := range requests {
		switch req.Type {
		case "env":
			_ = req.Reply(true, nil) // and forgotten
		case "exec":
			var payload struct{ Command string }
			if err := gossh.Unmarshal(req.Payload, &payload); err == nil && s.handler.Accepts(payload.Command) {
				_ = req.Reply(true, nil)
				return payload.Command, true
			}
			_ = req.Reply(false, nil)
			return "", false
		case "shell", "pty-req", "subsystem":
			_ = req.Reply(false, nil)
			return "", false
		default:
			_ = req.Reply(false, nil)
		}
	}
	return "", false
}

// run carries out a command until it or its channel ends.
func (s *Server) run(ctx context.Context, conn *gossh.ServerConn, command string, channel gossh.Channel, requests <-chan *gossh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	status := make(chan int, 1)
	go func() {
		status <- s.handler.Run(ctx, Session{
			Key:        []byte(conn.Permissions.Extensions[signedKey]),
			Connection: connectionText(conn.RemoteAddr(), conn.LocalAddr()),
			Command:    command,
			Stdin:      channel,
			Stdout:     channel,
			Stderr:     channel.Stderr(),
		})
	}()
	for {
		select {
		case code := <-status:
			_, _ = channel.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{uint32(code)}))
			return
		case req, open := <-requests:
			if !open { // the client has closed the channel
				cancel()
				<-status
				return
			}
			_ = req.Reply(false, nil)
		}
	}
}

// connectionText is what SSH_CONNECTION holds: both ends, address and port.
func connectionText(remote, local net.Addr) string {
	var text string
	for _, addr := range []net.Addr{remote, local} {
		host, port, err := net.SplitHostPort(addr.String())
		if err != nil {
			host, port = addr.String(), "0"
		}
		if text != "" {
			text += " "
		}
		text += host + " " + port
	}
	return text[:min(len(text), maxConnectionText)]
}

// tracker counts sessions, so that the last one can be waited for.
type tracker struct {
	mu      sync.Mutex
	n       int
	closing bool
	empty   chan struct{} // closed when closing and n is 0
}

func (t *tracker) add() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	t.n++
	return true
}

func (t *tracker) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.closing {
		close(t.empty)
	}
}

// drain takes no more and waits until there is none.
func (t *tracker) drain(limit time.Duration) error {
	t.mu.Lock()
	t.closing, t.empty = true, make(chan struct{})
	if t.n == 0 {
		close(t.empty)
	}
	t.mu.Unlock()
	select {
	case <-t.empty:
		return nil
	case <-time.After(limit):
		return errors.New("sessions were cut off")
	}
}
