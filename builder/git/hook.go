package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

// maxUpdates bounds the refs of one push that are looked at at all.
const maxUpdates = 100

// Judge decides about pushes. What it has to say to the pusher it writes.
type Judge interface {
	// PreReceive says whether updates may come in at all.
	PreReceive(ctx context.Context, updates []Update, out io.Writer) error
	// ProcReceive carries out one update, the ref included.
	ProcReceive(ctx context.Context, u Update, out io.Writer) error
}

// PreReceive is the hook of that name: updates on stdin.
func PreReceive(ctx context.Context, stdin io.Reader, stderr io.Writer, judge Judge) error {
	var updates []Update
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		u, err := parseUpdate(lines.Text())
		if err != nil {
			return err
		}
		if updates = append(updates, u); len(updates) == maxUpdates {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return judge.PreReceive(ctx, updates, stderr)
}

// ProcReceive is the hook of that name: it reads the updates that git leaves
// to it, and reports for each whether it was carried out.
func ProcReceive(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, judge Judge) error {
	in, out := pktline.NewScanner(stdin), pktline.NewEncoder(stdout)
	if err := greet(in, out); err != nil {
		return err
	}
	updates, err := readUpdates(in)
	if err != nil {
		return err
	}
	for _, u := range updates {
		report := "ok " + u.Ref
		if err := judge.ProcReceive(ctx, u, stderr); err != nil {
			report = "ng " + u.Ref + " " + oneLine(err.Error())
		}
		if err := out.EncodeString(report + "\n"); err != nil {
			return err
		}
	}
	return out.Flush()
}

// greet agrees on version 1 of the protocol, without any extension.
func greet(in *pktline.Scanner, out *pktline.Encoder) error {
	if !in.Scan() {
		return errors.New("proc-receive: no greeting")
	}
	version, _, _ := bytes.Cut(bytes.TrimSuffix(in.Bytes(), []byte("\n")), []byte{0})
	if string(version) != "version=1" {
		return fmt.Errorf("proc-receive: unknown greeting %q", version)
	}
	for in.Scan() && len(in.Bytes()) > 0 { // up to the flush
	}
	if in.Err() != nil {
		return in.Err()
	}
	if err := out.EncodeString("version=1\n"); err != nil {
		return err
	}
	return out.Flush()
}

func readUpdates(in *pktline.Scanner) ([]Update, error) {
	var updates []Update
	for in.Scan() {
		if len(in.Bytes()) == 0 {
			return updates, nil
		}
		u, err := parseUpdate(string(in.Bytes()))
		if err != nil {
			return nil, err
		}
		if updates = append(updates, u); len(updates) > maxUpdates {
			return nil, errors.New("proc-receive: too many updates")
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	return nil, io.ErrUnexpectedEOF
}

// oneLine makes a text fit for a report.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), 900)]
}
