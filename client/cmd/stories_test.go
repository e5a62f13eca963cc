package cmd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// story is one run of a command for the golden files.
type story struct {
	name  string
	args  []string
	calls []exchange
	setup func(*scene)
	check func(*scene) // after the run
	in    string       // lines: in a pipe they are all there at once, at a terminal each answers a question
	only  place        // where it is told; empty means everywhere
	long  bool         // of its output only the beginning is kept
}

// place is what a command's streams are.
type place string

const (
	inPipe     place = "pipe"
	atTerminal place = "terminal"
)

// words splits a call at its spaces.
func words(call string) []string { return strings.Fields(call) }

// golden tells stories in a pipe and at a terminal, and compares what they
// print with testdata/<name>.golden and testdata/<name>.tty.golden.
func golden(t *testing.T, name string, stories []story) {
	t.Helper()
	for _, g := range []struct {
		where place
		file  string
		run   func(*scene, ...string) (shown string, code int)
	}{
		{inPipe, name + ".golden", func(s *scene, args ...string) (string, int) {
			stdout, stderr, code := s.run(args...)
			return fmt.Sprintf("##### stdout\n%s\n##### stderr\n%s\n", stdout, stderr), code
		}},
		{atTerminal, name + ".tty.golden", func(s *scene, args ...string) (string, int) {
			shown, code := s.runAtTerminal(args...)
			return fmt.Sprintf("##### terminal\n%s\n", visible(shown)), code
		}},
	} {
		var got strings.Builder
		for _, st := range stories {
			if st.only != "" && st.only != g.where {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", g.where, st.name), func(t *testing.T) {
				s := newScene(t, st.calls...)
				s.in = st.in
				if st.setup != nil {
					st.setup(s)
				}
				shown, code := g.run(s, slices.Clone(st.args)...)
				if st.long {
					shown = beginning(shown)
				}
				fmt.Fprintf(&got, "##### %s\n$ deis %s\n", st.name, printable(strings.Join(st.args, " ")))
				for _, call := range st.calls {
					fmt.Fprintf(&got, "%s\n  -> %d\n", call.request, call.status)
				}
				fmt.Fprintf(&got, "%s##### exit %d\n\n", shown, code)
				if st.check != nil {
					st.check(s)
				}
				record(g.where, st.args, code)
			})
		}
		compare(t, g.file, got.String())
	}
}

// beginning is the title and the first line of what was shown, and stderr.
func beginning(shown string) string {
	out, errOut, hasErr := strings.Cut(shown, "##### stderr\n")
	lines := strings.SplitAfterN(out, "\n", 3)
	out = strings.Join(lines[:min(2, len(lines))], "") + "[and so on]\n"
	if hasErr {
		out += "##### stderr\n" + errOut
	}
	return out
}

// visible is what a terminal was sent, with its controls spelled out. A line
// ends with CR and LF there, as a terminal's driver makes it; any other end
// shows.
func visible(shown string) string {
	lines := strings.Split(shown, "\r\n")
	for i, line := range lines {
		var b strings.Builder
		for _, r := range line {
			switch {
			case r == '\\', r < ' ', r == 0x7f:
				quoted := fmt.Sprintf("%q", string(r))
				b.WriteString(quoted[1 : len(quoted)-1])
			default:
				b.WriteRune(r)
			}
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}
