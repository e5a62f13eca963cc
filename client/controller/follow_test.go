package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/deis/deis/internal/api"
)

// hasty are the waits of tests.
var hasty = following{silence: 20 * time.Second, minPause: time.Millisecond, maxPause: 2 * time.Millisecond, giveUp: 20 * time.Second}

// appLog is a controller with one log, which ends its answers where a test
// wants: cuts are the bytes that each sends.
type appLog struct {
	t    *testing.T
	text string
	cuts []int

	mu    sync.Mutex
	asked []string // the queries
}

func (l *appLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, r.URL.RawQuery)
	if r.Header.Get("Authorization") != "token abc" || r.Header.Get("Accept-Encoding") != "identity" {
		l.t.Errorf("%v", r.Header)
	}
	at := api.LogPosition{Log: "00000000000000aa"}
	if asked := r.URL.Query().Get("position"); asked != "" {
		var err error
		if at, err = api.ParseLogPosition(asked); err != nil {
			l.t.Error(err)
		}
	}
	if len(l.cuts) == 0 {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"detail":"Not found"}`)
		return
	}
	n := l.cuts[0]
	l.cuts = l.cuts[1:]
	w.Header().Set(api.HeaderLogPosition, at.String())
	rest := l.text[at.Offset:]
	_, _ = io.WriteString(w, "\n"+rest[:min(n, len(rest))])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) // no last chunk: the connection is cut
}

// follow is what a follower gives until its error.
func follow(t *testing.T, h http.Handler, o FollowOptions, waits following) (lines []LogLine, err error) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	c := client(t, Options{URL: srv.URL, Token: "abc"})
	return followed(t, c, o, waits)
}

func followed(t *testing.T, c *Client, o FollowOptions, waits following) (lines []LogLine, err error) {
	t.Helper()
	c.following = waits
	for line, e := range c.FollowLogs(t.Context(), "demo", o) {
		if err != nil {
			t.Error("something came behind the error")
		}
		if err = e; e == nil {
			lines = append(lines, line)
		}
	}
	return lines, err
}

// pipes are connections within a synctest bubble, whose clock a real network
// does not know.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p <- theirs
	return ours, nil
}

func status(err error) int {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// TestFollowCutAnywhere cuts the connection behind each byte of a log: every
// line comes once, and is asked for from where it begins.
func TestFollowCutAnywhere(t *testing.T) {
	text := "one\ntwo three\n\xff\xfe\r\nfour: é\n"
	for cut := range len(text) + 1 {
		l := &appLog{t: t, text: text, cuts: []int{cut, 0, len(text)}}
		lines, err := follow(t, l, FollowOptions{Lines: 5}, hasty)
		var got strings.Builder
		for _, line := range lines {
			got.WriteString(line.Text + "\n")
			if want := fmt.Sprintf("00000000000000aa-%d", got.Len()); line.Next.String() != want || line.Gap != "" {
				t.Errorf("cut at %d: %+v, want %s", cut, line, want)
			}
		}
		if got.String() != text || status(err) != 404 {
			t.Errorf("cut at %d: %q %v", cut, got.String(), err)
		}
		whole := strings.LastIndexByte(text[:cut], '\n') + 1
		asked := []string{"follow=1&log_lines=5"}
		for _, at := range []int{whole, whole, len(text)} {
			asked = append(asked, fmt.Sprintf("follow=1&position=00000000000000aa-%d", at))
		}
		if !slices.Equal(l.asked, asked) {
			t.Errorf("cut at %d: %q, want %q", cut, l.asked, asked)
		}
	}
}

func TestFollowFrom(t *testing.T) {
	from := LogPosition{Log: "00000000000000aa", Offset: 4}
	l := &appLog{t: t, text: "one\ntwo\n", cuts: []int{4}}
	lines, _ := follow(t, l, FollowOptions{From: &from, Lines: -1}, hasty)
	if len(lines) != 1 || lines[0].Text != "two" || from.Offset != 4 || l.asked[0] != "follow=1&position=00000000000000aa-4" {
		t.Errorf("%v %q %v", lines, l.asked, from)
	}
	l = &appLog{t: t, text: "one\n", cuts: []int{4}}
	if _, _ = follow(t, l, FollowOptions{Lines: -1}, hasty); l.asked[0] != "follow=1" {
		t.Errorf("%q", l.asked)
	}
}

// answers are given in their order; the last one again and again.
func answers(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handlers[0]
		if len(handlers) > 1 {
			handlers = handlers[1:]
		}
		mu.Unlock()
		h(w, r)
	}
}

func refuse(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func part(position, gap, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(api.HeaderLogPosition, position)
		if gap != "" {
			w.Header().Set(api.HeaderLogGap, gap)
		}
		_, _ = io.WriteString(w, text)
	}
}

func TestFollowGaps(t *testing.T) {
	var asked []string
	next := answers(
		part("00000000000000aa-0", "", "one\n"),
		part("00000000000000aa-10", "6", "\n"), // ends before a line came: the gap is told with the next
		part("00000000000000aa-20", "16", "two\nthree\n"),
		part("00000000000000bb-0", LogGapUnknown, "four\n"),
		refuse(403, `{"detail":"You do not have permission to perform this action."}`),
	)
	lines, err := follow(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("position"))
		next(w, r)
	}), FollowOptions{}, hasty)
	var got []string
	for _, line := range lines {
		got = append(got, line.Text+" "+line.Gap+" "+line.Next.String())
	}
	want := []string{"one  00000000000000aa-4", "two 16 00000000000000aa-24", "three  00000000000000aa-30", "four unknown 00000000000000bb-5"}
	if !slices.Equal(got, want) || status(err) != 403 {
		t.Errorf("%q %v", got, err)
	}
	if want := []string{"", "00000000000000aa-4", "00000000000000aa-4", "00000000000000aa-30", "00000000000000bb-5"}; !slices.Equal(asked, want) {
		t.Errorf("%q", asked)
	}
}

// TestFollowRefused: what is refused at first is refused; later only what the
// API itself will not take back.
func TestFollowRefused(t *testing.T) {
	one := part("00000000000000aa-0", "", "one\n")
	for _, c := range []struct {
		name     string
		handlers []http.HandlerFunc
		status   int
		lines    int
		outages  int
	}{
		{"at once", []http.HandlerFunc{refuse(503, `{"detail":"Too many follow logs at the moment."}`)}, 503, 0, 0},
		{"at once, by the logger", []http.HandlerFunc{refuse(500, "Error accessing logs for demo")}, 500, 0, 0},
		{"at once, by the router", []http.HandlerFunc{refuse(404, "<html>")}, 404, 0, 0},
		{"later", []http.HandlerFunc{one, refuse(401, `{"detail":"Invalid token"}`)}, 401, 1, 0},
		{"later, after an outage", []http.HandlerFunc{one, refuse(500, "Error accessing logs for demo"), refuse(503, "<html>"), refuse(404, "<html>"), refuse(429, `{"detail":"x"}`), one, refuse(502, ""), one, refuse(404, `{"detail":"Not found"}`)}, 404, 3, 2},
	} {
		outages := 0
		lines, err := follow(t, answers(c.handlers...), FollowOptions{OnAway: func(err error) {
			if err == nil {
				t.Error("no reason")
			}
			outages++
		}}, hasty)
		if len(lines) != c.lines || status(err) != c.status || outages != c.outages {
			t.Errorf("%s: %v %v %d", c.name, lines, err, outages)
		}
	}
}

func TestFollowGivesUp(t *testing.T) {
	waits := hasty
	waits.giveUp = 20 * time.Millisecond
	lines, err := follow(t, answers(part("00000000000000aa-0", "", "one\n"), refuse(502, "<html>")), FollowOptions{}, waits)
	if len(lines) != 1 || status(err) != 502 || !strings.HasPrefix(err.Error(), "the log could not be followed any further, though it was tried for 20ms: ") {
		t.Errorf("%v %v", lines, err)
	}
}

// TestFollowNoFollow: a controller of Deis v1 sends what it has, without a
// position.
func TestFollowNoFollow(t *testing.T) {
	for _, h := range []http.HandlerFunc{refuse(200, "one\n"), refuse(204, ""), part("here", "", "one\n")} {
		if lines, err := follow(t, h, FollowOptions{}, hasty); len(lines) != 0 || !errors.Is(err, ErrNoFollow) {
			t.Errorf("%v %v", lines, err)
		}
	}
}

func TestFollowLongLine(t *testing.T) {
	long := strings.Repeat("x", 500_000)
	lines, err := follow(t, answers(part("00000000000000aa-0", "", long+"\n"), refuse(403, `{"detail":"x"}`)), FollowOptions{}, hasty)
	if len(lines) != 1 || lines[0].Text != long || status(err) != 403 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	lines, err = follow(t, answers(part("00000000000000aa-0", "", strings.Repeat("x", maxLogLine+100_000)), refuse(403, `{"detail":"x"}`)), FollowOptions{}, hasty)
	if len(lines) != 0 || !errors.Is(err, errLongLine) {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

// TestFollowSilence: an answer that says nothing more counts as cut, one that
// sends empty lines does not.
func TestFollowSilence(t *testing.T) {
	stuck := func(w http.ResponseWriter, r *http.Request) {
		part("00000000000000aa-0", "", "one\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	handler := answers(stuck, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(w http.ResponseWriter, r *http.Request) {
		part("00000000000000aa-4", "", "")(w, r)
		for range 20 { // longer than the silence, all in all
			time.Sleep(hasty.silence / 10) // of the bubble's clock
			_, _ = io.WriteString(w, "\n")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, "two\n")
	}, refuse(403, `{"detail":"x"}`))
	synctest.Test(t, func(t *testing.T) {
		network := make(pipes)
		srv := &http.Server{Handler: handler}
		go func() { _ = srv.Serve(network) }() // until network is closed
		c := client(t, Options{URL: "http://localhost", Token: "abc"})
		c.http.Transport.(*http.Transport).DialContext = network.dial
		waits := hasty
		waits.giveUp = time.Hour
		lines, err := followed(t, c, FollowOptions{OnAway: func(err error) {
			if err != errSilent {
				t.Error(err)
			}
		}}, waits)
		if len(lines) != 2 || lines[1].Text != "two" || status(err) != 403 {
			t.Errorf("%v %v", lines, err)
		}
		close(network)
		_ = srv.Close()
	})
}

// TestFollowLeft: who leaves the loop, or ends the context, ends the request.
func TestFollowLeft(t *testing.T) {
	gone := make(chan struct{}, 2)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part("00000000000000aa-0", "", "one\ntwo\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	defer srv.Close()
	c := client(t, Options{URL: srv.URL})
	for line, err := range c.FollowLogs(t.Context(), "demo", FollowOptions{}) {
		if line.Text != "one" || err != nil {
			t.Error(line, err)
		}
		break
	}
	<-gone
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for line, err := range c.FollowLogs(ctx, "demo", FollowOptions{}) {
		if last = err; line.Text == "two" {
			cancel()
		}
	}
	<-gone
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
	for line, err := range c.FollowLogs(t.Context(), "..", FollowOptions{}) {
		if err == nil {
			t.Error(line, "of no app")
		}
	}
}
