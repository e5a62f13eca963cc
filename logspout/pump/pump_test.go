package pump

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/deis/deis/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const c1, c2 = "c1c1c1c1c1c1c1c1", "c2c2c2c2c2c2c2c2"

// run pumps until the returned function is called.
func run(t *testing.T, e *fakeEngine, sink *fakeSink, path string) (p *Pump, stop func()) {
	t.Helper()
	positions := openPositions(t, path)
	sink.sent = positions.Sent
	ctx, cancel := context.WithCancel(context.Background())
	p = New(Config{Engine: e, Sink: sink, Positions: positions, Platform: "deis", Host: "h", Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ended: %v", err)
		}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
			positions.Close()
		}
	}
	t.Cleanup(stop)
	eventually(t, "connected", func() bool { return p.Healthy(ctx) == nil })
	return p, stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := retry.Until(ctx, 5*time.Millisecond, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		t.Fatalf("never: %s", what)
	}
}

func (p *Pump) reading() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.readers)
}

func TestReadsFromTheBeginningAndOn(t *testing.T) {
	e, sink := newFakeEngine(), new(fakeSink)
	e.start(c1, "go_v2.web.1")
	e.print(c1, 1, "before\n")
	p, _ := run(t, e, sink, filepath.Join(t.TempDir(), "p"))
	sink.await(t, "go[web.1]: before\n")
	e.start(c2, "go_v2.web.2")
	e.print(c2, 2, "new\n")
	sink.await(t, "go[web.1]: before\ngo[web.2]: new\n")
	if m := sink.got[0]; m.Host != "h" || m.Container != c1[:12] || m.Release != "v2" || m.Stream != stdout || m.Seq != 1 || !m.Time.Equal(at(1)) {
		t.Errorf("%+v", m)
	}
	// The end: the fragment without a line break comes too, and nothing stays.
	e.print(c2, 3, "fragment")
	e.die(c2)
	sink.await(t, "go[web.1]: before\ngo[web.2]: new\ngo[web.2]: fragment\n")
	eventually(t, "one reader", func() bool { return p.reading() == 1 })
	e.remove(c2)
	e.die(c1)
	e.remove(c1)
	eventually(t, "nothing left", func() bool {
		p.Positions.mu.Lock()
		defer p.Positions.mu.Unlock()
		return p.reading() == 0 && len(p.Positions.slots) == 0
	})
}

// A container that lived for a moment is read, if only its end was seen.
func TestReadsTheDead(t *testing.T) {
	e, sink := newFakeEngine(), new(fakeSink)
	run(t, e, sink, filepath.Join(t.TempDir(), "p"))
	e.change(func() {
		e.containers[c1] = &fakeContainer{id: c1, name: "go_v2.run.1", label: map[string]string{"deis.platform": "deis", "deis.job": "go_v2.run.1"}}
	})
	e.print(c1, 1, "short life\n")
	e.die(c1)
	sink.await(t, "go[run.1]: short life\n")
}

func TestRestartLosesAndDoublesNothing(t *testing.T) {
	e, path := newFakeEngine(), filepath.Join(t.TempDir(), "p")
	e.start(c1, "go_v2.web.1")
	first := new(fakeSink)
	_, stop := run(t, e, first, path)
	e.print(c1, 1, "one\n")
	e.print(c1, 2, "two\n")
	e.print(c1, 2, "two, at the same time\n")
	first.await(t, "go[web.1]: one\ngo[web.1]: two\ngo[web.1]: two, at the same time\n")
	stop()
	e.print(c1, 2, "two, but later\n")
	e.print(c1, 3, "while away\n")
	e.start(c2, "go_v2.worker.1")
	e.print(c2, 4, "came and went\n")
	e.die(c2)
	second := new(fakeSink)
	_, stop = run(t, e, second, path)
	eventually(t, "all lines", func() bool { return strings.Count(second.lines(), "\n") == 3 })
	if got := second.lines(); !strings.Contains(got, "go[web.1]: two, but later\ngo[web.1]: while away\n") && !strings.Contains(got, "came and went") {
		t.Errorf("%s", got)
	}
	stop()
	third := new(fakeSink)
	p, _ := run(t, e, third, path)
	eventually(t, "the dead one is not read again", func() bool { return p.reading() == 1 })
	e.print(c1, 5, "on\n")
	third.await(t, "go[web.1]: on\n")
}

// The Engine breaks every stream after each record, and then its events.
func TestEngineBreaks(t *testing.T) {
	e, sink := newFakeEngine(), new(fakeSink)
	e.breakLogs = true
	e.start(c1, "go_v2.web.1")
	want := ""
	for i := range 5 {
		e.print(c1, i+1, string(rune('a'+i))+"\n")
		want += "go[web.1]: " + string(rune('a'+i)) + "\n"
	}
	run(t, e, sink, filepath.Join(t.TempDir(), "p"))
	e.change(func() { e.breakLogs = false })
	sink.await(t, want)
	e.change(func() { e.subscribed = nil }) // events are lost from here on
	e.start(c2, "go_v2.web.2")
	e.print(c2, 9, "found by the list\n")
	e.broken <- errors.New("connection reset")
	sink.await(t, want+"go[web.2]: found by the list\n")
}

// When the Engine has rotated away what was read last, the log says so.
func TestSaysThatLinesMayBeMissing(t *testing.T) {
	e, path := newFakeEngine(), filepath.Join(t.TempDir(), "p")
	e.start(c1, "go_v2.web.1")
	e.print(c1, 1, "one\n")
	first := new(fakeSink)
	_, stop := run(t, e, first, path)
	first.await(t, "go[web.1]: one\n")
	stop()
	e.change(func() { e.containers[c1].records = nil })
	e.print(c1, 9, "nine\n")
	second := new(fakeSink)
	run(t, e, second, path)
	second.await(t, "go[web.1]: lines may be missing here: the Engine no longer had them\ngo[web.1]: nine\n")
}

// A container that is started again goes on where it was.
func TestContainerRestarts(t *testing.T) {
	e, sink := newFakeEngine(), new(fakeSink)
	p, _ := run(t, e, sink, filepath.Join(t.TempDir(), "p"))
	want := ""
	for i := range 5 {
		e.start(c1, "go_v2.web.1")
		e.print(c1, i+1, "life\n")
		e.die(c1)
		want += "go[web.1]: life\n"
		if i%2 == 0 { // sometimes its reader has ended, sometimes not
			eventually(t, "no reader", func() bool { return p.reading() == 0 })
		}
	}
	sink.await(t, want)
}
