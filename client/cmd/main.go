package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. Those of apps:run and of plugins are what they ran.
const (
	exitOK          = 0
	exitFailed      = 1
	exitInterrupted = 130 // as a shell reports SIGINT
)

// exitCode ends a command with a code of its own, and silently.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// prefixed says before `Error:` what failed.
type prefixed struct {
	prefix string
	err    error
}

func (p *prefixed) Error() string { return p.prefix + p.err.Error() }
func (p *prefixed) Unwrap() error { return p.err }

// sentence is an error as Deis v1 worded it.
type sentence string

func (s sentence) Error() string { return string(s) }

// Main runs the deis command and returns its exit code. args are without the
// program's name. SIGINT and SIGTERM cancel what runs; a second one ends the
// process at once.
func Main(args, env []string, in, out, errOut *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, NewFactory(newIOStreams(in, out, errOut), env), args)
}

// execute runs one call.
func execute(ctx context.Context, f *Factory, args []string) int {
	if completing(args) {
		return complete(ctx, f, args)
	}
	if len(args) == 2 && args[0] == manCommand {
		return f.fail(ctx, writeMan(f, args[1]))
	}
	call := resolve(f, args)
	switch {
	case call.plugin != "":
		return runPlugin(ctx, f, call.plugin, call.args)
	case call.help != "":
		f.printf("%s", call.help)
		return exitOK
	case call.verb == nil:
		fmt.Fprintln(f.IO.Err, call.refusal)
		return exitFailed
	}
	err := run(ctx, call.verb, call.args)
	if !call.verb.onlyReads() {
		f.forget()
	}
	f.warnVersion()
	return f.fail(ctx, err)
}

// run hands a verb's call to cobra.
func run(ctx context.Context, v *verb, args []string) error {
	canonical, help, err := v.parse(args)
	switch {
	case help:
		_, err = fmt.Fprint(v.OutOrStdout(), v.help())
		return err
	case err != nil:
		return err
	}
	root := v.Root()
	root.SetArgs(append([]string{v.Name()}, canonical...))
	return root.ExecuteContext(ctx)
}

// newRoot is the tree of commands as cobra has it: flat.
func newRoot(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use: "deis", SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(f.IO.Out)
	root.SetErr(f.IO.Err)
	return root
}

// fail tells how a command ended and returns the exit code for it.
func (f *Factory) fail(ctx context.Context, err error) int {
	var code exitCode
	var usage *usageError
	var because *prefixed
	var left *unattended
	errors.As(err, &left)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		f.complain("%s\n", usage)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(f.IO.Err)
		f.advise(left)
		return exitInterrupted
	case errors.As(err, &because):
		f.complain("%sError: %s\n", because.prefix, because.err)
		f.hint(err)
	default:
		f.complain("Error: %s\n", err)
		f.advise(left)
		f.hint(err)
	}
	return exitFailed
}

// advise says what becomes of a deploy that is not waited for, if there is one.
func (f *Factory) advise(left *unattended) {
	if left != nil {
		fmt.Fprintln(f.IO.Err, left.advice())
	}
}
