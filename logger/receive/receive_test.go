package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
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

// sink remembers.
type sink struct {
	mu       sync.Mutex
	messages []syslog.Message
	odd      []string
	block    chan struct{} // if set, Store waits for it
}

func (s *sink) Store(batch []syslog.Message) {
	if s.block != nil {
		<-s.block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, batch...)
}

func (s *sink) Unparsed(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.odd = append(s.odd, string(raw))
}

func (s *sink) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := make([]string, len(s.messages))
	for i, m := range s.messages {
		texts[i] = m.App + ":" + m.Text
	}
	return texts
}

func (s *sink) await(t *testing.T, what string, ok func(texts, odd []string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) {
		texts := s.texts()
		s.mu.Lock()
		defer s.mu.Unlock()
		return ok(texts, s.odd), nil
	})
	if err != nil {
		t.Fatalf("never: %s: %.2000q", what, s.texts())
	}
}

func start(t *testing.T, s *sink) (tcp, udp string, r *Receiver, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r = New(s, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	var wg sync.WaitGroup
	for _, serve := range []func() error{func() error { return r.TCP(ctx, ln) }, func() error { return r.UDP(ctx, pc) }} {
		wg.Go(func() {
			if err := serve(); !errors.Is(err, context.Canceled) {
				t.Errorf("ended: %v", err)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return ln.Addr().String(), pc.LocalAddr().String(), r, stop
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, data string) {
	t.Helper()
	if _, err := conn.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

func counted(text string) string {
	var b bytes.Buffer
	m := syslog.Message{Time: time.Now(), App: "demo", Process: "web.1", Text: text}
	if err := m.Write(&b); err != nil {
		panic(err) // a buffer takes all
	}
	return b.String()
}

func TestEachFraming(t *testing.T) {
	s := new(sink)
	tcp, udp, _, _ := start(t, s)
	conn := dial(t, "tcp", tcp)
	send(t, conn, counted("counted"))
	send(t, conn, "2015-05-07T01:13:53UTC legacy[web.1]: line\n")
	send(t, conn, "<134>1 2015-05-07T01:13:53Z - rfc web.1 - - line\n")
	send(t, dial(t, "udp", udp), "2015-05-07T01:13:53UTC datagram[web.1]: text of other[x]: y\n")
	s.await(t, "four", func(texts, _ []string) bool {
		const datagram = "datagram:text of other[x]: y" // comes anywhere between the others
		i := slices.Index(texts, datagram)
		return len(texts) == 4 && i >= 0 && slices.Equal(slices.Delete(slices.Clone(texts), i, i+1), []string{"demo:counted", "legacy:line", "rfc:line"})
	})
}

// In Deis v1 one such message ended storage for good.
func TestGarbageEndsNothing(t *testing.T) {
	s := new(sink)
	tcp, udp, _, _ := start(t, s)
	u := dial(t, "udp", udp)
	for _, garbage := range []string{"garbage", "\x00\xff", "", " other[x]: forged", strings.Repeat("x", 65000)} {
		send(t, u, garbage)
	}
	send(t, u, "2015-05-07T01:13:53UTC good[web.1]: "+strings.Repeat("y", 60000))
	s.await(t, "the good datagram", func(texts, odd []string) bool {
		return len(texts) == 1 && len(texts[0]) == len("good:")+60000 && len(odd) == 5
	})
	conn := dial(t, "tcp", tcp)
	send(t, conn, "garbage\n\n"+counted("good"))
	s.await(t, "the good line", func(texts, odd []string) bool { return len(texts) == 2 && len(odd) == 6 })
	// A broken frame ends its connection, and no other.
	bad := dial(t, "tcp", tcp)
	send(t, bad, "999999 x")
	if n, err := bad.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	send(t, conn, counted("still here"))
	s.await(t, "the other connection", func(texts, _ []string) bool { return len(texts) == 3 })
}

// A line must not wait for the rest of the next one.
func TestStoresBeforeItWaits(t *testing.T) {
	s := new(sink)
	tcp, _, _, _ := start(t, s)
	conn := dial(t, "tcp", tcp)
	second := counted("second")
	send(t, conn, counted("first")+second[:10])
	s.await(t, "the first", func(texts, _ []string) bool { return len(texts) == 1 })
	send(t, conn, second[10:])
	s.await(t, "the second", func(texts, _ []string) bool { return len(texts) == 2 })
}

// Over TCP a slow store makes the sender wait, and nothing is lost, not even
// what was sent when the logger stops.
func TestBackPressure(t *testing.T) {
	s := &sink{block: make(chan struct{})}
	tcp, _, _, stop := start(t, s)
	conn := dial(t, "tcp", tcp)
	const n = 20000
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if _, err := conn.Write([]byte(counted(fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000))))); err != nil {
				sent <- err
				return
			}
		}
		sent <- conn.Close()
	}()
	select {
	case err := <-sent:
		t.Fatalf("20 MB were taken by a store that does not store: %v", err)
	case <-time.After(200 * time.Millisecond): // not asserted: it only gives the failure a chance
	}
	close(s.block)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	stop()
	if texts := s.texts(); len(texts) != n {
		t.Errorf("%d of %d lines", len(texts), n)
	}
}

// Over UDP what does not fit is counted, and memory stays bounded.
func TestBurst(t *testing.T) {
	s := &sink{block: make(chan struct{})}
	_, udp, r, stop := start(t, s)
	conn := dial(t, "udp", udp)
	const n = 3 * queueLines
	for i := range n {
		send(t, conn, fmt.Sprintf("2015-05-07T01:13:53UTC demo[web.1]: %d", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := retry.Until(ctx, time.Millisecond, func(context.Context) (bool, error) { return value(t, r.dropped) > 0, nil })
	if err != nil {
		t.Error("nothing was dropped")
	}
	close(s.block)
	stop()
	received := value(t, r.received.WithLabelValues("udp"))
	if stored := float64(len(s.texts())); stored+value(t, r.dropped) != received {
		t.Errorf("%v stored and %v dropped of %v received", stored, value(t, r.dropped), received)
	}
}

func TestDropsOf(t *testing.T) {
	line := "  455: 00000000:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 21713 2 0000000000000000 17"
	if n := dropsOf(line, 514); n != 17 {
		t.Errorf("%v", n)
	}
	if n := dropsOf(line, 515) + dropsOf("  sl  local_address", 514); n != 0 {
		t.Errorf("%v", n)
	}
}
