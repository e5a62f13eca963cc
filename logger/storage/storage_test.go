package storage_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/syslog"
	"github.com/deis/deis/logger/storage"
	"github.com/deis/deis/logger/storage/memory"
	"github.com/deis/deis/logger/storage/storagetest"
)

func newStore(t *testing.T, maxApps int) (*storage.Store, storage.Adapter, *prometheus.Registry) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	s := storage.New(maxApps, slog.New(slog.DiscardHandler), metrics)
	a := memory.New(memory.Limits{Lines: 100, Bytes: 1 << 20, Total: 1 << 30})
	s.Use(a)
	return s, a, metrics
}

// counted is the sum of a counter or gauge, with one label's value if any is given.
func counted(t *testing.T, metrics prometheus.Gatherer, name string, label ...string) (n float64) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); len(label) == 0 || len(l) == 1 && l[0].GetValue() == label[0] {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}

func message(app, text string, at time.Time) syslog.Message {
	return syslog.Message{Time: at, App: app, Process: "web.1", Text: text}
}

func TestStoresTheLineOfV1(t *testing.T) {
	s, a, _ := newStore(t, 10)
	at := time.Date(2015, 5, 7, 1, 13, 53, 9, time.UTC)
	s.Store([]syslog.Message{message("demo", "listening", at), message("demo", "forged\n2015-05-07T01:13:53UTC demo[web.2]: line", at)})
	want := []string{"2015-05-07T01:13:53UTC demo[web.1]: listening", "2015-05-07T01:13:53UTC demo[web.1]: forged 2015-05-07T01:13:53UTC demo[web.2]: line"}
	if got := storagetest.Tail(t, a, "demo", 10); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Lines of a destroyed app that come late are not stored; those of a new app
// of the name are, at once.
func TestDestroyThenLateLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, metrics := newStore(t, 10)
		before := time.Now()
		s.Store([]syslog.Message{message("demo", "old", before)})
		time.Sleep(time.Second)
		if err := s.Destroy("demo"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		s.Store([]syslog.Message{message("demo", "late", before), message("demo", "new", time.Now()), message("demo", "late too", before)})
		if got := storagetest.Tail(t, a, "demo", 10); len(got) != 1 || !strings.HasSuffix(got[0], "]: new") {
			t.Errorf("%q", got)
		}
		if n := counted(t, metrics, "deis_logger_dropped_lines_total", "destroyed"); n != 2 {
			t.Errorf("%v counted", n)
		}
		time.Sleep(time.Hour)
		s.Store([]syslog.Message{message("demo", "much later", time.Now())})
		if got := storagetest.Tail(t, a, "demo", 10); len(got) != 2 {
			t.Errorf("%q", got)
		}
	})
}

func TestBoundsNames(t *testing.T) {
	s, a, metrics := newStore(t, 3)
	for i := range 5 {
		s.Store([]syslog.Message{message(fmt.Sprintf("app-%d", i), "x", time.Now())})
	}
	if apps := a.Apps(); len(apps) != 3 {
		t.Errorf("%v", apps)
	}
	if n := counted(t, metrics, "deis_logger_dropped_lines_total", "apps"); n != 2 {
		t.Errorf("%v counted", n)
	}
	if err := s.Destroy("app-0"); err != nil {
		t.Fatal(err)
	}
	s.Store([]syslog.Message{message("app-4", "x", time.Now())})
	if got := storagetest.Tail(t, a, "app-4", 1); len(got) != 1 {
		t.Error("no room after one was destroyed")
	}
	for _, bad := range []string{"..", "", ".hidden", "a b", strings.Repeat("a", 129)} {
		s.Store([]syslog.Message{message(bad, "x", time.Now())})
	}
	if n := counted(t, metrics, "deis_logger_dropped_lines_total", "name"); n != 5 {
		t.Errorf("%v bad names counted", n)
	}
}

func TestBoundsUnparsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, metrics := newStore(t, 3)
		for range 1000 {
			s.Unparsed([]byte("garbage \xff\x00" + strings.Repeat("x", 5000)))
		}
		got := storagetest.Tail(t, a, storage.Unparsed, 100)
		if len(got) != 10 || len(got[0]) > 600 {
			t.Errorf("%d lines of garbage", len(got))
		}
		if n := counted(t, metrics, "deis_logger_unparsed_total"); n != 1000 {
			t.Errorf("%v counted", n)
		}
	})
}

func TestChangesAdapter(t *testing.T) {
	s, first, _ := newStore(t, 10)
	s.Store([]syslog.Message{message("demo", "first", time.Now())})
	second := memory.New(memory.Limits{Lines: 10, Bytes: 1000, Total: 10000})
	s.Use(second)
	s.Store([]syslog.Message{message("demo", "second", time.Now())})
	if a, b := storagetest.Tail(t, first, "demo", 9), storagetest.Tail(t, second, "demo", 9); len(a) != 1 || len(b) != 1 {
		t.Errorf("%q, %q", a, b)
	}
	s.Close()
	s.Store([]syslog.Message{message("demo", "third", time.Now())}) // counted, no more
	if err := s.Destroy("demo"); err == nil {
		t.Error("destroyed without an adapter")
	}
	if err := s.Healthy(t.Context()); err == nil {
		t.Error("healthy without an adapter")
	}
}

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]storage.Spec{
		"file":          {},
		"memory":        {Memory: true, Lines: 1000, Bytes: 1 << 20},
		"memory:5":      {Memory: true, Lines: 5, Bytes: 1 << 20},
		"memory:5:6000": {Memory: true, Lines: 5, Bytes: 6000},
	} {
		if got, err := storage.ParseSpec(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "bogus", "memory:", "memory:foo", "memory:0", "memory:-1", "memory:1:0", "memory:1:2:3", "file:1", "Memory"} {
		if _, err := storage.ParseSpec(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
