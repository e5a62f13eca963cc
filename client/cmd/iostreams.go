package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// IOStreams are where a command reads and writes.
type IOStreams struct {
	Out, Err io.Writer

	in       *bufio.Reader
	inFD     int           // -1 if there is none
	piped    bool          // the input is a pipe or a regular file
	patience time.Duration // how long InputComes waits for a pipe

	outTTY bool
	outFD  int                          // of a terminal
	hidden func(fd int) ([]byte, error) // reads a line that is not shown
}

// newIOStreams uses the process's own streams.
func newIOStreams(in, out, err *os.File) *IOStreams {
	return &IOStreams{
		Out: out, Err: err,
		in: bufio.NewReader(in), inFD: int(in.Fd()), piped: piped(in), patience: 10 * time.Second,
		outTTY: term.IsTerminal(int(out.Fd())), outFD: int(out.Fd()),
		hidden: term.ReadPassword,
	}
}

// testIOStreams reads in and writes to buffers; neither is a terminal.
func testIOStreams(in string) (s *IOStreams, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	return &IOStreams{Out: out, Err: err, in: bufio.NewReader(strings.NewReader(in)), inFD: -1, piped: true, patience: 10 * time.Second}, out, err
}

// piped tells pipes and files from terminals, from /dev/null, and from the
// sockets that some programs hand to their children for nothing.
func piped(in *os.File) bool {
	info, err := in.Stat()
	return err == nil && (info.Mode().IsRegular() || info.Mode()&fs.ModeNamedPipe != 0)
}

// InputComes tells whether a pipe or a redirection brings any input. It waits
// for the first byte or the end.
func (s *IOStreams) InputComes(ctx context.Context) (bool, error) {
	if !s.piped {
		return false, nil
	}
	soon, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	_, err := wait(soon, func() (string, error) {
		_, err := s.in.Peek(1)
		return "", err
	})
	switch {
	case errors.Is(err, io.EOF):
		return false, nil
	case errors.Is(err, context.DeadlineExceeded):
		return false, sentence(fmt.Sprintf("Nothing came on standard input within %s: say -p %s for that file, or -p - to wait for longer.", s.patience, dotenv))
	}
	return err == nil, err
}

// ReadAll reads the rest of the input, or as much as a config may have.
func (s *IOStreams) ReadAll(ctx context.Context) (string, error) {
	return wait(ctx, func() (string, error) { return dotenvText(s.in) })
}

// IsTTY tells whether the output goes to a terminal.
func (s *IOStreams) IsTTY() bool { return s.outTTY }

// width is how many columns the terminal has.
func (s *IOStreams) width() int {
	columns, _, err := term.GetSize(s.outFD)
	if err != nil || columns <= 0 {
		return 80 // it does not say
	}
	return columns
}

// ReadLine asks a question and returns the line that answers it, without its
// end. At the end of the input the answer is empty.
func (s *IOStreams) ReadLine(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(s.Out, prompt)
	line, err := wait(ctx, func() (string, error) { return s.in.ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// ReadPassword asks for a password, which is not shown. It takes a terminal.
func (s *IOStreams) ReadPassword(ctx context.Context, prompt string) (string, error) {
	if s.inFD < 0 || !term.IsTerminal(s.inFD) {
		return "", fmt.Errorf("%w: a password can be typed at a terminal only, see the command's options", syscall.ENOTTY)
	}
	state, err := term.GetState(s.inFD)
	if err != nil {
		return "", err
	}
	fmt.Fprint(s.Out, prompt)
	password, err := wait(ctx, func() (string, error) {
		b, err := s.hidden(s.inFD)
		return string(b), err
	})
	if ctx.Err() != nil {
		_ = term.Restore(s.inFD, state) // ReadPassword still waits, with echo off
	}
	fmt.Fprintln(s.Out)
	return password, err
}

// ReadSecret reads a password that comes without being asked for: the whole
// input but the end of its last line.
func (s *IOStreams) ReadSecret(ctx context.Context) (string, error) {
	text, err := s.ReadAll(ctx)
	if err != nil {
		return "", err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return "", sentence("No password came on standard input.")
	}
	return text, nil
}

// wait runs read until it is done or ctx ends. A read of a terminal cannot be
// cancelled: it is left behind for the end of the process, which is near.
func wait(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
