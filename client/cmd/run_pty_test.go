//go:build linux

package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/gorilla/websocket"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/version"
)

// peer is the controller's end of a session.
type peer struct {
	*testing.T
	*websocket.Conn
}

// attending is a controller that lets do attend one command.
func attending(t *testing.T, do func(peer)) exchange {
	return exchange{request: streamRequest, status: 101, attend: func(conn *websocket.Conn) { do(peer{t, conn}) }}
}

func (p peer) expect(want string) {
	p.Helper()
	if _, got, err := p.ReadMessage(); err != nil || string(got) != want {
		p.Errorf("%q %v, want %q", got, err, want)
	}
}

func (p peer) send(kind int, text string) {
	p.Helper()
	if err := p.WriteMessage(kind, []byte(text)); err != nil {
		p.Error(err)
	}
}

// raise sends this process a signal.
func raise(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Error(err)
	}
}

// TestRunAtTerminal: keys arrive as they are typed, Ctrl-C is one of them, the
// size follows the terminal's, and in the end the terminal is as it was.
func TestRunAtTerminal(t *testing.T) {
	sized := make(chan struct{})
	s := newScene(t, attending(t, func(p peer) {
		var first api.RunStart
		if err := p.ReadJSON(&first); err != nil || first.Command != "vi x" || !first.TTY || first.Rows != 0 {
			t.Errorf("%+v %v", first, err)
		}
		p.send(websocket.BinaryMessage, "\x01~\r\n")
		p.expect("\x00i")
		p.send(websocket.BinaryMessage, "\x01typed\n") // no \r: nothing is added on the way
		p.expect("\x00\x03")
		p.send(websocket.BinaryMessage, "\x01interrupted")
		<-sized
		p.expect(`{"resize":{"rows":50,"cols":132}}`)
		p.send(websocket.TextMessage, `{"exit":7}`)
	}))
	tt := s.start(t.Context(), "run", "vi", "x")
	tt.expect(`^Running 'vi x'...\r\n~\r\n`)
	tt.noEcho(true)
	tt.typing("i")
	tt.expect(`^typed\n`)
	tt.typing("\x03")
	tt.expect(`^interrupted`)
	if err := pty.Setsize(tt.us, &pty.Winsize{Rows: 50, Cols: 132}); err != nil {
		t.Fatal(err)
	}
	raise(t, syscall.SIGWINCH) // which a shell's child gets from its terminal
	close(sized)
	tt.exit(7)
	tt.noEcho(false)
}

// TestRunLeavesTerminal: however a session ends, the terminal is as it was.
func TestRunLeavesTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(peer)
		code  int
		shown string
	}{
		"cut":       {func(peer) {}, 1, "Error: the connection was cut"},
		"error":     {func(p peer) { p.send(websocket.TextMessage, `{"error":"No."}`) }, 1, "Error: No."},
		"nonsense":  {func(p peer) { p.send(websocket.TextMessage, `x`) }, 1, "Error: the controller sent"},
		"SIGTERM":   {func(p peer) { raise(t, syscall.SIGTERM); _, _, _ = p.ReadMessage() }, 143, ""},
		"SIGHUP":    {func(p peer) { raise(t, syscall.SIGHUP); _, _, _ = p.ReadMessage() }, 129, ""},
		"by itself": {func(p peer) { p.send(websocket.TextMessage, `{"exit":0}`) }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw := make(chan struct{})
			s := newScene(t, attending(t, func(p peer) {
				_, _, _ = p.ReadMessage()
				<-raw
				c.do(p)
			}))
			tt := s.start(t.Context(), "run", "bash")
			tt.noEcho(true)
			close(raw)
			tt.exit(c.code)
			tt.noEcho(false)
			tt.expect(c.shown)
		})
	}
}

// TestRunFallsBackAtTerminal: at a controller of Deis v1 the terminal stays as
// it is.
func TestRunFallsBackAtTerminal(t *testing.T) {
	s := newScene(t, noStream, exchange{request: `POST /v1/apps/demo/run {"command":"ls"}`, status: 200, answer: `[3,"one\n"]`})
	tt := s.start(t.Context(), "run", "ls")
	tt.expect("^Running 'ls'...\r\none\r\n")
	tt.exit(3)
	tt.noEcho(false)
}

// TestRunTerminalForInput: with its output in a pipe, a command has no input
// from a terminal, as at Deis v1.
func TestRunTerminalForInput(t *testing.T) {
	us, them, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer us.Close()
	defer them.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.WriteString(us, "typed for the shell\n"); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, attending(t, func(p peer) {
		p.expect(`{"command":"cat","tty":false,"rows":0,"cols":0}`)
		p.expect(`{"eof":true}`)
		p.send(websocket.TextMessage, `{"exit":0}`)
	}))
	if code := execute(t.Context(), NewFactory(newIOStreams(them, w, w), s.env), words("run cat")); code != 0 {
		t.Error(code)
	}
	w.Close()
	if out, err := io.ReadAll(r); err != nil || string(out) != "Running 'cat'...\n" {
		t.Errorf("%q %v", out, err)
	}
	line := make([]byte, 100)
	if n, err := them.Read(line); err != nil || string(line[:n]) != "typed for the shell\n" {
		t.Errorf("%q %v: read by the client", line[:n], err)
	}
}

// TestRunInBackground: a job in the background of a terminal, which would be
// stopped if it read from it or set it up, runs without input.
func TestRunInBackground(t *testing.T) {
	if os.Getenv("DEIS_TEST_JOB") != "" { // in the job
		os.Exit(Main(words("run cat"), os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	s := newScene(t, attending(t, func(p peer) {
		p.expect(`{"command":"cat","tty":false,"rows":0,"cols":0}`)
		p.expect(`{"eof":true}`)
		p.send(websocket.TextMessage, `{"exit":9}`)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", `set -m; "$0" -test.run=^TestRunInBackground$ & wait $!; echo code $?; kill -9 $! 2>/dev/null`, os.Args[0])
	shell.Env = append(s.env, "DEIS_TEST_JOB=1")
	tty, err := pty.Start(shell)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	shown, _ := io.ReadAll(tty) // ends with an error when the terminal is closed
	if err := shell.Wait(); err != nil && ctx.Err() != nil || !strings.Contains(string(shown), "Running 'cat'...\r\n") || !strings.Contains(string(shown), "code 9\r\n") {
		t.Errorf("%v %q", err, shown)
	}
}

// TestRunSignals: without a terminal the first signal is the command's, the
// second ends the session.
func TestRunSignals(t *testing.T) {
	first := func(p peer, sig syscall.Signal) {
		p.expect(`{"command":"x","tty":false,"rows":0,"cols":0}`)
		p.expect(`{"eof":true}`)
		raise(t, sig)
		var c api.RunControl
		_, message, err := p.ReadMessage()
		if err == nil {
			err = json.Unmarshal(message, &c)
		}
		if want := map[syscall.Signal]string{syscall.SIGINT: "INT", syscall.SIGTERM: "TERM"}[sig]; err != nil || c.Signal != want {
			t.Errorf("%s %v, want %s", message, err, want)
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(fmt.Sprint(sig), func(t *testing.T) {
			s := newScene(t, attending(t, func(p peer) {
				first(p, sig)
				p.send(websocket.TextMessage, `{"exit":42}`)
			}))
			if stdout, stderr, code := s.run("run", "x"); code != 42 || stderr != "" {
				t.Error(stdout, stderr, code)
			}
			s = newScene(t, attending(t, func(p peer) {
				first(p, sig)
				raise(t, sig)
				if _, message, err := p.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
					t.Errorf("%s %v", message, err)
				}
			}))
			if stdout, stderr, code := s.run("run", "x"); code != 128+int(sig) || stderr != "" {
				t.Error(stdout, stderr, code)
			}
		})
	}
}

// TestRunSignalsBlocked: the second signal ends the client also while nobody
// takes the command's output.
func TestRunSignalsBlocked(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newScene(t, attending(t, func(p peer) {
		p.expect(`{"command":"yes","tty":false,"rows":0,"cols":0}`)
		p.expect(`{"eof":true}`)
		for range 16 { // more than a pipe holds
			p.send(websocket.BinaryMessage, "\x01"+strings.Repeat("y\n", 8<<10))
		}
		raise(t, syscall.SIGTERM)
		p.expect(`{"signal":"TERM"}`)
		raise(t, syscall.SIGTERM)
		_, _, _ = p.ReadMessage()
	}))
	io, _, _ := testIOStreams("")
	io.Out = w
	if code := s.execute(t.Context(), io, words("run yes")); code != 143 {
		t.Error(code)
	}
	w.Close()
}

// TestFollowAtTerminal: lines come in colour, an outage is told once, and
// Ctrl-C ends it without a word.
func TestFollowAtTerminal(t *testing.T) {
	s := newScene(t)
	asked := 0
	s.stub.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set(api.HeaderAPIVersion, version.API)
		w.Header().Set(api.HeaderLogPosition, logID+"-0")
		_, _ = io.WriteString(w, logLine)
	})
	ctx, interrupt := context.WithCancel(t.Context())
	tt := s.start(ctx, "logs", "-f")
	tt.expect("^\x1b\\[36m2015-01-01T00:00:00UTC demo\\[web.1\\]: hello\x1b\\[0m\r\n")
	tt.expect("^!    The log is out of reach.*\r\n")
	interrupt()
	tt.exit(exitInterrupted)
	tt.expect("^\r\n$")
}
