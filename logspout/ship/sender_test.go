package ship

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/internal/syslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logger is the other end of a TCP target.
type logger struct {
	t    *testing.T
	addr string
	ln   net.Listener
	wg   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	raw   []string
	texts []string
}

func (l *logger) start() {
	l.t.Helper()
	if l.addr == "" {
		l.addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.ln, l.addr = ln, ln.Addr().String()
	l.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.conns = append(l.conns, conn)
			l.mu.Unlock()
			l.wg.Go(func() { l.read(conn) })
		}
	})
}

func (l *logger) read(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		frame, err := syslog.ReadFrame(in)
		if err != nil {
			return
		}
		m, err := syslog.Parse(frame)
		if err != nil {
			l.t.Errorf("%q: %v", frame, err)
		}
		l.mu.Lock()
		l.raw, l.texts = append(l.raw, string(frame)), append(l.texts, m.Text)
		l.mu.Unlock()
	}
}

func (l *logger) stop() {
	_ = l.ln.Close()
	l.mu.Lock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *logger) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.texts...)
}

func (l *logger) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func newLogger(t *testing.T) *logger {
	l := &logger{t: t}
	l.start()
	t.Cleanup(l.stop)
	return l
}

func (l *logger) target() Target { return Target{Network: "tcp", Addr: l.addr} }

// sending is a Sender that runs.
type sending struct {
	*Sender
	q    *Queue
	mu   sync.Mutex
	sent int
}

func newSending(t *testing.T) *sending {
	t.Helper()
	s := new(sending)
	s.q = NewQueue(func(string, time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sent++
	}, prometheus.NewRegistry())
	s.Sender = NewSender(s.q, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended: %v", err)
		}
	})
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		t.Fatalf("never: %s", what)
	}
}

func TestSendsAndFollowsItsTarget(t *testing.T) {
	s, first, second := newSending(t), newLogger(t), newLogger(t)
	add(t, s.q, "a", "before there is a logger")
	s.Use(first.target())
	eventually(t, "the first", func() bool { return len(first.got()) == 1 })
	if raw := first.raw[0]; !strings.HasPrefix(raw, "<134>1 2001-09-09T01:46:40.000000Z - a web.1 - [deis@32473]") {
		t.Errorf("%q", raw)
	}
	s.Use(second.target())
	eventually(t, "connected to the second", func() bool { return second.connections() == 1 })
	add(t, s.q, "a", "elsewhere")
	eventually(t, "the second", func() bool { return len(second.got()) == 1 })
	legacy := second.target()
	legacy.Legacy = true
	s.Use(legacy)
	eventually(t, "connected once more", func() bool { return second.connections() == 2 })
	add(t, s.q, "a", "as in v1")
	eventually(t, "the line of v1", func() bool { return len(second.got()) == 2 })
	if raw := second.raw[1]; raw != "2001-09-09T01:46:40UTC a[web.1]: as in v1" {
		t.Errorf("%q", raw)
	}
	s.Use(Target{})
	eventually(t, "not connected", func() bool {
		s.q.mu.Lock()
		defer s.q.mu.Unlock()
		return !s.q.flowing
	})
	add(t, s.q, "a", "kept meanwhile")
	s.Use(first.target())
	eventually(t, "the first again", func() bool { return len(first.got()) == 2 })
	eventually(t, "four positions", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.sent == 4
	})
}

// The logger goes away and comes back: what comes meanwhile is sent then.
func TestLoggerRestarts(t *testing.T) {
	s, l := newSending(t), newLogger(t)
	s.Use(l.target())
	add(t, s.q, "a", "0")
	eventually(t, "the first", func() bool { return len(l.got()) == 1 })
	for round := 1; round <= 3; round++ {
		l.stop()
		eventually(t, "the end is seen", func() bool {
			s.q.mu.Lock()
			defer s.q.mu.Unlock()
			return !s.q.flowing
		})
		for i := range 100 {
			add(t, s.q, "a", fmt.Sprintf("%d/%d", round, i))
		}
		l.start()
		eventually(t, "all of a round", func() bool { return len(l.got()) == 1+100*round })
	}
	got := l.got()
	for round := 1; round <= 3; round++ {
		for i := range 100 {
			if want := fmt.Sprintf("%d/%d", round, i); got[1+100*(round-1)+i] != want {
				t.Fatalf("%q instead of %s", got[1+100*(round-1)+i], want)
			}
		}
	}
}

// What the kernel took before a connection broke is not sent again, and what
// it did not take is.
func TestWriteBreaksInTheMiddle(t *testing.T) {
	target := Target{Network: "tcp", Legacy: true}
	s := NewSender(nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	for i := range 5 {
		s.pending = append(s.pending, item{message: line("a", fmt.Sprint(i))})
	}
	size := len(target.append(nil, s.pending[0].message))
	for took, want := range map[int]int{0: 0, size - 1: 0, size: 1, 3*size + 5: 3, 5 * size: 5} {
		n, written, err := s.stream(broken{took: took}, target)
		if n != want || written != took || err == nil {
			t.Errorf("%d bytes: %d lines, %d, %v", took, n, written, err)
		}
	}
}

type broken struct {
	net.Conn
	took int
}

func (b broken) Write([]byte) (int, error) { return b.took, errors.New("connection reset") }

func TestDatagrams(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	s := newSending(t)
	s.Use(Target{Network: "udp", Addr: pc.LocalAddr().String(), Legacy: true})
	add(t, s.q, "a", strings.Repeat("x", 65536))
	add(t, s.q, "a", "short")
	buf := make([]byte, 70000)
	for _, want := range []string{strings.Repeat("x", 100) + "...", "]: short"} {
		if err := pc.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := pc.ReadFrom(buf)
		if err != nil || !strings.HasSuffix(string(buf[:n]), want) || n > maxDatagram || n > 100 && n < maxDatagram {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	target := Target{Network: "tcp"}
	m := line("demo", strings.Repeat("x", 100))
	var block []byte
	for b.Loop() {
		block = target.append(block[:0], m)
	}
	b.SetBytes(int64(len(block)))
}
