package ship

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/syslog"
)

func line(app, text string) syslog.Message {
	return syslog.Message{Time: time.Unix(1e9, 0), App: app, Process: "web.1", Text: text}
}

func newQueue() (q *Queue, sent map[string]int) {
	sent = map[string]int{}
	return NewQueue(func(source string, _ time.Time) { sent[source]++ }, prometheus.NewRegistry()), sent
}

func add(t *testing.T, q *Queue, source, text string) {
	t.Helper()
	if err := q.Add(t.Context(), source, line(source, text)); err != nil {
		t.Error(err)
	}
}

// all takes what there is.
func all(t *testing.T, q *Queue) (texts []string) {
	t.Helper()
	for {
		q.mu.Lock()
		waiting := len(q.turns)
		q.mu.Unlock()
		if waiting == 0 {
			return texts
		}
		items, err := q.take(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			texts = append(texts, it.message.Text)
		}
	}
}

// While nothing flows, a full queue holds its sources up and drops nothing:
// the Engine keeps their lines.
func TestWaitsWhileNothingFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, sent := newQueue()
		done := false
		go func() {
			for i := range sourceLines + 10 {
				add(t, q, "a", fmt.Sprint(i))
			}
			done = true
		}()
		synctest.Wait()
		if done || q.sources["a"].len() != sourceLines {
			t.Fatalf("%d lines, done %v", q.sources["a"].len(), done)
		}
		add(t, q, "b", "another source has room")
		ctx, cancel := context.WithCancel(t.Context())
		waits := make(chan error)
		go func() { waits <- q.Add(ctx, "a", line("a", "x")) }()
		cancel()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if got := all(t, q); len(got) < sourceLines || len(sent) > 0 {
			t.Errorf("%d lines", len(got))
		}
		synctest.Wait()
		if !done {
			t.Error("still waits")
		}
	})
}

// While lines flow, but too slowly, the oldest go; the log says how many, at
// most once a second, and in the end all are accounted for.
func TestDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, sent := newQueue()
		q.flow(true)
		for i := range sourceLines + 100 {
			add(t, q, "a", fmt.Sprint(i))
		}
		items, err := q.take(t.Context(), 3)
		if err != nil || len(items) != 3 || !items[0].notice || items[0].message.Text != "100 lines dropped" || items[1].message.Text != "100" {
			t.Fatalf("%+v, %v", items, err)
		}
		if m := items[0].message; m.App != "a" || m.Process != "web.1" || sent["a"] != 100 {
			t.Errorf("%+v, %d positions", m, sent["a"])
		}
		for i := range 3 { // two have room now
			add(t, q, "a", fmt.Sprint("more ", i))
		}
		if got := all(t, q); len(got) != sourceLines || strings.Contains(strings.Join(got, "|"), "dropped") {
			t.Errorf("%d lines", len(got))
		}
		// The second notice has to wait, and comes without another line.
		items, err = q.take(t.Context(), 3)
		if err != nil || len(items) != 1 || items[0].message.Text != "1 line dropped" {
			t.Errorf("%+v, %v", items, err)
		}
		if len(q.sources) != 0 || q.bytes != 0 {
			t.Errorf("left: %d sources, %d bytes", len(q.sources), q.bytes)
		}
	})
}

func TestTurns(t *testing.T) {
	q, _ := newQueue()
	for i := range 1000 {
		add(t, q, "loud", fmt.Sprint(i))
	}
	add(t, q, "quiet", "hello")
	items, err := q.take(t.Context(), turnLines+1)
	if err != nil || items[turnLines].message.Text != "hello" {
		t.Errorf("%v", err)
	}
	if got := all(t, q); len(got) != 1000-turnLines || got[0] != fmt.Sprint(turnLines) {
		t.Errorf("%d lines from %q", len(got), got[0])
	}
}

func TestBytes(t *testing.T) {
	q, _ := newQueue()
	q.flow(true)
	big := strings.Repeat("x", 60<<10)
	for i := range 200 {
		for range 40 {
			add(t, q, fmt.Sprint(i), big)
		}
	}
	if q.bytes > totalBytes+(200*(len(big)+overhead)) || q.sources["0"].bytes > sourceBytes {
		t.Errorf("%d bytes in all, %d of one", q.bytes, q.sources["0"].bytes)
	}
	if q.sources["199"].len() == 0 {
		t.Error("one line always has room")
	}
	all(t, q)
	if q.bytes != 0 {
		t.Errorf("%d bytes of nothing", q.bytes)
	}
}

func TestParseTarget(t *testing.T) {
	for _, c := range []struct {
		host, port, protocol string
		want                 Target
		bad                  bool
	}{
		{"10.0.0.1", "514", "", Target{"tcp", "10.0.0.1:514", false}, false},
		{"10.0.0.1", "514", "syslog+tcp", Target{"tcp", "10.0.0.1:514", false}, false},
		{"10.0.0.1", "514", "tcp", Target{"tcp", "10.0.0.1:514", true}, false},
		{"fd00::1", "514", "udp", Target{"udp", "[fd00::1]:514", true}, false},
		{"", "514", "", Target{}, false},
		{"10.0.0.1", "", "bogus", Target{}, false},
		{"10.0.0.1", "514", "bogus", Target{}, true},
		{"10.0.0.1", "0", "", Target{}, true},
		{"10.0.0.1", "x", "", Target{}, true},
	} {
		if got, err := ParseTarget(c.host, c.port, c.protocol); got != c.want || (err != nil) != c.bad {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
}
