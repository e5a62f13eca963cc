package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// IOStreams are where a command reads and writes.
type IOStreams struct {
	Out, Err io.Writer

	in     *bufio.Reader
	inFD   int // -1 if there is none
	outFD  int // the same
	outTTY bool
}

// newIOStreams uses the process's own streams.
func newIOStreams(in, out, err *os.File) *IOStreams {
	return &IOStreams{
		Out: out, Err: err,
		in: bufio.NewReader(in), inFD: int(in.Fd()), outFD: int(out.Fd()),
		outTTY: term.IsTerminal(int(out.Fd())),
	}
}

// testIOStreams reads in and writes to buffers; neither is a terminal.
func testIOStreams(in string) (s *IOStreams, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	return &IOStreams{Out: out, Err: err, in: bufio.NewReader(strings.NewReader(in)), inFD: -1, outFD: -1}, out, err
}

// IsTTY tells whether the output goes to a terminal.
func (s *IOStreams) IsTTY() bool { return s.outTTY }

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
		b, err := term.ReadPassword(s.inFD)
		return string(b), err
	})
	if ctx.Err() != nil {
		_ = term.Restore(s.inFD, state) // ReadPassword still waits, with echo off
	}
	fmt.Fprintln(s.Out)
	return password, err
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
