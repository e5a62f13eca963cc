// Package guide reads the console blocks of the users' guide, docs/using, and
// compares what a command printed with what its block shows. tests/scripts
// runs them.
//
// A block is fenced as ```console. In it a line that begins with "$ " is a
// command, lines that begin with "> " continue it, and what follows is all
// that it prints, stdout and stderr in one, as a terminal shows them; a command
// that nothing follows prints nothing. It must succeed, unless the next one is
// `echo $?`, which shows how it ended. What is not the same each time is
// written so:
//
//	...        alone on a line: any lines, or none
//	 ...       behind a space at a line's end: the rest of the line
//	<time>     2014-01-01T00:00:00UTC, or 2014/01/01 00:00:00 as programs in Go log it
//	<uuid>     hex digits in groups, as a UUID has them
//	<hex>      hex digits: a commit, an image, a host name
//	<n>        a number
//	<version>  1.14.0
package guide

import (
	"fmt"
	"regexp"
	"strings"
)

// Step is a command with what it prints.
type Step struct {
	Line    int
	Command string
	Output  []string
}

// Block is the steps between two fences.
type Block struct {
	Line  int
	Steps []Step
}

const (
	opening = "```console"
	closing = "```"
)

// Blocks finds the console blocks of a page.
func Blocks(page string) ([]Block, error) {
	var blocks []Block
	var open *Block
	for i, line := range strings.Split(page, "\n") {
		n := i + 1
		switch {
		case open == nil && line == opening:
			open = &Block{Line: n}
		case open == nil && strings.HasPrefix(strings.TrimSpace(line), "```") && strings.Contains(line, "console"):
			return nil, fmt.Errorf("line %d: a block is opened by %s and nothing else", n, opening)
		case open == nil:
		case line == closing:
			if err := open.check(); err != nil {
				return nil, err
			}
			blocks = append(blocks, *open)
			open = nil
		default:
			if err := open.add(n, line); err != nil {
				return nil, err
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block has no end", open.Line)
	}
	return blocks, nil
}

// add takes the block's next line.
func (b *Block) add(n int, line string) error {
	if command, ok := strings.CutPrefix(line, "$ "); ok {
		b.Steps = append(b.Steps, Step{Line: n, Command: command})
		return nil
	}
	if len(b.Steps) == 0 {
		return fmt.Errorf("line %d: a block begins with a command", n)
	}
	last := &b.Steps[len(b.Steps)-1]
	if more, ok := strings.CutPrefix(line, "> "); ok && len(last.Output) == 0 {
		last.Command += "\n" + more
	} else {
		last.Output = append(last.Output, line)
	}
	return nil
}

// check refuses a block that says nothing of what its commands print.
func (b *Block) check() error {
	for _, s := range b.Steps {
		for _, line := range s.Output {
			if t := strings.TrimSpace(line); t != "" && t != "..." {
				return nil
			}
		}
	}
	return fmt.Errorf("line %d: the block shows no output to check", b.Line)
}

// varying is how the placeholders are matched.
var varying = map[string]string{
	"<time>":    `(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dUTC|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)`,
	"<uuid>":    `[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`,
	"<hex>":     `[0-9a-f]+`,
	"<n>":       `\d+`,
	"<version>": `\d+\.\d+\.\d+`,
}

var placeholder = regexp.MustCompile(`<[a-z]+>`)

// pattern is what a line of a block matches.
func pattern(line string) *regexp.Regexp {
	line, rest := strings.CutSuffix(line, " ...")
	var b strings.Builder
	b.WriteString("^")
	for line != "" {
		at := placeholder.FindStringIndex(line)
		if at == nil || varying[line[at[0]:at[1]]] == "" {
			if at == nil {
				at = []int{len(line), len(line)}
			}
			b.WriteString(regexp.QuoteMeta(line[:at[1]]))
		} else {
			b.WriteString(regexp.QuoteMeta(line[:at[0]]))
			b.WriteString(varying[line[at[0]:at[1]]])
		}
		line = line[at[1]:]
	}
	if rest {
		b.WriteString(" .*")
	}
	return regexp.MustCompile(b.String() + "$")
}

// Fits says whether a command printed what its block shows. Space at the end of
// lines and empty lines at the end do not count.
func Fits(shown []string, printed string) bool {
	return fits(tidy(shown), tidy(strings.Split(printed, "\n")))
}

func tidy(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimRight(l, " \t\r")
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

func fits(shown, printed []string) bool {
	if len(shown) == 0 {
		return len(printed) == 0
	}
	if strings.TrimSpace(shown[0]) == "..." {
		for i := 0; i <= len(printed); i++ {
			if fits(shown[1:], printed[i:]) {
				return true
			}
		}
		return false
	}
	return len(printed) > 0 && pattern(shown[0]).MatchString(printed[0]) && fits(shown[1:], printed[1:])
}
