package cmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// become runs the plugin in this process's stead: Windows has no exec.
func become(ctx context.Context, f *Factory, path string, argv []string) (int, error) {
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = f.Env, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return exitOK, err
}
