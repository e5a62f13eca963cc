//go:build linux

package cmd

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
	"github.com/deis/deis/internal/retry"
	"golang.org/x/term"
)

// terminal is a pseudo-terminal with a command at its other end.
type terminal struct {
	t     *testing.T
	us    *os.File
	them  *os.File
	asked chan question
	done  chan int // the exit code

	mu    sync.Mutex
	more  *sync.Cond
	shown bytes.Buffer
	ended bool
}

// start runs a command at a terminal.
func (s *scene) start(ctx context.Context, args ...string) *terminal {
	s.t.Helper()
	us, them, err := pty.Open()
	if err != nil {
		s.t.Fatal(err)
	}
	tt := &terminal{t: s.t, us: us, them: them, asked: make(chan question, 1), done: make(chan int, 1)}
	tt.more = sync.NewCond(&tt.mu)
	s.t.Cleanup(func() { us.Close(); them.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := us.Read(buf)
			tt.mu.Lock()
			tt.shown.Write(buf[:n])
			tt.ended = err != nil
			tt.more.Broadcast()
			tt.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	streams := newIOStreams(them, them, them)
	streams.in = bufio.NewReader(tt)
	streams.hidden = func(fd int) ([]byte, error) {
		tt.ask(forPassword)
		return term.ReadPassword(fd)
	}
	go func() { tt.done <- s.execute(ctx, streams, args) }()
	return tt
}

// question is what a command asks at a terminal.
type question int

const (
	forLine     question = iota
	forPassword          // which is not shown
)

// ask tells of a question that is about to be waited for.
func (tt *terminal) ask(q question) {
	select {
	case tt.asked <- q:
	default: // nobody is told
	}
}

// Read is the command's, of a line.
func (tt *terminal) Read(b []byte) (int, error) {
	tt.ask(forLine)
	return tt.them.Read(b)
}

// expect waits until the terminal shows text that matches, and forgets all up
// to its end.
func (tt *terminal) expect(pattern string) {
	tt.t.Helper()
	re := regexp.MustCompile(pattern)
	stop := time.AfterFunc(20*time.Second, func() {
		tt.mu.Lock()
		tt.ended = true
		tt.more.Broadcast()
		tt.mu.Unlock()
	})
	defer stop.Stop()
	tt.mu.Lock()
	defer tt.mu.Unlock()
	for {
		if at := re.FindIndex(tt.shown.Bytes()); at != nil {
			tt.shown.Next(at[1])
			return
		}
		if tt.ended {
			tt.t.Fatalf("%q was not shown, but %q", pattern, tt.shown.String())
		}
		tt.more.Wait()
	}
}

func (tt *terminal) typing(text string) {
	tt.t.Helper()
	if _, err := io.WriteString(tt.us, text); err != nil {
		tt.t.Fatal(err)
	}
}

// noEcho waits until what is typed is not shown, so that a password can be
// typed in advance of nothing.
func (tt *terminal) noEcho(want bool) {
	tt.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := retry.Until(ctx, time.Millisecond, func(context.Context) (bool, error) { return echoes(tt.t, tt.them) != want, nil })
	if err != nil {
		tt.t.Fatal("the terminal's echo did not change")
	}
}

func (tt *terminal) exit(want int) {
	tt.t.Helper()
	if got := <-tt.done; got != want {
		tt.t.Errorf("exit %d, want %d", got, want)
	}
}

// TestInterruptedPrompts: Ctrl-C at a question ends the command, and leaves a
// terminal that shows what is typed.
func TestInterruptedPrompts(t *testing.T) {
	for args, prompt := range map[string]string{
		"passwd":                               `current password: $`,
		"destroy -a demo":                      `> $`,
		"login CONTROLLER --username=x":        `password: $`,
		"register CONTROLLER --email=x@y.com ": `username: $`,
	} {
		var calls []exchange
		if strings.Contains(args, "CONTROLLER") {
			calls = []exchange{probeCall}
		}
		ctx, cancel := context.WithCancel(t.Context())
		tt := newScene(t, calls...).start(ctx, words(args)...)
		tt.expect(prompt)
		if strings.Contains(prompt, "password") {
			tt.noEcho(true)
		}
		cancel()
		tt.exit(exitInterrupted)
		tt.noEcho(false)
	}
}

func TestLogsAtTerminal(t *testing.T) {
	s := newScene(t, exchange{request: "GET /v1/apps/demo/logs", status: 200, answer: "2015-01-01T00:00:00UTC demo[web.1]: hello\njunk\n"})
	tt := s.start(t.Context(), "logs")
	tt.expect("^\x1b\\[36m2015-01-01T00:00:00UTC demo\\[web.1\\]: hello\x1b\\[0m\r\n\x1b\\[33mjunk\x1b\\[0m\r\n$")
	tt.exit(0)
}

func TestSpinnerAtTerminal(t *testing.T) {
	s := newScene(t, exchange{request: `POST /v1/apps/demo/domains/ {"domain":"x.com"}`, status: 201}, exchange{request: `POST /v1/apps/demo/domains/ {"domain":"y.com"}`, status: 400, answer: `{}`})
	tt := s.start(t.Context(), "domains:add", "x.com")
	tt.expect("^Adding x.com to demo... \\.\\.\\.\b\b\bdone\r\n$")
	tt.exit(0)
	tt = s.start(t.Context(), "domains:add", "y.com")
	tt.expect("^Adding y.com to demo... \\.\\.\\.\b\b\bError: \r\n400 BAD REQUEST\r\n\r\n$")
	tt.exit(1)
}

func TestSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		stop := spin(&out, spinInterval, nil)
		time.Sleep(4*spinInterval + spinInterval/2) // of the bubble's clock
		synctest.Wait()
		stop()
		if want := "...\b\b\bo..\b\b\b.o.\b\b\b..o\b\b\b...\b\b\b"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}

func TestPasswordTakesTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	_, err = newIOStreams(r, w, w).ReadPassword(t.Context(), "password: ")
	if err == nil || !strings.HasPrefix(err.Error(), "inappropriate ioctl for device") {
		t.Error(err)
	}
}
