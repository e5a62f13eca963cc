package storage_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/syslog"
	"github.com/deis/deis/logger/storage"
	"github.com/deis/deis/logger/storage/memory"
)

func TestWatch(t *testing.T) {
	s, _, metrics := newStore(t, 10)
	changed, stop, err := s.Watch("demo")
	if err != nil {
		t.Fatal(err)
	}
	woken := func() bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	for what, do := range map[string]func(){
		"lines": func() {
			s.Store([]syslog.Message{message("demo", "one", time.Now())})
			s.Store([]syslog.Message{message("demo", "two", time.Now())})
		},
		"destroyed": func() {
			if err := s.Destroy("demo"); err != nil {
				t.Error(err)
			}
		},
		"another adapter": func() { s.Use(memory.New(memory.Limits{Lines: 10, Bytes: 1000, Total: 10000})) },
	} {
		if do(); !woken() || woken() {
			t.Errorf("%s: not woken once", what)
		}
	}
	if s.Store([]syslog.Message{message("other", "x", time.Now())}); woken() {
		t.Error("woken by another app's lines")
	}
	stop()
	stop()
	if s.Store([]syslog.Message{message("demo", "x", time.Now())}); woken() {
		t.Error("woken after its end")
	}
	if _, _, err := s.Watch("../demo"); !errors.Is(err, storage.ErrUnknown) {
		t.Error(err)
	}
	var stops []func()
	for {
		_, stop, err := s.Watch("demo")
		if errors.Is(err, storage.ErrBusy) {
			break
		}
		if stops = append(stops, stop); len(stops) > 10_000 {
			t.Fatal("unbounded")
		}
	}
	if n := counted(t, metrics, "deis_logger_followers"); n != float64(len(stops)) {
		t.Error(n)
	}
	for _, stop := range stops {
		stop()
	}
	at, err := s.Seek("demo", 0)
	if err != nil {
		t.Error(err)
	}
	if next, lost, err := s.Read("demo", at, io.Discard); next != at || lost || err != nil {
		t.Error(next, lost, err)
	}
	if next, lost, err := s.Read("demo", at.Add(1), io.Discard); next != at.Add(1) || !lost || err != nil {
		t.Error(next, lost, err)
	}
	if _, stop, err := s.Watch("demo"); err != nil {
		t.Error(err)
	} else {
		stop()
	}
	if n := counted(t, metrics, "deis_logger_followers"); n != 0 {
		t.Error(n)
	}
	s.Close()
	if _, err := s.Seek("demo", 1); !errors.Is(err, storage.ErrAdapter) {
		t.Error(err)
	}
	if _, _, err := s.Read("demo", api.LogPosition{}, nil); !errors.Is(err, storage.ErrAdapter) {
		t.Error(err)
	}
}
