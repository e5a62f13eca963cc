package cmd

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// runPlugin becomes deis-foo for `deis foo:bar --x`, with the arguments bar
// and --x. It returns only where a process cannot be replaced.
func runPlugin(ctx context.Context, f *Factory, word string, args []string) int {
	name, verb, hasVerb := strings.Cut(word, ":")
	if hasVerb {
		args = append([]string{verb}, args...)
	}
	path, err := exec.LookPath("deis-" + name)
	if err != nil || strings.ContainsAny(name, `/\`) { // a path is no name
		fmt.Fprintln(f.IO.Err, noMatch(f, word))
		return exitFailed
	}
	code, err := become(ctx, f, path, append([]string{"deis-" + name}, args...))
	if err != nil {
		return f.fail(ctx, err)
	}
	return code
}
