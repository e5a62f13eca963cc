package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/deis/deis/internal/process"
)

// errUnselected ends a build after its sentence has been said.
var errUnselected = process.Exit(1)

// maxLine bounds a line that indenter holds back.
const maxLine = 64 << 10

// indenter writes lines of a buildpack as details of a step: those that are
// steps themselves stay at the left.
type indenter struct {
	w    io.Writer
	line []byte
}

func (i *indenter) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != '\n' {
			i.line = append(i.line, c)
		}
		if c == '\n' || len(i.line) == maxLine {
			if err := i.end(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// Flush writes a last line that has no end.
func (i *indenter) Flush() {
	if len(i.line) > 0 {
		_ = i.end()
	}
}

func (i *indenter) end() error {
	indent := "       "
	if bytes.HasPrefix(i.line, []byte("--")) {
		indent = ""
	}
	_, err := fmt.Fprintf(i.w, "%s%s\n", indent, i.line)
	i.line = i.line[:0]
	return err
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// names lists process types.
func names(types map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(types)), ", ")
}

// human writes a size as `du -h` does: rounded up, one decimal below ten.
func human(n int64) string {
	const units = "KMGT"
	scaled, unit := (n+1023)/1024*1024, 0 // du counts whole KiB at least
	size := int64(1024)
	for unit < len(units)-1 && scaled > 999*size {
		size, unit = size*1024, unit+1
	}
	if tenths := (scaled*10 + size - 1) / size; tenths < 100 {
		return fmt.Sprintf("%d.%d%c", tenths/10, tenths%10, units[unit])
	}
	return fmt.Sprintf("%d%c", (scaled+size-1)/size, units[unit])
}

// requestID is 32 random bytes for buildpacks that tell builds apart.
func requestID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}
