package rest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deis/deis/internal/httpapi"
)

// Deadlines of a connection. A request has none as a whole: deploys take long.
const (
	headerTimeout = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	writeTimeout  = 5 * time.Minute // of one write that a client does not take
	maxHeader     = 64 << 10        // bytes
)

// Serve answers on ln with h until ctx ends, then waits for the requests in
// flight as httpapi.ServeServer does, and as long again for those that have
// taken their connections over. Streams are told by stopping. Unlike net/http it writes reason phrases
// in upper case ("404 NOT FOUND"): scripts look for them.
func Serve(ctx context.Context, log *slog.Logger, ln net.Listener, h http.Handler) error {
	stop := ctx.Done()
	var running sync.WaitGroup
	defer waitFor(&running, httpapi.Shutdown)
	return httpapi.ServeServer(ctx, listener{ln}, &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Done()
			if c, ok := r.Context().Value(connKey{}).(*conn); ok {
				c.begin()
			}
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // OPTIONS * has our headers too
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(context.WithValue(ctx, stopKey{}, stop), connKey{}, c)
		},
		ConnState: func(nc net.Conn, state http.ConnState) {
			if c, ok := nc.(*conn); ok && state == http.StateHijacked {
				c.hijacked.Store(true)
			}
		},
	})
}

// waitFor waits until all have ended, but no longer than limit.
func waitFor(all *sync.WaitGroup, limit time.Duration) {
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(limit):
	}
}

type connKey struct{}

// listener makes a conn of each connection.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc}
	c.begin() // a request too broken to reach a handler is answered as well
	return c, nil
}

// conn changes the reason phrases of the responses that a server writes. The
// server begins a response only after the one before was written, so that the
// start of its handler tells where status lines are; no body is looked at.
type conn struct {
	net.Conn
	hijacked atomic.Bool // no longer HTTP: nothing is touched
	looking  atomic.Bool // a status line is ahead

	mu     sync.Mutex
	line   statusLine
	buffer []byte // a changed copy of what is written
}

// begin says that the next byte written is the first of a response.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line.begin()
	c.looking.Store(true)
}

func (c *conn) Write(p []byte) (int, error) {
	if c.hijacked.Load() {
		return c.Conn.Write(p)
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	if !c.looking.Load() {
		return c.Conn.Write(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to := c.line.phrase(p)
	if c.line.part == pass {
		c.looking.Store(false)
	}
	if from == to {
		return c.Conn.Write(p)
	}
	c.buffer = append(c.buffer[:0], p...) // p is the caller's
	upper(c.buffer[from:to])
	return c.Conn.Write(c.buffer)
}

// CloseWrite lets the server end a connection so that the client still reads
// the answer to a request whose body was not taken.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
