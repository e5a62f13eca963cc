//go:build linux

package cmd

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// onScreen is what a terminal's lines hold in the end: backspaces move, text
// overwrites.
func onScreen(written string) string {
	var lines []string
	for _, line := range strings.Split(written, "\r\n") {
		var cells []byte
		at := 0
		for i := range len(line) {
			switch {
			case line[i] == '\b':
				at--
			case at < len(cells):
				cells[at] = line[i]
				at++
			default:
				cells = append(cells, line[i])
				at++
			}
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return strings.Join(lines, "\n")
}

// rest waits for the end of the command and is what it has shown.
func (tt *terminal) rest(code int) string {
	tt.t.Helper()
	tt.exit(code)
	if _, err := tt.them.WriteString(end); err != nil {
		tt.t.Fatal(err)
	}
	return tt.until(end)
}

// TestProgressAtTerminal: behind the spinner stands how far a deploy is, and
// in the end nothing of it is left.
func TestProgressAtTerminal(t *testing.T) {
	const before, after = "Creating config... ", "done, v5\n\n=== demo Config\nA      1\n"
	s := newScene(t)
	s.every = 10 * time.Millisecond
	release := make(chan struct{})
	_, looked := s.deploying(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		fmt.Fprint(w, configJSON(`"values":{"DEIS_RELEASE":"v5"}`))
	}, pageJSON(2, processJSON("web", 1, "up", "v4"), processJSON("web", 1, "created", "v5")), `no JSON`,
		pageJSON(3, processJSON("web", 1, "up", "v4"), processJSON("web", 1, "up", "v5"), processJSON("worker", 1, "created", "v5")))
	tt := s.start(t.Context(), "config:set", "A=1", "-a", "demo")
	const said = "web 1/1, worker 0/1 up (v5)"
	tt.until(said)
	close(release)
	written := tt.rest(exitOK)
	if got := onScreen(written); got != before+after {
		t.Errorf("left on the screen: %q, of %q", got, written)
	}
	if looked.Load() < 3 {
		t.Errorf("%d looks", looked.Load())
	}
}

// TestNoRoomForProgress: what would wrap could not be erased.
func TestNoRoomForProgress(t *testing.T) {
	s := newScene(t)
	s.every = time.Millisecond
	release := make(chan struct{})
	many := make([]string, 20) // too many for a line
	for i := range many {
		many[i] = processJSON(fmt.Sprintf("type%d", i), 1, "up", "v5")
	}
	_, looked := s.deploying(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"detail":"no"}`)
	}, pageJSON(20, many...))
	tt := s.start(t.Context(), "ps:scale", "web=1", "-a", "demo")
	for looked.Load() < 5 {
		tt.expect(`\.o\.`) // one of the frames, time and again
	}
	close(release)
	written := tt.rest(exitFailed)
	if looked.Load() == 0 || strings.Contains(written, "type") {
		t.Errorf("%d looks, %q", looked.Load(), written)
	}
	if !strings.Contains(written, "503 SERVICE UNAVAILABLE") {
		t.Errorf("%q", written)
	}
}

// TestInterruptedDeployAtTerminal: the terminal is left with whole lines.
func TestInterruptedDeployAtTerminal(t *testing.T) {
	s := newScene(t)
	ctx, interrupt := context.WithCancel(t.Context())
	s.deploying(func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	})
	written := s.start(ctx, "ps:scale", "web=1", "-a", "demo").rest(exitInterrupted)
	if want := "Scaling processes... but first, coffee!\n...\n" + goesOn; onScreen(written) != want {
		t.Errorf("%q, want %q", written, want)
	}
}

// TestSpinWithNotes: each frame covers what the one before left.
func TestSpinWithNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		notes := []string{" long", " no", "", " more"}
		stop := spin(&out, spinInterval, func() string {
			note := notes[0]
			notes = notes[1:]
			return note
		})
		time.Sleep(4*spinInterval + spinInterval/2) // of the bubble's clock
		synctest.Wait()
		stop()
		back := func(columns int) string { return strings.Repeat("\b", columns) }
		want := "..." + back(3) + "o.. long" + back(8) + ".o. no" + "  " + back(2) + back(6) + "..o" + "   " + back(3) +
			back(3) + "... more" + back(5) + "     " + back(5) + back(3)
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
		if got := onScreen(out.String() + "done"); got != "done" {
			t.Errorf("%q is left of %q", got, out.String())
		}
	})
}
