package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

// attended is a client of a session.
type attended struct {
	*testing.T
	*websocket.Conn
	resp *http.Response
}

const streamPath = "/v1/apps/demo/run/stream"

func (c client) attend(first string) attended {
	c.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{api.RunProtocol}, HandshakeTimeout: time.Minute}
	conn, resp, err := dialer.Dial("ws://"+c.address+streamPath, http.Header{"Authorization": {"token bob"}})
	if err != nil {
		c.t.Fatal(err, resp)
	}
	c.t.Cleanup(func() { conn.Close() })
	a := attended{c.t, conn, resp}
	if first != "" {
		a.text(first)
	}
	return a
}

func (a attended) text(message string) {
	a.Helper()
	if err := a.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		a.Fatal(err)
	}
}

func (a attended) binary(message string) {
	a.Helper()
	if err := a.WriteMessage(websocket.BinaryMessage, []byte(message)); err != nil {
		a.Fatal(err)
	}
}

// expect reads one message; output's channel is its first byte.
func (a attended) expect(want string) {
	a.Helper()
	if _, got, err := a.ReadMessage(); err != nil || string(got) != want {
		a.Fatalf("%q %v, want %q", got, err, want)
	}
}

// expectEnd reads the last message and how the WebSocket was closed.
func (a attended) expectEnd(last string, code int) {
	a.Helper()
	if last != "" {
		a.expect(last)
	}
	if _, got, err := a.ReadMessage(); !websocket.IsCloseError(err, code) {
		a.Errorf("%q %v, want the code %d", got, err, code)
	}
}

// catProgram prints its input and what is done to it, and ends with 7.
func catProgram(ctx context.Context, command string, s deis.Session) (int, error) {
	fmt.Fprintf(s.Stdout, "%s %v %v", command, s.TTY, s.Size)
	typed := make(chan string)
	go func() {
		defer close(typed)
		block := make([]byte, 100)
		for {
			n, err := s.Stdin.Read(block)
			if err != nil {
				return
			}
			typed <- string(block[:n])
		}
	}()
	defer func() {
		s.Stdin.Close()
		for range typed {
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case c := <-s.Control:
			fmt.Fprintf(s.Stderr, "%+v", c)
		case text, ok := <-typed:
			if !ok {
				return 7, nil
			}
			fmt.Fprint(s.Stdout, text)
		}
	}
}

func TestSession(t *testing.T) {
	c := serve(t, &fake{attach: catProgram}, quiet())
	a := c.attend(`{"command":"vi x","tty":true,"rows":24,"cols":80}`)
	if h := a.resp.Header; a.resp.Status != "101 Switching Protocols" || a.Subprotocol() != "run.deis.v1" || h.Get(api.HeaderAPIVersion) != "1.7" {
		t.Error(a.resp.Status, h)
	}
	a.expect("\x01vi x true {24 80}")
	a.binary("\x00ls\n")
	a.expect("\x01ls\n")
	a.text(`{"resize":{"rows":50,"cols":132}}`)
	a.expect("\x02{Resize:{Rows:50 Cols:132} Signal:}")
	a.text(`{"signal":"INT"}`)
	a.expect("\x02{Resize:{Rows:0 Cols:0} Signal:INT}")
	a.text(`{"eof":true}`)
	a.expectEnd(`{"exit":7}`, websocket.CloseNormalClosure)

	a = c.attend(`{"command":"ls"}`)
	a.expect("\x01ls false {0 0}")
	a.text(`{"eof":true}`)
	a.expectEnd(`{"exit":7}`, websocket.CloseNormalClosure)
	want := []string{"code=101,method=GET,route=/v1/apps/{app}/run/stream: 2"}
	counted := func() []string { return series(t, c.metrics, "deis_controller_http_requests_total") }
	for end := time.Now().Add(time.Minute); !slices.Equal(counted(), want) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := counted(); !slices.Equal(got, want) {
		t.Error(got)
	}
}

// Much input that is read late, and much output; neither is lost.
func TestSessionMuch(t *testing.T) {
	block := strings.Repeat("x", 64<<10)
	f := &fake{attach: func(_ context.Context, _ string, s deis.Session) (int, error) {
		n, err := io.Copy(s.Stdout, s.Stdin)
		return int(n >> 10), err
	}}
	a := serve(t, f, quiet()).attend(`{"command":"cat"}`)
	go func() {
		for range 64 {
			_ = a.WriteMessage(websocket.BinaryMessage, []byte("\x00"+block))
		}
		_ = a.WriteMessage(websocket.TextMessage, []byte(`{"eof":true}`))
	}()
	n := 0
	for n < 64*len(block) {
		_, got, err := a.ReadMessage()
		if err != nil || got[0] != api.RunStdout {
			t.Fatal(err)
		}
		n += len(got) - 1
	}
	a.expectEnd(`{"exit":4096}`, websocket.CloseNormalClosure)
}

// waits is a command that ends with its context, and says with what.
func waits(ended chan<- error) *fake {
	return &fake{attach: func(ctx context.Context, _ string, s deis.Session) (int, error) {
		fmt.Fprint(s.Stdout, "begun")
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return 0, ctx.Err()
	}}
}

func TestSessionEndsWithItsClient(t *testing.T) {
	ended := make(chan error, 1)
	c := serve(t, waits(ended), quiet())
	for _, leave := range []func(attended){
		func(a attended) { _ = a.Conn.NetConn().Close() },
		func(a attended) {
			_ = a.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Minute))
		},
	} {
		a := c.attend(`{"command":"sh"}`)
		a.expect("\x01begun")
		leave(a)
		if err := <-ended; !errors.Is(err, errGone) {
			t.Error(err)
		}
	}
}

// A client that is there, but answers no pings, as after its machine's death.
func TestSessionEndsWhenTheClientIsSilent(t *testing.T) {
	ended := make(chan error, 1)
	c := serveStreams(t, waits(ended), func(s *streams) { s.ping, s.silence = time.Millisecond, 50*time.Millisecond })
	a := c.attend(`{"command":"sh"}`)
	a.expect("\x01begun") // and reads no more
	if err := <-ended; !errors.Is(err, errGone) {
		t.Error(err)
	}
}

func TestSessionEndsByItself(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*streams)
		last   string
	}{
		"idle":    {func(s *streams) { s.ping, s.idle = time.Millisecond, 50*time.Millisecond }, "The command was ended, since there was neither input nor output for 50ms."},
		"revoked": {func(s *streams) { s.recheck = time.Millisecond }, "Invalid token"},
	} {
		ended := make(chan error, 1)
		f := waits(ended)
		var revoked atomic.Bool
		f.authenticate = func(string) (deis.User, error) {
			if revoked.Load() {
				return deis.User{}, deis.Errorf(deis.Unauthorized, "Invalid token")
			}
			return bob, nil
		}
		a := serveStreams(t, f, x.change).attend(`{"command":"sh"}`)
		a.expect("\x01begun")
		revoked.Store(name == "revoked")
		a.expectEnd(`{"error":"`+x.last+`"}`, websocket.CloseInternalServerErr)
		if err := <-ended; err == nil {
			t.Error(name)
		}
	}
}

// TestSessionEndsWithTheServer: and serving ends only after the container did.
func TestSessionEndsWithTheServer(t *testing.T) {
	ended := make(chan error, 1)
	var removed atomic.Bool
	f := waits(ended)
	attach := f.attach
	f.attach = func(ctx context.Context, command string, s deis.Session) (int, error) {
		code, err := attach(ctx, command, s)
		time.Sleep(20 * time.Millisecond) // its removal
		removed.Store(true)
		return code, err
	}
	said := make(chan string, 1)
	client := t // outlives the server
	t.Run("while it serves", func(t *testing.T) {
		c := serve(t, f, quiet())
		c.t = client
		a := c.attend(`{"command":"sh"}`)
		a.expect("\x01begun")
		go func() {
			_, last, _ := a.ReadMessage()
			said <- string(last)
			_, _, _ = a.ReadMessage() // answers the close frame
		}()
	})
	if !removed.Load() {
		t.Error("serving ended before the command")
	}
	if err := <-ended; !errors.Is(err, errStopping) {
		t.Error(err)
	}
	if last := <-said; last != `{"error":"The command was ended, since the controller stops."}` {
		t.Error(last)
	}
}

// Output that the client does not take makes the command wait, and does not
// keep it from being ended.
func TestSessionOutputIsBounded(t *testing.T) {
	written, ended := make(chan int, 1), make(chan struct{})
	var total atomic.Int64
	f := &fake{attach: func(ctx context.Context, _ string, s deis.Session) (int, error) {
		defer close(ended)
		block := make([]byte, 1<<20)
		for {
			n, err := s.Stdout.Write(block)
			total.Add(int64(n))
			if err != nil {
				written <- int(total.Load())
				return 0, err
			}
		}
	}}
	c := serveStreams(t, f, func(s *streams) { s.ping, s.idle = 5*time.Millisecond, 300*time.Millisecond })
	c.attend(`{"command":"yes"}`) // reads nothing
	<-ended
	if n := <-written; n > 64<<20 {
		t.Errorf("%d bytes were written to a client that takes none", n)
	}
}

func TestSessionWrongMessages(t *testing.T) {
	ended := make(chan error, 1)
	c := serve(t, waits(ended), quiet())
	const start = `{"command":"sh"}`
	for _, x := range []struct {
		first, text, binary, last string
		code                      int
	}{
		{first: "{", last: "The first message must be a text that says what to run, as JSON.", code: websocket.CloseProtocolError},
		{first: `{"command":1}`, last: "The first message must be a text that says what to run, as JSON.", code: websocket.CloseProtocolError},
		{first: `{"command":"x","rows":-1}`, last: "The first message must be a text that says what to run, as JSON.", code: websocket.CloseProtocolError},
		{first: `{"tty":true}`, last: "The first message has no command.", code: websocket.CloseProtocolError},
		{binary: "\x00ls", last: "The first message must be a text that says what to run, as JSON.", code: websocket.CloseProtocolError},
		{first: start, text: "ls\n", last: "A text must be a control message, as JSON.", code: websocket.CloseProtocolError},
		{first: start, text: `{"signal":"SEGV"}`, last: "A text must be resize, signal or eof.", code: websocket.CloseProtocolError},
		{first: start, text: `{}`, last: "A text must be resize, signal or eof.", code: websocket.CloseProtocolError},
		{first: start, binary: "\x01ls", last: "A binary message must begin with the channel 0, the input.", code: websocket.CloseProtocolError},
		{first: start, binary: "\x00" + strings.Repeat("x", 64<<10+1), code: websocket.CloseMessageTooBig},
		{first: `{"command":"` + strings.Repeat("x", 64<<10) + `"}`, code: websocket.CloseMessageTooBig},
	} {
		a := c.attend(x.first)
		if x.first == start {
			a.expect("\x01begun")
		}
		if x.text != "" {
			a.text(x.text)
		}
		if x.binary != "" {
			a.binary(x.binary)
		}
		last := ""
		if x.last != "" {
			last = `{"error":"` + x.last + `"}`
		}
		a.expectEnd(last, x.code)
		if x.first == start {
			<-ended
		}
	}
}

// Refusals before the protocol changes are as those of other routes.
func TestSessionRefused(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	handshake := func(more ...string) []string {
		return append([]string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, more...)
	}
	full := serveStreams(t, &fake{}, func(s *streams) { s.sessions = newGate(0, 0) })
	for _, x := range []struct {
		c            client
		err          error
		headers      []string
		status, body string
	}{
		{c, nil, handshake("Authorization", ""), "401 UNAUTHORIZED", noCredentials},
		{c, nil, handshake("Authorization", "token nobody"), "401 UNAUTHORIZED", `{"detail":"Invalid token"}`},
		{c, nil, handshake("Accept", "image/png"), "406 NOT ACCEPTABLE", `{"detail":"Could not satisfy the request Accept header"}`},
		{c, deis.Errorf(deis.Forbidden, textForbidden), handshake(), "403 FORBIDDEN", forbidden},
		{c, deis.Errorf(deis.Forbidden, textForbidden), nil, "403 FORBIDDEN", forbidden},
		{c, deis.ErrNotFound, handshake(), "404 NOT FOUND", `{"detail":"Not found"}`},
		{c, nil, nil, "426 UPGRADE REQUIRED", `{"detail":"This takes a WebSocket."}`},
		{c, nil, handshake("Sec-WebSocket-Protocol", "chat, v2.run"), "400 BAD REQUEST", `{"detail":"The WebSocket's protocol must be run.deis.v1."}`},
		{c, nil, handshake("Sec-WebSocket-Key", "x"), "400 BAD REQUEST", `{"detail":"This is not a WebSocket's handshake."}`},
		{c, nil, handshake("Sec-WebSocket-Version", "8"), "400 BAD REQUEST", `{"detail":"This is not a WebSocket's handshake."}`},
		{full, nil, handshake(), "503 SERVICE UNAVAILABLE", `{"detail":"Too many commands are attended at the moment."}`},
	} {
		f.err = x.err
		if got := x.c.do("GET", streamPath, "", x.headers...); got.status != x.status || got.body != x.body {
			t.Errorf("%v: %s %s, want %s %s", x.headers, got.status, got.body, x.status, x.body)
		}
	}
}

func TestSessionErrors(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, x := range []struct {
		err  error
		last string
	}{
		{deis.Errorf(deis.Invalid, "No build associated with this release to run this command"), "No build associated with this release to run this command"},
		{&deis.Error{Kind: deis.Unavailable, Detail: "The command could not be run.", Err: errors.New("secret")}, "The command could not be run."},
		{deis.Field("command", "This field may not be blank."), "command: This field may not be blank."},
		{errors.New("secret"), "Something went wrong on the server."},
	} {
		f.attach = func(context.Context, string, deis.Session) (int, error) { return 0, x.err }
		c.attend(`{"command":"sh"}`).expectEnd(`{"error":"`+x.last+`"}`, websocket.CloseInternalServerErr)
	}
}

// Who connects and says nothing does not stay.
func TestSessionFirstMessageTakesItsTime(t *testing.T) {
	c := serveStreams(t, &fake{}, func(s *streams) { s.hello = 10 * time.Millisecond })
	a := c.attend("")
	if _, _, err := a.ReadMessage(); err == nil {
		t.Error("a session without a command")
	}
}
