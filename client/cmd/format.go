package cmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/deis/deis/client/controller"
)

// count is what a heading says of a list that is not whole.
func count[T any](p controller.Page[T]) string {
	if len(p.Results) == p.Count {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", len(p.Results), p.Count)
}

// names are one field of each, sorted.
func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = name(item)
	}
	slices.Sort(out)
	return out
}

// lines prints each text on a line.
func (f *Factory) lines(texts []string) {
	for _, text := range texts {
		f.printf("%s\n", text)
	}
}

// aligned prints a map by key, the values in one column that starts pad behind
// the longest key.
func aligned[V any](out io.Writer, m map[string]V, pad int) {
	width := 0
	for key := range m {
		width = max(width, len(key))
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(out, "%s%s%v\n", key, strings.Repeat(" ", width-len(key)+pad), m[key])
	}
}

// field prints one line of a description.
func (f *Factory) field(label string, value any) { f.printf("%-9s %v\n", label+":", value) }

// took says how long something lasted.
func (f *Factory) took(since time.Time) {
	f.printf("done in %ds\n", int(f.Now().Sub(since).Seconds()))
}

// drink is what to wait with.
func (f *Factory) drink() string {
	if d := f.Getenv("DEIS_DRINK_OF_CHOICE"); d != "" {
		return d
	}
	return "coffee"
}

// invalid makes one error of all arguments that are not as they must be; hint,
// if any, is the last line.
func invalid(complaints []string, hint ...string) error {
	if len(complaints) == 0 {
		return nil
	}
	return sentence(strings.Join(append(complaints, hint...), "\n"))
}

// logColor is the terminal's colour of a log line, by its process: of
// `2015-01-01T00:00:00UTC demo[web.1]: text` that is the second word before
// the first colon and space.
func logColor(line string) int {
	head, _, _ := strings.Cut(line, ": ")
	category := "unknown"
	if words := strings.Split(head, " "); len(words) > 1 {
		category = words[1]
	}
	var sum uint8
	for i := range len(category) {
		sum += category[i]
	}
	if c := int(sum)%7 + 1; c != 7 {
		return c
	}
	return 9
}

// logLine prints a line of a log, in colour on a terminal.
func (f *Factory) logLine(line string) error {
	if f.IO.IsTTY() {
		line = fmt.Sprintf("\x1b[3%dm%s\x1b[0m", logColor(line), line)
	}
	_, err := fmt.Fprintln(f.IO.Out, line)
	return err
}
