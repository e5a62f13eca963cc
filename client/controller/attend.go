package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

const (
	handshakeTimeout = time.Minute
	inputBlock       = 32 << 10 // bytes of input in a message
	maxRunMessage    = 1 << 20  // bytes of a message; the controller's own have 32 KiB
	goodbye          = time.Second
)

// ErrNoAttend says that the controller, or what is on the way to it, does not
// let commands be attended. Nothing has been run.
var ErrNoAttend = errors.New("the controller lets no command be attended")

// ErrCut says that a command's end is not known.
var ErrCut = errors.New("the connection was cut while the command ran; the controller ends the command within 90 seconds")

// RunError is why the controller ended an attended command, or could not run
// it: a sentence.
type RunError string

func (e RunError) Error() string { return string(e) }

// Session is a command that runs and is attended. Write is its input; Wait
// takes its output and must be called. Its other methods may be called beside
// these, and wait while the command does not take its input.
type Session struct {
	conn   *websocket.Conn
	ctx    context.Context // closes conn when it ends
	unhook func() bool
	write  sync.Mutex // one message at a time
}

// Attend starts a command in a container of its own, made as those of the app.
// The container lives until the command ends, the session is closed, or ctx
// ends.
func (c *Client) Attend(ctx context.Context, id string, first RunStart) (*Session, error) {
	p, err := path("/v1/apps/%s/run/stream", id)
	if err != nil {
		return nil, err
	}
	req, err := c.request(ctx, http.MethodGet, p, nil)
	if err != nil {
		return nil, err
	}
	conn, err := c.handshake(ctx, "ws"+strings.TrimPrefix(c.base.String(), "http")+p, req.Header)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxRunMessage)
	s := &Session{conn: conn, ctx: ctx, unhook: context.AfterFunc(ctx, func() { conn.Close() })}
	if err := s.text(first); err != nil {
		s.Close()
		return nil, c.unreached(ctx, err)
	}
	return s, nil
}

// handshake opens a WebSocket. Its library looks at ctx while it connects
// only, so that what comes after is ended with the connection.
func (c *Client) handshake(ctx context.Context, at string, header http.Header) (*websocket.Conn, error) {
	unhook := func() bool { return true }
	dialer := websocket.Dialer{
		NetDialContext: func(dialing context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(dialing, network, addr)
			if err == nil {
				unhook = context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
		Proxy:            proxy,
		TLSClientConfig:  c.tls,
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   inputBlock + 64,
		WriteBufferSize:  inputBlock + 64,
		Subprotocols:     []string{api.RunProtocol},
	}
	conn, resp, err := dialer.DialContext(ctx, at, header)
	hooked := unhook()
	switch {
	case ctx.Err() != nil || err == nil && !hooked:
		if conn != nil {
			conn.Close()
		}
		return nil, context.Cause(ctx)
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, c.unattended(resp)
	case err != nil:
		return nil, c.unreached(ctx, err)
	}
	c.compare(resp)
	if conn.Subprotocol() != api.RunProtocol {
		conn.Close()
		return nil, fmt.Errorf("%w: %s speaks another protocol", ErrNoAttend, c.base)
	}
	return conn, nil
}

// noUpgrade are the answers, beside a 404 that is not the API's, of what knows
// no WebSockets: controllers of Deis v1 and proxies.
var noUpgrade = []int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUpgradeRequired, http.StatusNotImplemented}

// unattended is why there was no WebSocket.
func (c *Client) unattended(resp *http.Response) error {
	err := c.check(resp)
	var refused *Error
	switch {
	case err == nil:
		return ErrNoAttend
	case errors.As(err, &refused) && (slices.Contains(noUpgrade, refused.Status) || refused.Status == http.StatusNotFound && !refused.ofAPI()):
		return fmt.Errorf("%w: %w", ErrNoAttend, err)
	}
	return err
}

// Wait passes the command's output on until its end, and returns its exit
// code. With a terminal all output goes to stdout. The error is a RunError,
// ErrCut, or that of a writer.
func (s *Session) Wait(stdout, stderr io.Writer) (exitCode int, err error) {
	for {
		// No deadline: the controller is silent as long as the command does
		// not take its input. TCP keep-alives find one that is gone.
		kind, message, err := s.conn.ReadMessage()
		switch {
		case s.ctx.Err() != nil:
			return 0, context.Cause(s.ctx)
		case err != nil:
			return 0, ErrCut
		case kind == websocket.TextMessage:
			return s.ended(message)
		case len(message) == 0:
			continue
		}
		to := stdout
		if message[0] == api.RunStderr {
			to = stderr
		}
		if _, err := to.Write(message[1:]); err != nil {
			return 0, err
		}
	}
}

func (s *Session) ended(message []byte) (int, error) {
	var end api.RunEnd
	err := json.Unmarshal(message, &end)
	switch {
	case err != nil || end.Exit == nil && end.Error == "":
		return 0, fmt.Errorf("the controller sent %.40q, which is no end of a command", message)
	case end.Error != "":
		return 0, RunError(end.Error)
	}
	return *end.Exit, nil
}

// Write is the command's input.
func (s *Session) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m := min(inputBlock, len(p)-n)
		if err := s.input(p[n : n+m]); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

func (s *Session) input(p []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	w, err := s.conn.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	_, err1 := w.Write([]byte{api.RunStdin})
	_, err2 := w.Write(p)
	return errors.Join(err1, err2, w.Close())
}

// CloseInput ends the command's input. At a terminal that is Ctrl-D.
func (s *Session) CloseInput() error { return s.text(api.RunControl{EOF: true}) }

// Resize says what size the terminal has got.
func (s *Session) Resize(size RunSize) error { return s.text(api.RunControl{Resize: &size}) }

// Signal sends the command one of HUP, INT, QUIT, TERM, KILL, USR1 and USR2.
func (s *Session) Signal(name string) error { return s.text(api.RunControl{Signal: name}) }

func (s *Session) text(message any) error {
	b, err := httpapi.Marshal(message)
	if err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.conn.WriteMessage(websocket.TextMessage, b)
}

// Close ends the session, and with it the command if that still runs.
func (s *Session) Close() error {
	s.unhook()
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(goodbye))
	return s.conn.Close()
}
