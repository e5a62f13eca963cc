package build

import (
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Bounds of what variables expand to. A few lines such as `ENV B=$A$A` would
// otherwise fill the memory of whoever expands them: ours, or the Engine's.
const (
	maxWord     = 8 << 10  // before FROM, where it is we who expand
	maxVariable = 64 << 10 // a value
	maxExpanded = 1 << 20  // a line
	unknownSize = 256      // of a variable that the base image may have
)

var variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// growth is the largest that each variable can be.
type growth map[string]int

// size bounds what text expands to.
func (g growth) size(text string) int {
	n := len(text)
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		if known, ok := g[m[1]]; ok {
			n += known
		} else {
			n += unknownSize
		}
		if n > maxExpanded {
			break
		}
	}
	return n
}

// note takes in an instruction; it is an error when something grows too large.
func (g growth) note(node *parser.Node) error {
	switch strings.ToLower(node.Value) {
	case command.Run, command.Cmd, command.Entrypoint, command.Shell:
		return nil // expanded by nobody before they run
	case command.Env:
		for n := node.Next; n != nil && n.Next != nil; n = n.Next {
			if err := g.set(node, n.Value, n.Next.Value); err != nil {
				return err
			}
			if n = n.Next.Next; n == nil { // name, value, separator
				break
			}
		}
	case command.Arg:
		for n := node.Next; n != nil; n = n.Next {
			if name, value, ok := strings.Cut(n.Value, "="); ok {
				if err := g.set(node, name, value); err != nil {
					return err
				}
			}
		}
	}
	if g.size(node.Original) > maxExpanded {
		return refuse(node.StartLine, "its variables are too large")
	}
	return nil
}

func (g growth) set(node *parser.Node, name, value string) error {
	n := g.size(value)
	if n > maxVariable {
		return refuse(node.StartLine, "the variable %s is too large", name[:min(len(name), 64)])
	}
	g[name] = max(g[name], n)
	return nil
}
