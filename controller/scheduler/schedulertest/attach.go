package schedulertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/deis/deis/controller/deis"
)

// user is who attends a command: types, and reads what it prints.
type user struct {
	*suite
	spec    deis.Spec
	session deis.Session
	control chan deis.Control
	typed   *io.PipeWriter
	out     screen
	err     screen
	ended   chan struct{}
	code    int
	failed  error
}

// screen is an output that may be looked at meanwhile.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// String is what was printed, with the line ends of a program.
func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.text.String(), "\r\n", "\n")
}

func (s *suite) user(args ...string) *user {
	u := &user{suite: s, spec: s.spec("run", args...), control: make(chan deis.Control), ended: make(chan struct{})}
	r, w := io.Pipe()
	u.typed = w
	u.session = deis.Session{Stdin: r, Stdout: &u.out, Stderr: &u.err, Control: u.control}
	return u
}

// attach begins.
func (u *user) attach(ctx context.Context) {
	go func() {
		defer close(u.ended)
		u.code, u.failed = u.Scheduler.Attach(ctx, u.spec, u.session)
	}()
}

func (u *user) typeIn(text string) {
	u.Helper()
	if _, err := io.WriteString(u.typed, text); err != nil {
		u.Fatalf("typing: %v", err)
	}
}

func (u *user) do(c deis.Control) {
	u.Helper()
	select {
	case u.control <- c:
	case <-time.After(patience):
		u.Fatalf("%+v is not taken", c)
	}
}

func (u *user) sees(s *screen, want string) {
	u.Helper()
	u.await(fmt.Sprintf("%q is seen", want), func() bool { return strings.Contains(s.String(), want) })
}

// end waits for it. Input is closed and nothing is left then.
func (u *user) end() (code int, err error) {
	u.Helper()
	select {
	case <-u.ended:
	case <-time.After(patience):
		u.Fatal("it does not end")
	}
	if _, err := u.typed.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		u.Errorf("the input is still open: %v", err)
	}
	u.nothingLeft(u.spec)
	return u.code, u.failed
}

func testAttachInput(s *suite) {
	u := s.user("cat")
	u.attach(s.Context())
	u.typeIn("one\n")
	u.sees(&u.out, "one\n")
	if _, ok := s.status(u.spec.Identity.UUID); !ok {
		s.Error("not among the states while it runs")
	}
	u.typeIn("two\n\x00\xff\x1b three\n")
	u.must(u.typed.Close())
	if code, err := u.end(); code != 3 || err != nil || u.out.String() != "one\ntwo\n\x00\xff\x1b three\n" || u.err.String() != "" {
		s.Errorf("%d %v %q %q", code, err, u.out.String(), u.err.String())
	}

	// Much of it, which all arrives.
	u = s.user("cat")
	u.attach(s.Context())
	line := strings.Repeat("y", 9999) + "\n"
	for range 200 {
		u.typeIn(line)
	}
	u.must(u.typed.Close())
	if code, err := u.end(); code != 200 || err != nil || u.out.String() != strings.Repeat(line, 200) {
		s.Errorf("%d %v and %d bytes", code, err, len(u.out.String()))
	}

	// Both outputs, apart, and input that nobody reads.
	u = s.user("exit", "7")
	u.attach(s.Context())
	if code, err := u.end(); code != 7 || err != nil || u.out.String() != "out\n" || u.err.String() != "err\n" {
		s.Errorf("%d %v %q %q", code, err, u.out.String(), u.err.String())
	}
}

func testAttachTerminal(s *suite) {
	u := s.user("size")
	u.session.TTY, u.session.Size = true, deis.Size{Rows: 33, Cols: 111}
	u.attach(s.Context())
	u.sees(&u.out, "33x111\n")
	u.do(deis.Control{Resize: deis.Size{Rows: 44, Cols: 122}})
	u.sees(&u.out, "44x122\n")
	u.do(deis.Control{Signal: "KILL"})
	if code, err := u.end(); code != 137 || err != nil {
		s.Errorf("%d %v", code, err)
	}

	u = s.user("exit", "5")
	u.session.TTY = true
	u.attach(s.Context())
	if code, err := u.end(); code != 5 || err != nil || u.out.String() != "out\nerr\n" || u.err.String() != "" {
		s.Errorf("%d %v %q %q", code, err, u.out.String(), u.err.String())
	}
}

func testAttachSignals(s *suite) {
	u := s.user("trap")
	u.attach(s.Context())
	u.sees(&u.out, "ready\n")
	u.do(deis.Control{Resize: deis.Size{Rows: 1, Cols: 1}}) // there is no terminal: nothing
	u.do(deis.Control{Signal: "INT"})
	if code, err := u.end(); code != 9 || err != nil || u.err.String() != "INT\n" {
		s.Errorf("%d %v %q", code, err, u.err.String())
	}

	u = s.user("serve") // handles none of these
	u.attach(s.Context())
	u.sees(&u.out, "serving\n")
	u.do(deis.Control{Signal: "INT"})
	if code, err := u.end(); err != nil || code != 130 && code != 2 { // as the program's language has it
		s.Errorf("%d %v", code, err)
	}
}

// testAttachEarlySignal: one that is sent before the command runs reaches it.
func testAttachEarlySignal(s *suite) {
	for range 2 {
		u := s.user("serve")
		u.session.Control = u.early(deis.Control{Signal: "INT"})
		u.attach(s.Context())
		if code, err := u.end(); err != nil || code != 130 && code != 2 { // as the program's language has it
			s.Errorf("%d %v", code, err)
		}
	}
}

// early is a control that somebody has used already.
func (u *user) early(c deis.Control) <-chan deis.Control {
	control := make(chan deis.Control, 1)
	control <- c
	return control
}

// testAttachBackpressure: what nobody takes is not kept anywhere.
func testAttachBackpressure(s *suite) {
	u := s.user("flood")
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	var count counter
	u.session.Stdout = writerFunc(func(p []byte) (int, error) {
		count.add(len(p))
		if count.value() > 1<<20 {
			<-ctx.Done() // takes no more
		}
		return len(p), nil
	})
	u.attach(ctx)
	s.await("a megabyte", func() bool { return count.value() > 1<<20 })
	taken := count.value()
	if _, ok := s.status(u.spec.Identity.UUID); !ok {
		s.Error("it has ended")
	}
	if more := count.value() - taken; more > 0 {
		s.Errorf("%d bytes more were written to who takes none", more)
	}
	cancel()
	if _, err := u.end(); !errors.Is(err, context.Canceled) {
		s.Errorf("error is %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
}

func (c *counter) value() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func testAttachCancelled(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	u := s.user("serve")
	u.attach(ctx)
	u.sees(&u.out, "serving\n")
	cancel()
	if _, err := u.end(); !errors.Is(err, context.Canceled) {
		s.Errorf("error is %v", err)
	}

	ctx, cancel = context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	u = s.user("cat")
	u.attach(ctx)
	_, err := u.end()
	s.sentence(err, deis.Unavailable, "in time")
}

func testAttachBrokenOutput(s *suite) {
	broken := errors.New("gone")
	u := s.user("serve")
	u.session.Stdout = writerFunc(func([]byte) (int, error) { return 0, broken })
	u.attach(s.Context())
	if _, err := u.end(); !errors.Is(err, broken) {
		s.Errorf("error is %v", err)
	}
}

func testAttachRefused(s *suite) {
	u := s.user("serve")
	u.spec.Entrypoint = []string{"/bin/no-bash", "-c"}
	u.attach(s.Context())
	if code, err := u.end(); err != nil {
		s.sentence(err, deis.Unavailable, "does not start: ")
	} else if code != 126 && code != 127 || !strings.Contains(u.err.String(), "/bin/no-bash") {
		s.Errorf("%d %q", code, u.err.String())
	}

	u = s.user("serve")
	u.spec.Image = s.Missing
	u.attach(s.Context())
	_, err := u.end()
	s.sentence(err, deis.Unavailable, "run.")
}
