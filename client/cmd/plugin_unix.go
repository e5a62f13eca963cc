//go:build unix

package cmd

import (
	"context"
	"syscall"
)

// become replaces this process.
func become(_ context.Context, f *Factory, path string, argv []string) (int, error) {
	return exitFailed, syscall.Exec(path, argv, f.Env)
}
