package ship

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	dialTimeout  = 3 * time.Second
	writeTimeout = 20 * time.Second
	minPause     = 100 * time.Millisecond // between attempts to connect
	maxPause     = 3 * time.Second
	batchLines   = 1024
	batchBytes   = 128 << 10
)

// Sender sends a Queue's lines to the target, over one connection.
type Sender struct {
	queue *Queue
	log   *slog.Logger

	mu      sync.Mutex
	target  Target
	changed chan struct{} // closed, and replaced, with the target

	pending []item // taken and not sent

	lines, bytes, connects prometheus.Counter
	connected, lag         prometheus.Gauge
}

// NewSender makes a Sender without a target.
func NewSender(queue *Queue, log *slog.Logger, metrics prometheus.Registerer) *Sender {
	s := &Sender{
		queue: queue, log: log, changed: make(chan struct{}),
		lines: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logspout_lines_total", Help: "Lines sent."}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logspout_sent_bytes_total", Help: "Bytes sent."}),
		connects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logspout_connects_total", Help: "Connections made to the logger."}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_logspout_connected", Help: "1 while there is a connection to the logger."}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_logspout_lag_seconds", Help: "Age of the last line when it was sent."}),
	}
	metrics.MustRegister(s.lines, s.bytes, s.connects, s.connected, s.lag)
	return s
}

// Use changes the target.
func (s *Sender) Use(t Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.target == t {
		return
	}
	s.target = t
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Sender) current() (Target, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.target, s.changed
}

// Run sends until ctx ends, whatever happens to targets and connections.
func (s *Sender) Run(ctx context.Context) error {
	pause := minPause
	for ctx.Err() == nil {
		target, changed := s.current()
		if target == (Target{}) {
			select { // quietly: there may be no logger yet
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		worked, err := s.session(ctx, target, changed)
		if ctx.Err() != nil {
			break
		}
		if worked {
			pause = minPause
		}
		if err == nil { // another target
			continue
		}
		s.log.Warn("logger not reached, trying again", "addr", target.Addr, "err", err, "pause", pause.String())
		wait, cancel := context.WithTimeout(ctx, pause/2+rand.N(pause/2))
		select {
		case <-wait.Done():
		case <-changed:
		}
		cancel()
		pause = min(2*pause, maxPause)
	}
	return ctx.Err()
}

// session sends over one connection until it breaks, or the target changes,
// when it returns nil. worked says that something was sent.
func (s *Sender) session(ctx context.Context, target Target, changed <-chan struct{}) (worked bool, err error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, target.Network, target.Addr)
	if err != nil {
		return false, err
	}
	s.connects.Inc()
	s.connected.Set(1)
	s.queue.flow(true)
	s.log.Info("connected to the logger", "addr", target.Addr)
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer func() {
		s.queue.flow(false)
		s.connected.Set(0)
		cancel(nil)
		_ = conn.Close()
		wg.Wait()
	}()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	wg.Go(func() {
		select {
		case <-changed:
			cancel(errChanged)
		case <-ctx.Done():
		}
	})
	if target.Network == "tcp" {
		// The logger sends nothing: what ends this read is the connection's
		// end, seen before a write could lose lines to it.
		wg.Go(func() {
			_, err := io.Copy(io.Discard, conn)
			cancel(errors.Join(errClosed, err))
		})
	}
	for {
		n, err := s.send(ctx, conn, target)
		worked = worked || n > 0
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errChanged):
			return worked, nil
		case cause != nil:
			return worked, cause
		case err != nil:
			return worked, err
		}
	}
}

var (
	errChanged = errors.New("the logger is elsewhere now")
	errClosed  = errors.New("the logger closed the connection")
)

// send sends a batch and says how many lines went. Those that did not stay
// pending, for the next connection.
func (s *Sender) send(ctx context.Context, conn net.Conn, target Target) (n int, err error) {
	if len(s.pending) == 0 {
		if s.pending, err = s.queue.take(ctx, batchLines); err != nil {
			return 0, err
		}
	}
	if err := ctx.Err(); err != nil { // ended while it waited: the next connection takes them
		return 0, err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	var written int
	if target.Network == "udp" {
		n, written, err = s.datagrams(conn, target)
	} else {
		n, written, err = s.stream(conn, target)
	}
	s.bytes.Add(float64(written))
	s.lines.Add(float64(n))
	for _, it := range s.pending[:n] {
		if !it.notice {
			s.queue.sent(it.source, it.message.Time)
		}
	}
	if n > 0 {
		s.lag.Set(time.Since(s.pending[n-1].message.Time).Seconds())
	}
	s.pending = s.pending[n:]
	return n, err
}

// stream writes what is pending, up to a bound, in one write. What the kernel
// has taken counts as sent.
func (s *Sender) stream(conn net.Conn, target Target) (n, written int, err error) {
	var block []byte
	var ends []int
	for _, it := range s.pending {
		if block = target.append(block, it.message); len(ends) > 0 && len(block) > batchBytes {
			block = block[:ends[len(ends)-1]]
			break
		}
		ends = append(ends, len(block))
	}
	written, err = conn.Write(block)
	for n < len(ends) && ends[n] <= written {
		n++
	}
	return n, written, err
}

func (s *Sender) datagrams(conn net.Conn, target Target) (n, written int, err error) {
	for _, it := range s.pending {
		w, err := conn.Write(target.append(nil, it.message))
		if err != nil {
			return n, written, err
		}
		n++
		written += w
	}
	return n, written, nil
}
