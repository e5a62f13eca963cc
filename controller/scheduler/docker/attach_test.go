package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/enginetest"
)

// attended starts a command on a fake Engine.
func attended(t *testing.T, program func(enginetest.Attached) int) (*Scheduler, *enginetest.Engine) {
	t.Helper()
	s, e := newFake(t)
	e.Provide(reference())
	e.Attend(program)
	t.Cleanup(func() {
		if left := e.Containers(); len(left) > 0 {
			t.Errorf("%d containers left", len(left))
		}
	})
	return s, e
}

func TestAttachToAFake(t *testing.T) {
	var mu sync.Mutex
	var did []string
	s, e := attended(t, func(a enginetest.Attached) int {
		in, err := io.ReadAll(a.Stdin)
		fmt.Fprintf(a.Stdout, "%s %v", in, err)
		fmt.Fprint(a.Stderr, "err")
		for range 2 {
			what := <-a.Control
			mu.Lock()
			did = append(did, what)
			mu.Unlock()
		}
		return 7
	})
	var out, errs bytes.Buffer
	control := make(chan deis.Control, 2)
	control <- deis.Control{Resize: deis.Size{Rows: 24, Cols: 80}}
	control <- deis.Control{Signal: "INT"}
	code, err := s.Attach(t.Context(), testSpec(1), deis.Session{
		Stdin: io.NopCloser(strings.NewReader("typed")), Stdout: &out, Stderr: &errs, Control: control,
	})
	if code != 7 || err != nil || out.String() != "typed <nil>" || errs.String() != "err" {
		t.Errorf("%d %v %q %q", code, err, out.String(), errs.String())
	}
	if got := strings.Join(did, ", "); got != "resize 24x80, kill SIGINT" {
		t.Error(got)
	}
	// The kernel drops a signal for an init that has not begun the command.
	looks := slices.DeleteFunc(e.Calls(), func(call string) bool { return !strings.HasSuffix(call, "/top") })
	if len(looks) != enginetest.LooksAtInit+1 {
		t.Errorf("signalled after %d looks at the processes", len(looks))
	}
}

// Output that a slow reader has yet to take is not cut when the command ends.
func TestAttachWaitsForWhoReads(t *testing.T) {
	s, _ := attended(t, func(a enginetest.Attached) int {
		fmt.Fprint(a.Stdout, "one")
		fmt.Fprint(a.Stdout, "two")
		return 0
	})
	s.drain = time.Millisecond
	slow := &slowly{pause: 100 * s.drain}
	code, err := s.Attach(t.Context(), testSpec(1), deis.Session{Stdin: io.NopCloser(strings.NewReader("")), Stdout: slow, Stderr: slow})
	if code != 0 || err != nil || slow.got.String() != "onetwo" {
		t.Errorf("%d %v %q", code, err, slow.got.String())
	}
}

type slowly struct {
	pause time.Duration
	got   bytes.Buffer
}

func (s *slowly) Write(p []byte) (int, error) {
	time.Sleep(s.pause)
	s.pause = 0
	return s.got.Write(p)
}

func TestAttachThatFails(t *testing.T) {
	for _, call := range []string{"POST /containers/.*/attach", "POST /containers/.*/wait", "POST /containers/.*/start"} {
		s, e := attended(t, func(a enginetest.Attached) int { <-a.Removed; return 0 })
		e.Fail(call, http.StatusInternalServerError, "containerd is not running", 1)
		r, w := io.Pipe()
		_, err := s.Attach(t.Context(), testSpec(1), deis.Session{Stdin: r, Stdout: io.Discard, Stderr: io.Discard})
		if d := detail(err); !strings.HasSuffix(d, ": containerd is not running.") && !strings.HasSuffix(d, ": unable to upgrade to tcp, received 500.") {
			t.Errorf("%s: %s", call, d)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: the input is open: %v", call, err)
		}
	}
}

func TestAttachEndsWithItsContext(t *testing.T) {
	running := make(chan struct{})
	s, _ := attended(t, func(a enginetest.Attached) int { close(running); <-a.Removed; return 0 })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-running; cancel() }()
	r, _ := io.Pipe()
	if _, err := s.Attach(ctx, testSpec(1), deis.Session{Stdin: r, Stdout: io.Discard, Stderr: io.Discard}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
