package cmd

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

const streamRequest = "GET /v1/apps/demo/run/stream"

// noStream is what a controller of Deis v1 says.
var noStream = exchange{request: streamRequest, status: 405, answer: `{"detail":"Method 'GET' not allowed."}`}

// attended is what the controller does in a session: `<` expects a message, as a
// text or behind its channel, `>` sends one. `cut` closes the connection.
func attended(steps ...string) exchange {
	return exchange{request: streamRequest, status: 101, attend: func(conn *websocket.Conn) {
		for _, step := range steps {
			if step == "cut" {
				return
			}
			text := step[2:]
			kind := websocket.TextMessage
			if text[0] >= '0' && text[0] <= '2' {
				kind, text = websocket.BinaryMessage, string([]byte{text[0] - '0'})+text[1:]
			}
			if strings.HasPrefix(step, "> ") {
				_ = conn.WriteMessage(kind, []byte(text))
				continue
			}
			if gotKind, got, err := conn.ReadMessage(); err != nil || gotKind != kind || string(got) != text {
				_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"error":%q}`, fmt.Sprintf("the controller got %q %v, not %q", got, err, text)))
				return
			}
		}
	}}
}

// Starts of sessions.
const (
	startPiped    = `< {"command":"x","tty":false,"rows":0,"cols":0}`
	startTerminal = `< {"command":"x","tty":true,"rows":0,"cols":0}`
)

var runStories = []story{
	{name: "attended", only: inPipe, args: words("run -a demo -- ls -la"), calls: []exchange{attended(
		`< {"command":"ls -la","tty":false,"rows":0,"cols":0}`, `< {"eof":true}`, "> 1one\n", "> 2warning\n", "> 1two", `> {"exit":0}`)}},
	{name: "attended, with input and an exit code", only: inPipe, args: words("apps:run -a demo x"), in: "some input", calls: []exchange{attended(
		startPiped, "< 0some input", `< {"eof":true}`, "> 1 0 2 10\n", `> {"exit":7}`)}},
	{name: "attended, ended before its input", only: inPipe, args: words("run -a demo x"), in: "never read", calls: []exchange{attended(
		startPiped, `> {"exit":137}`)}},
	{name: "attended, cannot be run", only: inPipe, args: words("run -a demo x"), calls: []exchange{attended(
		startPiped, `> {"error":"The app has no build yet."}`)}},
	{name: "attended, cut", only: inPipe, args: words("run -a demo x"), calls: []exchange{attended(
		startPiped, "> 1half a l", "cut")}},
	{name: "attended, an end that is none", only: inPipe, args: words("run -a demo x"), calls: []exchange{attended(
		startPiped, `> {"done":true}`)}},

	{name: "attended at a terminal", only: atTerminal, args: words("run -a demo x"), in: "ls\n", calls: []exchange{attended(
		startTerminal, "< 0ls\n", "> 1\x1b[32mone\x1b[0m\r\n", `> {"exit":0}`)}},
	{name: "attended at a terminal, its input ends", only: atTerminal, args: words("run -a demo x"), calls: []exchange{attended(
		startTerminal, "< 0\x04", "> 1logout\r\n", `> {"exit":7}`)}},
	{name: "attended at a terminal, cannot be run", only: atTerminal, args: words("run -a demo x"), calls: []exchange{attended(
		startTerminal, `> {"error":"The app has no build yet."}`)}},
	{name: "attended at a terminal, cut", only: atTerminal, args: words("run -a demo x"), calls: []exchange{attended(
		startTerminal, "> 1half a l", "cut")}},

	{name: "too many attended", args: words("run -a demo x"), calls: []exchange{{request: streamRequest, status: 503, answer: `{"detail":"Too many commands are attended at the moment."}`}}},
	{name: "no such app", args: words("run -a demo x"), calls: []exchange{{request: streamRequest, status: 404, answer: notFound}}},
	{name: "not logged in", args: words("run -a demo x"), setup: noSession},
	{name: "no such path at the controller", args: words("run -a demo x"), calls: []exchange{{request: streamRequest, status: 404, answer: "<h1>Not Found</h1>"}, {request: `POST /v1/apps/demo/run {"command":"x"}`, status: 200, answer: `[0,"hello\n"]`}}},
	{name: "a proxy that lets no WebSocket through", args: words("run -a demo x"), calls: []exchange{{request: streamRequest, status: 426, answer: `{"detail":"This takes a WebSocket."}`}, {request: `POST /v1/apps/demo/run {"command":"x"}`, status: 503, answer: `{"detail":"The registry is away."}`}}},
}

// full is a disk that takes no more.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestRunOutputNotTaken: output that cannot be written ends the command.
func TestRunOutputNotTaken(t *testing.T) {
	gone := make(chan error, 1)
	s := newScene(t, exchange{request: streamRequest, status: 101, attend: func(conn *websocket.Conn) {
		_, _, err := conn.ReadMessage()
		for err == nil {
			_ = conn.WriteMessage(websocket.BinaryMessage, []byte("\x02text"))
			_, _, err = conn.ReadMessage()
		}
		gone <- err
	}})
	io, _, _ := testIOStreams("")
	io.Err = full{}
	f := NewFactory(io, s.env)
	err := run(t.Context(), resolve(f, words("run x")).verb, words("-a demo x"))
	if err == nil || err.Error() != "no space left on device" {
		t.Error(err)
	}
	if err := <-gone; !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Error(err)
	}
}

// TestRunInput: all of a large input arrives, in order, and then its end.
func TestRunInput(t *testing.T) {
	var want strings.Builder
	for i := range 200_000 {
		fmt.Fprintln(&want, i)
	}
	var got strings.Builder
	s := newScene(t, exchange{request: streamRequest, status: 101, attend: func(conn *websocket.Conn) {
		for {
			kind, message, err := conn.ReadMessage()
			switch {
			case err != nil || string(message) == `{"eof":true}`:
				_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"exit":0}`))
				return
			case kind == websocket.BinaryMessage:
				got.Write(message[1:])
			}
		}
	}})
	s.in = want.String()
	if _, stderr, code := s.run("run", "x"); code != 0 || stderr != "" || got.String() != want.String() {
		t.Errorf("exit %d, %s, %d bytes of %d", code, stderr, got.Len(), want.Len())
	}
}
