// Package program is what the containers of schedulertest run. The mock calls
// it; for real engines it is compiled into an image.
package program

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Path is where the image has the program; it is the image's entrypoint.
const Path = "/program"

// Process is the surroundings of one run.
type Process struct {
	Args   []string // behind Path
	Stdout io.Writer
	Stderr io.Writer
	Limits func() (memory, cpu int64) // bytes, shares
	Name   func() string              // of the host

	// Of what somebody attends; package program's runs without have none.
	Stdin   io.Reader
	Size    func() (rows, cols int)
	Resized <-chan struct{}
	Trap    func(signal string) <-chan struct{} // handles INT, as it is called here
}

// Run does what the arguments say and returns the exit code. ctx ends when the
// container is stopped.
//
//	serve      prints "serving", waits to be stopped
//	exit N     prints "out" on stdout and "err" on stderr, ends with N
//	lines N    prints "line 1" to "line N", waits to be stopped
//	limits     prints "memory=... cpu=...", ends
//	name       prints "name=...", the host's, waits to be stopped
//	say WORDS  prints the words in brackets, ends
//	cat        prints its input and ends with it, with the number of lines
//	size       prints the terminal's size as "24x80", again when it changes
//	trap       prints "ready", and when INT comes "INT" on stderr, ends with 9
//	flood      prints without end
func Run(ctx context.Context, p Process) int {
	if len(p.Args) == 0 {
		p.Args = []string{"serve"}
	}
	number := 0
	if len(p.Args) > 1 {
		number, _ = strconv.Atoi(p.Args[1])
	}
	switch p.Args[0] {
	case "serve":
		fmt.Fprintln(p.Stdout, "serving")
	case "exit":
		fmt.Fprintln(p.Stdout, "out")
		fmt.Fprintln(p.Stderr, "err")
		return number
	case "lines":
		for i := range number {
			fmt.Fprintf(p.Stdout, "line %d\n", i+1)
		}
	case "limits":
		memory, cpu := p.Limits()
		fmt.Fprintf(p.Stdout, "memory=%d cpu=%d\n", memory, cpu)
		return 0
	case "name":
		fmt.Fprintf(p.Stdout, "name=%s\n", p.Name())
	case "say":
		fmt.Fprintf(p.Stdout, "[%s]\n", strings.Join(p.Args[1:], "]["))
		return 0
	case "cat":
		lines := 0
		for in := bufio.NewReader(p.Stdin); ; lines++ {
			line, err := in.ReadString('\n')
			if _, failed := io.WriteString(p.Stdout, line); failed != nil || err != nil {
				return lines
			}
		}
	case "size":
		for {
			rows, cols := p.Size()
			fmt.Fprintf(p.Stdout, "%dx%d\n", rows, cols)
			select {
			case <-ctx.Done():
				return 0
			case <-p.Resized:
			}
		}
	case "trap":
		trapped := p.Trap("INT")
		fmt.Fprintln(p.Stdout, "ready")
		select {
		case <-ctx.Done():
			return 0
		case <-trapped:
			fmt.Fprintln(p.Stderr, "INT")
			return 9
		}
	case "flood":
		for ctx.Err() == nil {
			if _, err := io.WriteString(p.Stdout, strings.Repeat("x", 1023)+"\n"); err != nil {
				return 1
			}
		}
	default:
		fmt.Fprintf(p.Stderr, "unknown: %q\n", p.Args)
		return 2
	}
	<-ctx.Done()
	return 0
}
