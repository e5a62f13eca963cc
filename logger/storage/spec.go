package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// Spec is what /deis/logs/storageAdapterType asks for.
type Spec struct {
	Memory bool // else files
	Lines  int  // per app, in memory
	Bytes  int  // per app, in memory
}

// Defaults of the memory adapter.
const (
	DefaultLines = 1000
	DefaultBytes = 1 << 20
)

// ParseSpec reads file, memory, memory:<lines> or memory:<lines>:<bytes>.
func ParseSpec(s string) (Spec, error) {
	parts := strings.Split(s, ":")
	switch {
	case s == "file":
		return Spec{}, nil
	case parts[0] != "memory" || len(parts) > 3:
		return Spec{}, fmt.Errorf("unrecognized storage adapter type %q: it is file, memory, memory:<lines> or memory:<lines>:<bytes>", s)
	}
	spec := Spec{Memory: true, Lines: DefaultLines, Bytes: DefaultBytes}
	for i, p := range parts[1:] {
		n, err := strconv.Atoi(p)
		if err != nil || n <= 0 || n > 1<<30 {
			return Spec{}, fmt.Errorf("storage adapter type %q: %q is not a number from 1 to %d", s, p, 1<<30)
		}
		if i == 0 {
			spec.Lines = n
		} else {
			spec.Bytes = n
		}
	}
	return spec, nil
}
