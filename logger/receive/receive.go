// Package receive takes messages by syslog, over TCP and UDP.
//
// Over TCP nothing is dropped: a connection is read only as fast as its lines
// are stored. Over UDP a bounded queue takes up bursts, and what does not fit
// is counted. No input ends anything but, at most, its own connection.
package receive

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/deis/deis/internal/syslog"
)

// Sink is where messages go.
type Sink interface {
	Store([]syslog.Message)
	Unparsed(raw []byte)
}

const (
	connections = 1024
	readBuffer  = 64 << 10
	maxDatagram = 64 << 10
	queueLines  = 8192
	queueBytes  = 16 << 20
	batchLines  = 512
	socketQueue = 4 << 20                // SO_RCVBUF asked for
	lastWords   = 500 * time.Millisecond // for what senders have sent when the logger stops
)

// Receiver reads messages into a Sink.
type Receiver struct {
	sink  Sink
	log   *slog.Logger
	quiet *rate.Limiter // of this package's own log, which must not feed itself

	received *prometheus.CounterVec
	dropped  prometheus.Counter
	open     prometheus.Gauge
	kernel   atomic.Pointer[func() float64]
}

// New makes a Receiver.
func New(sink Sink, log *slog.Logger, metrics prometheus.Registerer) *Receiver {
	r := &Receiver{
		sink: sink, log: log, quiet: rate.NewLimiter(0.1, 1),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deis_logger_received_total", Help: "Messages received, by transport."}, []string{"transport"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logger_queue_dropped_total", Help: "Datagrams dropped because the queue was full."}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_logger_connections", Help: "Open TCP connections."}),
	}
	metrics.MustRegister(r.received, r.dropped, r.open, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "deis_logger_kernel_dropped", Help: "Datagrams that the kernel dropped because the socket was full."}, func() float64 {
		if f := r.kernel.Load(); f != nil {
			return (*f)()
		}
		return 0
	}))
	return r
}

// TCP serves ln until ctx ends. What senders have sent by then is still taken.
func (r *Receiver) TCP(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := semaphore.NewWeighted(connections)
	for {
		if err := slots.Acquire(ctx, 1); err != nil {
			return ctx.Err()
		}
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			slots.Release(1)
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			r.warn("connection not accepted", err)
			select { // out of file descriptors, say: it may pass
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		wg.Go(func() {
			defer slots.Release(1)
			r.serve(ctx, conn)
		})
	}
}

func (r *Receiver) serve(ctx context.Context, conn net.Conn) {
	r.open.Inc()
	defer r.open.Dec()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now().Add(lastWords)) })
	defer stop()
	count := r.received.WithLabelValues("tcp")
	var batch []syslog.Message
	flush := func() {
		if len(batch) > 0 {
			r.sink.Store(batch)
			batch = batch[:0]
		}
	}
	defer flush()
	// Whatever was read is stored before the next read, which may block.
	in := bufio.NewReaderSize(beforeRead{conn, flush}, readBuffer)
	for {
		frame, err := syslog.ReadFrame(in)
		if err != nil {
			if errors.Is(err, syslog.ErrFrame) {
				r.warn("connection closed", err)
			}
			return
		}
		if len(frame) == 0 {
			continue
		}
		count.Inc()
		m, err := syslog.Parse(frame)
		if err != nil {
			r.sink.Unparsed(frame)
			continue
		}
		if batch = append(batch, m); len(batch) >= batchLines {
			flush()
		}
	}
}

// beforeRead calls do before each read.
type beforeRead struct {
	io.Reader
	do func()
}

func (b beforeRead) Read(p []byte) (int, error) {
	b.do()
	return b.Reader.Read(p)
}

// UDP serves conn until ctx ends.
func (r *Receiver) UDP(ctx context.Context, conn net.PacketConn) error {
	if u, ok := conn.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(socketQueue) // the kernel may give less
		drops := func() float64 { return kernelDrops(u.LocalAddr().(*net.UDPAddr).Port) }
		r.kernel.Store(&drops)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	q := make(chan []byte, queueLines)
	var queued atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { r.drain(q, &queued) })
	defer wg.Wait()
	defer close(q)
	count := r.received.WithLabelValues("udp")
	buf := make([]byte, maxDatagram)
	for {
		n, _, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			r.warn("datagram not read", err)
			continue
		}
		count.Inc()
		if queued.Load()+int64(n) > queueBytes {
			r.dropped.Inc()
			continue
		}
		select {
		case q <- append([]byte(nil), buf[:n]...):
			queued.Add(int64(n))
		default:
			r.dropped.Inc()
		}
	}
}

// drain stores what is in q, in batches, until q is closed.
func (r *Receiver) drain(q <-chan []byte, queued *atomic.Int64) {
	var batch []syslog.Message
	take := func(raw []byte) {
		queued.Add(-int64(len(raw)))
		if m, err := syslog.Parse(raw); err != nil {
			r.sink.Unparsed(raw)
		} else {
			batch = append(batch, m)
		}
	}
	for raw := range q {
		take(raw)
		for more := true; more && len(batch) < batchLines; {
			select {
			case raw, ok := <-q:
				if more = ok; ok {
					take(raw)
				}
			default:
				more = false
			}
		}
		if len(batch) > 0 {
			r.sink.Store(batch)
			batch = batch[:0]
		}
	}
}

func (r *Receiver) warn(msg string, err error) {
	if r.quiet.Allow() {
		r.log.Warn(msg, "err", err)
	}
}
