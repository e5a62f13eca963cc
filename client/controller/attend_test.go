package controller

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/version"
)

// attended is a controller that lets do attend each command.
func attended(t *testing.T, do func(*websocket.Conn)) http.HandlerFunc {
	up := websocket.Upgrader{Subprotocols: []string{api.RunProtocol}}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/v1/apps/demo/run/stream" || r.Header.Get("Authorization") != "token abc" || r.Header.Get("User-Agent") != UserAgent {
			t.Errorf("%s %v", r.RequestURI, r.Header)
		}
		conn, err := up.Upgrade(w, r, http.Header{api.HeaderAPIVersion: {version.API}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		do(conn)
	}
}

func attend(t *testing.T, h http.Handler, first RunStart) (*Session, error) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c := client(t, Options{URL: srv.URL, Token: "abc", OnVersion: func(v string) { t.Errorf("version %q", v) }})
	s, err := c.Attend(t.Context(), "demo", first)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func send(conn *websocket.Conn, text string) {
	kind := websocket.TextMessage
	if text == "" || text[0] < ' ' {
		kind = websocket.BinaryMessage
	}
	_ = conn.WriteMessage(kind, []byte(text))
}

func TestAttend(t *testing.T) {
	got := make(chan string, 10)
	s, err := attend(t, attended(t, func(conn *websocket.Conn) {
		for range 6 {
			_, message, err := conn.ReadMessage()
			if err != nil {
				t.Error(err)
			}
			got <- string(message)
		}
		for _, text := range []string{"\x01one", "\x02two", "", "\x01", "\x01three", `{"exit":7}`} {
			send(conn, text)
		}
	}), RunStart{Command: "vi", TTY: true, RunSize: RunSize{Rows: 24, Cols: 80}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Write([]byte("in\xff\r\n"))
	if err := errors.Join(err, s.Resize(RunSize{Rows: 50, Cols: 132}), s.Signal("USR1"), s.CloseInput()); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := s.Write([]byte("late")); err != nil { // what of it is used is the controller's
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code, err := s.Wait(&stdout, &stderr); code != 7 || err != nil || stdout.String() != "onethree" || stderr.String() != "two" {
		t.Errorf("%d %v %q %q", code, err, &stdout, &stderr)
	}
	for _, want := range []string{
		`{"command":"vi","tty":true,"rows":24,"cols":80}`, "\x00in\xff\r\n", `{"resize":{"rows":50,"cols":132}}`, `{"signal":"USR1"}`, `{"eof":true}`, "\x00late",
	} {
		if m := <-got; m != want {
			t.Errorf("%q, want %q", m, want)
		}
	}
}

// TestAttendEnds: how a session ends is told apart.
func TestAttendEnds(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*websocket.Conn)
		code int
		want func(error) bool
	}{
		"exit 0":      {func(conn *websocket.Conn) { send(conn, `{"exit":0}`) }, 0, func(err error) bool { return err == nil }},
		"killed":      {func(conn *websocket.Conn) { send(conn, `{"exit":137}`) }, 137, func(err error) bool { return err == nil }},
		"error":       {func(conn *websocket.Conn) { send(conn, `{"error":"No."}`) }, 0, func(err error) bool { return err == RunError("No.") }},
		"cut at once": {func(conn *websocket.Conn) { conn.NetConn().Close() }, 0, func(err error) bool { return errors.Is(err, ErrCut) }},
		"cut in a message": {func(conn *websocket.Conn) {
			_, _ = conn.NetConn().Write([]byte{0x82, 10, 1, 'x'})
		}, 0, func(err error) bool { return errors.Is(err, ErrCut) }},
		"closed without an end": {func(conn *websocket.Conn) {
			_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseMessageTooBig, ""), time.Now().Add(time.Minute))
		}, 0, func(err error) bool { return errors.Is(err, ErrCut) }},
		"no end":    {func(conn *websocket.Conn) { send(conn, `{}`) }, 0, func(err error) bool { return strings.Contains(err.Error(), "no end of a command") }},
		"no JSON":   {func(conn *websocket.Conn) { send(conn, `<html>`) }, 0, func(err error) bool { return strings.Contains(err.Error(), "no end of a command") }},
		"too large": {func(conn *websocket.Conn) { send(conn, "\x01"+strings.Repeat("x", maxRunMessage)) }, 0, func(err error) bool { return errors.Is(err, ErrCut) }},
	} {
		s, err := attend(t, attended(t, func(conn *websocket.Conn) {
			_, _, _ = conn.ReadMessage()
			c.do(conn)
		}), RunStart{Command: "x"})
		if err != nil {
			t.Fatal(name, err)
		}
		if code, err := s.Wait(io.Discard, io.Discard); code != c.code || !c.want(err) {
			t.Errorf("%s: %d %v", name, code, err)
		}
	}
}

// TestAttendRefused: what knows no WebSockets is told apart from a refusal.
func TestAttendRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		attend bool // the controller could
	}{
		{401, `{"detail":"Invalid token"}`, true},
		{403, `{"detail":"x"}`, true},
		{404, `{"detail":"Not found"}`, true},
		{404, "<h1>Not Found</h1>", false},
		{405, `{"detail":"Method 'GET' not allowed."}`, false},
		{426, `{"detail":"This takes a WebSocket."}`, false},
		{400, `{"detail":"This is not a WebSocket's handshake."}`, false},
		{501, "", false},
		{200, "hello", false},
		{204, "", false},
		{502, "<html>", true},
		{503, `{"detail":"x"}`, true},
	} {
		s, err := attend(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(api.HeaderAPIVersion, version.API)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}), RunStart{Command: "x"})
		if s != nil || err == nil || errors.Is(err, ErrNoAttend) == c.attend || status(err) != c.status && c.status > 299 {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
	up := websocket.Upgrader{}
	if _, err := attend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := up.Upgrade(w, r, http.Header{api.HeaderAPIVersion: {version.API}}); err == nil {
			conn.Close()
		}
	}), RunStart{Command: "x"}); !errors.Is(err, ErrNoAttend) {
		t.Error("another protocol:", err)
	}
	if _, err := attend(t, http.NotFoundHandler(), RunStart{}); !errors.Is(err, ErrNoAttend) {
		t.Error(err)
	}
	_, err := attend(t, http.RedirectHandler("https://deis.example.com/", http.StatusMovedPermanently), RunStart{})
	if err == nil || !strings.Contains(err.Error(), "redirects to https://deis.example.com/: log in at that address") {
		t.Error(err)
	}
}

// TestAttendDials: a session goes the way of other requests: to localhost
// without a name server, by the trust of the Options, past a proxy that is
// not for it.
func TestAttendDials(t *testing.T) {
	t.Setenv("https_proxy", "http://192.0.2.1:3128")
	srv := httptest.NewUnstartedServer(attended(t, func(conn *websocket.Conn) {
		_, _, _ = conn.ReadMessage()
		send(conn, `{"exit":3}`)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	for _, o := range []Options{{Insecure: true}, {}} {
		o.URL, o.Token = "https://deis.localhost:"+port, "abc"
		s, err := client(t, o).Attend(t.Context(), "demo", RunStart{Command: "x"})
		if (err == nil) != o.Insecure {
			t.Error(err)
		}
		if err != nil {
			continue
		}
		if code, err := s.Wait(io.Discard, io.Discard); code != 3 || err != nil {
			t.Error(code, err)
		}
		s.Close()
	}
	if _, err := client(t, Options{URL: srv.URL}).Attend(t.Context(), "..", RunStart{}); err == nil {
		t.Error("attended no app")
	}
}

// TestAttendCancelled: the context ends a session in each of its phases.
func TestAttendCancelled(t *testing.T) {
	entered := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := client(t, Options{URL: srv.URL}).Attend(ctx, "demo", RunStart{})
		failed <- err
	}()
	<-entered
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error("in the handshake:", err)
	}

	gone := make(chan struct{})
	running := httptest.NewServer(attended(t, func(conn *websocket.Conn) {
		defer close(gone)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}))
	defer running.Close()
	ctx, cancel = context.WithCancel(t.Context())
	s, err := client(t, Options{URL: running.URL, Token: "abc"}).Attend(ctx, "demo", RunStart{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := s.Wait(io.Discard, io.Discard)
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error("while it runs:", err)
	}
	<-gone
}

// TestAttendBounded: output that nobody takes makes the controller wait, and
// closing gets out of a command that takes no input.
func TestAttendBounded(t *testing.T) {
	var sent int
	stuck := make(chan struct{})
	release := make(chan struct{})
	s, err := attend(t, attended(t, func(conn *websocket.Conn) {
		block := bytes.Repeat([]byte{1}, 32<<10)
		for sent < 1<<30 {
			_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
			if conn.WriteMessage(websocket.BinaryMessage, block) != nil {
				break
			}
			sent += len(block)
		}
		close(stuck)
		<-release
	}), RunStart{})
	if err != nil {
		t.Fatal(err)
	}
	defer close(release)
	<-stuck
	if sent >= 1<<30 {
		t.Error("1 GiB was taken from the controller, and by nobody from the client")
	}
	wrote := make(chan error, 1)
	go func() {
		block := make([]byte, 1<<20)
		var err error
		for err == nil {
			_, err = s.Write(block)
		}
		wrote <- err
	}()
	s.Close()
	<-wrote
}
