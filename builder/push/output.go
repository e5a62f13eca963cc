package push

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// overprint moves the cursor over the `remote: ` that git puts before lines.
const overprint = "\x1b[1G"

// printer writes lines as the pusher sees them, each with a prefix.
type printer struct {
	mu      sync.Mutex
	w       io.Writer
	prefix  string
	midline bool
}

func newPrinter(w io.Writer, overprinting bool) *printer {
	p := &printer{w: w}
	if overprinting {
		p.prefix = overprint
	}
	return p
}

func (p *printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out bytes.Buffer
	for _, line := range bytes.SplitAfter(b, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if !p.midline {
			out.WriteString(p.prefix)
		}
		out.Write(line)
		p.midline = line[len(line)-1] != '\n'
	}
	if _, err := p.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// line writes a line of our own, on a line of its own.
func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	midline := p.midline
	p.mu.Unlock()
	if midline {
		fmt.Fprintln(p)
	}
	fmt.Fprintf(p, format+"\n", args...)
}

// warn says what went wrong, a line each.
func (p *printer) warn(text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		p.line(" !     %s", line)
	}
}

// deployed is the last of a push that went well.
func (p *printer) deployed(app string, version int, domains []string) {
	p.line("       done, %s:v%d deployed to Deis", app, version)
	p.line("")
	if len(domains) > 0 {
		p.line("       http://%s", domains[0])
		p.line("")
	}
	p.line("       To learn more, use `deis help` or visit http://deis.io")
	p.line("")
}
