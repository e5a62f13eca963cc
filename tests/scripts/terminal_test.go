//go:build integration

package scripts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

// terminal FILE deis ARG... runs the client at a terminal of 24 rows and 80
// columns. The file says, a line each, what happens there:
//
//	expect REGEXP      wait until that is shown, behind what was expected before
//	type TEXT          type a text, written as in a Go string
//	resize ROWS COLS   give the terminal another size
//	exit CODE          wait for the end
func atTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "deis" {
		ts.Fatalf("usage: terminal file deis arg...")
	}
	cmd := exec.Command(filepath.Join(stage.Root, "bin/deis"), args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), stage.Existing("", ts.Getenv("HOME")).Env()...)
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	ts.Check(err)
	defer master.Close()
	screen := watch(master)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	for _, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if line == "" {
			continue
		}
		do, what, _ := strings.Cut(line, " ")
		var err error
		switch do {
		case "expect":
			err = screen.expect(what)
		case "type":
			var text string
			if text, err = strconv.Unquote(`"` + what + `"`); err == nil {
				_, err = master.WriteString(text)
			}
		case "resize":
			var size pty.Winsize
			if _, err = fmt.Sscan(what, &size.Rows, &size.Cols); err == nil {
				err = pty.Setsize(master, &size)
			}
		case "exit":
			select {
			case <-ended:
			case <-time.After(patience):
				err = fmt.Errorf("not ended after %s", patience)
			}
			if code := cmd.ProcessState.ExitCode(); err == nil && strconv.Itoa(code) != what {
				err = fmt.Errorf("exit code %d", code)
			}
		default:
			err = fmt.Errorf("there is no such step")
		}
		if err != nil {
			ts.Fatalf("%s: %v; the terminal shows since the last expect:\n%q", line, err, screen.rest())
		}
	}
}

// screen is what a terminal showed.
type screen struct {
	mu    sync.Mutex
	shown []byte // since the last expect
}

func watch(master *os.File) *screen {
	s := &screen{}
	go func() {
		block := make([]byte, 4096)
		for {
			n, err := master.Read(block)
			s.mu.Lock()
			s.shown = append(s.shown, block[:n]...)
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) rest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.shown)
}

func (s *screen) expect(pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	return eventually("shown", func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		at := re.FindIndex(s.shown)
		if at != nil {
			s.shown = s.shown[at[1]:]
		}
		return at != nil, nil
	})
}

// crash COMPONENT kills a component's main process, and waits until it serves
// again.
func crash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: crash component")
	}
	pid, err := findMain(context.Background(), args[0])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	ts.Check(eventually(args[0]+" is another process", func() (bool, error) {
		again, err := findMain(context.Background(), args[0])
		return err == nil && again != pid, err
	}))
	ts.Check(eventually(args[0]+" is back", func() (bool, error) { return ready(context.Background(), args[0]) }))
}

// numbered FILE MORE waits for so many more lines in a file that something
// writes to, and checks that the "tick N" in it count on without a gap.
func numbered(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: numbered file more")
	}
	more, err := strconv.Atoi(args[1])
	ts.Check(err)
	file := ts.MkAbs(args[0])
	count := func() (ticks [][]byte, err error) {
		b, err := os.ReadFile(file)
		if end := strings.LastIndexByte(string(b), '\n'); end >= 0 {
			ticks = tick.FindAll(b[:end+1], -1)
		}
		return ticks, err
	}
	before, err := count()
	ts.Check(err)
	var ticks [][]byte
	ts.Check(eventually("more lines", func() (bool, error) {
		ticks, err = count()
		return len(ticks) >= len(before)+more, err
	}))
	last := 0
	for i, line := range ticks {
		n, err := strconv.Atoi(string(tick.FindSubmatch(line)[1]))
		ts.Check(err)
		if i > 0 && n != last+1 {
			ts.Fatalf("behind tick %d comes %q", last, line)
		}
		last = n
	}
	ts.Logf("%d lines, up to tick %d", len(ticks), last)
}

var tick = regexp.MustCompile(`(?m)^\S+ \S+\[cmd\.1\]: tick ([0-9]+)$`)
