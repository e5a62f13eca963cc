package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// end is what follows the last byte of a command at a terminal.
const end = "\x00end\x00"

// runAtTerminal runs a command at a terminal. Each line of s.in is typed when
// the command waits for one, and the end of input when there is none left. The
// terminal must be left as it was found.
func (s *scene) runAtTerminal(args ...string) (shown string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	tt := s.start(ctx, args...)
	code, err := tt.converse(ctx, strings.SplitAfter(s.in, "\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	if !echoes(s.t, tt.them) {
		s.t.Error("the terminal does not show any more what is typed")
	}
	if _, err := tt.them.WriteString(end); err != nil {
		s.t.Fatal(err)
	}
	return s.clean(tt.until(end)), code
}

// converse types an answer to each question and returns the exit code.
func (tt *terminal) converse(ctx context.Context, answers []string) (int, error) {
	for {
		select {
		case code := <-tt.done:
			return code, nil
		case q := <-tt.asked:
			if q == forPassword {
				tt.noEcho(true)
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("the command does not end; shown: %q", tt.all())
		}
		answer := "\x04" // end of input
		if len(answers) > 0 && answers[0] != "" {
			answer, answers = answers[0], answers[1:]
		}
		tt.typing(answer)
	}
}

// all is what was shown so far.
func (tt *terminal) all() string {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.shown.String()
}

// until waits for a text and returns all that was shown before it.
func (tt *terminal) until(text string) string {
	tt.t.Helper()
	tt.mu.Lock()
	defer tt.mu.Unlock()
	for {
		before, _, found := strings.Cut(tt.shown.String(), text)
		if found {
			return before
		}
		if tt.ended {
			tt.t.Fatalf("%q was not shown, but %q", text, tt.shown.String())
		}
		tt.more.Wait()
	}
}

func TestVisible(t *testing.T) {
	if got, want := visible("a\r\n\x1b[31mé\b\r\\\nb\r\n"), "a\n\\x1b[31mé\\b\\r\\\\\\nb\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// nobody takes away what root may do: the scene's files become those of a user
// who is bound by their modes, and runs the command.
func nobody(s *scene) {
	const uid = 65534
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chmod(filepath.Dir(s.home), 0o711); err != nil {
		s.t.Fatal(err)
	}
	err := filepath.WalkDir(s.home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, -1)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.user = func(run func() int) int {
		runtime.LockOSThread() // a thread has one user, whom new threads do not get
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(uid); err != nil {
			s.t.Error(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }()
		return run()
	}
}
