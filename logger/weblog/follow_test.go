package weblog

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/syslog"
	"github.com/deis/deis/logger/storage"
	"github.com/deis/deis/logger/storage/memory"
)

// logs are a store behind a server.
type logs struct {
	*testing.T
	*storage.Store
	url  string
	stop func() // ends the followers
}

func serveLogs(t *testing.T) logs {
	t.Helper()
	s := storage.New(10, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	s.Use(memory.New(memory.Limits{Lines: 100, Bytes: 1 << 20, Total: 1 << 30}))
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(New(ctx, s, slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		cancel()
		srv.Close() // waits for followers
	})
	return logs{t, s, srv.URL, cancel}
}

// print stores lines that end with the numbers.
func (l logs) print(from, to int) {
	for i := from; i < to; i++ {
		l.Store.Store([]syslog.Message{{Time: time.Now(), App: "demo", Process: "web.1", Text: fmt.Sprint(i)}})
	}
}

// follower is an answer that is read line by line.
type follower struct {
	*testing.T
	resp *http.Response
	in   *bufio.Reader
	at   api.LogPosition // behind the lines that were read
}

func (l logs) follow(query string) *follower {
	l.Helper()
	resp, err := http.Get(l.url + "/demo?follow=1" + query)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { resp.Body.Close() })
	at, err := api.ParseLogPosition(resp.Header.Get("Deis-Log-Position"))
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		l.Fatal(resp.Status, resp.Header, err)
	}
	return &follower{l.T, resp, bufio.NewReader(resp.Body), at}
}

// expect reads the lines with the numbers.
func (f *follower) expect(from, to int) {
	f.Helper()
	for i := from; i < to; i++ {
		line, err := f.in.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, fmt.Sprintf("]: %d\n", i)) {
			f.Fatalf("%q %v, want %d", line, err, i)
		}
		f.at = f.at.Add(len(line))
	}
}

func (f *follower) expectEnd() {
	f.Helper()
	if line, err := f.in.ReadString('\n'); err == nil {
		f.Errorf("%q instead of the end", line)
	}
}

func TestFollow(t *testing.T) {
	l := serveLogs(t)
	l.print(0, 10)
	all, some, none := l.follow(""), l.follow("&log_lines=3"), l.follow("&log_lines=0")
	all.expect(0, 10)
	some.expect(7, 10)
	for i := 10; i < 30; i++ {
		l.print(i, i+1)
		for _, f := range []*follower{all, some, none} {
			f.expect(i, i+1)
		}
	}
	if all.at != some.at || all.at != none.at {
		t.Error(all.at, some.at, none.at)
	}
	l.stop()
	all.expectEnd()
}

func TestFollowGoesOn(t *testing.T) {
	l := serveLogs(t)
	f := l.follow("")
	for i := 0; i < 90; i += 3 {
		l.print(i, i+3)
		f.expect(i, i+2)
		f.resp.Body.Close() // with a line unread
		f = l.follow("&position=" + f.at.String())
		if gap := f.resp.Header.Get("Deis-Log-Gap"); gap != "" {
			t.Error("a gap of", gap)
		}
		f.expect(i+2, i+3)
	}
}

func TestFollowSaysWhatIsLost(t *testing.T) {
	l := serveLogs(t)
	l.print(100, 150)
	f := l.follow("&log_lines=50")
	begin := f.at
	f.expect(100, 150)
	size := (f.at.Offset - begin.Offset) / 50
	l.print(150, 220) // 100 are kept
	f.resp.Body.Close()

	f = l.follow("&position=" + begin.String())
	if gap := f.resp.Header.Get("Deis-Log-Gap"); gap != fmt.Sprint(20*size) {
		t.Errorf("a gap of %s, not of 20 lines with %d bytes", gap, size)
	}
	f.expect(120, 220)

	// Another log: the app is made again.
	if err := l.Destroy("demo"); err != nil {
		t.Fatal(err)
	}
	f.expectEnd()
	l.print(300, 320)
	f = l.follow("&log_lines=5&position=" + f.at.String())
	if gap := f.resp.Header.Get("Deis-Log-Gap"); gap != "unknown" {
		t.Errorf("a gap of %s", gap)
	}
	f.expect(315, 320)
	l.Use(memory.New(memory.Limits{Lines: 10, Bytes: 1000, Total: 1000}))
	f.expectEnd()
}

func TestFollowNobody(t *testing.T) {
	l := serveLogs(t)
	for path, want := range map[string]int{"/demo": 204, "/-demo?follow=1": 503} {
		resp, err := http.Get(l.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	f := l.follow("") // an app that prints later
	l.print(0, 5)
	f.expect(0, 5)
	l.Close()
	resp, err := http.Get(l.url + "/demo?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError {
		t.Error(resp.Status)
	}
}

// A quiet log sends empty lines, and they do not count.
func TestKeepalive(t *testing.T) {
	l := serveLogs(t)
	l.print(0, 1)
	r := httptest.NewRequest("GET", "/demo", nil)
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	out := &counting{ResponseRecorder: w, enough: cancel}
	followEvery(ctx, out, r, l.Store, "demo", query{lines: 1}, slog.New(slog.DiscardHandler), time.Millisecond)
	body := w.Body.String()
	if lines := strings.Split(body, "\n"); len(lines) < 5 || !slices.Equal(lines[1:4], []string{"", "", ""}) {
		t.Errorf("%q", body)
	}
}

// counting ends a follower after some writes.
type counting struct {
	*httptest.ResponseRecorder
	writes int
	enough func()
}

func (c *counting) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 5 {
		c.enough()
	}
	return c.ResponseRecorder.Write(p)
}

func (c *counting) WriteString(s string) (int, error) { return c.Write([]byte(s)) }
