// Package process is what all components share as programs: settings from the
// environment, logs, signals, health and metrics, exit codes.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/deis/deis/internal/version"
)

// Exit codes of Main.
const (
	exitFailed   = 1 // Run or a command failed
	exitSettings = 2 // the environment is wrong
)

// Runtime is what every component gets beside its own settings, which embed
// it. Main fills it in; a test makes one with NewRuntime.
type Runtime struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	OnReady func(net.Addr) // called by Ready; may be nil

	health *health
}

// NewRuntime makes a Runtime that serves nothing by itself.
func NewRuntime(log *slog.Logger) Runtime {
	return Runtime{Log: log, Metrics: prometheus.NewRegistry(), health: new(health)}
}

// Ready says that the component serves, at addr if it listens (else nil).
// From then on /readyz answers by the checks.
func (r *Runtime) Ready(addr net.Addr) {
	if r.health != nil {
		r.health.ready.Store(true)
	}
	if r.OnReady != nil {
		r.OnReady(addr)
	}
}

// Check adds a condition of /readyz: check returns nil, or in one sentence
// what is missing. It is called for each request, with a deadline of 2 s.
func (r *Runtime) Check(name string, check func(context.Context) error) {
	if r.health != nil {
		r.health.add(name, check)
	}
}

// attach is how Main reaches the Runtime inside a component's settings.
func (r *Runtime) attach(rt Runtime) { *r = rt }

// Settings is satisfied by a pointer to any struct that embeds Runtime.
type Settings[S any] interface {
	*S
	attach(Runtime)
}

// Commands are what a program does beside serving. The base name of argv[0]
// or the first argument picks one; it gets the arguments behind its name, and
// an Exit error sets the program's exit code.
type Commands map[string]func(ctx context.Context, getenv func(string) string, args []string) error

// Exit is an error that ends the program with a code of its own, and silently:
// whoever returns it has said what was to be said.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Main is a component's main function: `os.Exit(process.Main("publisher",
// publisher.SettingsFromEnv, publisher.Run))`. It reads the settings, serves
// /healthz, /readyz and /metrics on HEALTH_LISTEN (default :9000), and runs
// until SIGINT or SIGTERM, which cancel Run's context; a second signal ends
// the program at once. It returns 0 after a signal or success, 1 if Run
// failed, 2 if the settings are wrong, in which case it names all that is.
func Main[S any, P Settings[S]](name string, settings func(getenv func(string) string) (S, error), run func(context.Context, S) error, commands ...Commands) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal has its default effect

	if cmd, args, ok := pick(os.Args, commands); ok {
		return command(ctx, cmd, args)
	}
	log := Logger(name, os.Getenv)
	s, err := settings(os.Getenv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: the settings are wrong:\n%v\n", name, err)
		return exitSettings
	}
	rt := NewRuntime(log)
	rt.Metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	P(&s).attach(rt)

	ln, err := net.Listen("tcp", healthListen(os.Getenv))
	if err != nil {
		log.Error("health server failed", "err", err)
		return exitFailed
	}
	closeHealth := rt.health.serve(ln, rt.Metrics)
	defer closeHealth()

	log.Info("starting", "version", version.Platform)
	if err := run(ctx, s); err != nil && ctx.Err() == nil {
		log.Error("stopped", "err", err)
		return exitFailed
	}
	log.Info("stopped")
	return 0
}

func command(ctx context.Context, cmd func(context.Context, func(string) string, []string) error, args []string) int {
	err := cmd(ctx, os.Getenv, args)
	var exit Exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintln(os.Stderr, err)
	return exitFailed
}

func pick(argv []string, commands []Commands) (cmd func(context.Context, func(string) string, []string) error, args []string, ok bool) {
	for _, cs := range commands {
		if cmd, ok := cs[filepath.Base(argv[0])]; ok {
			return cmd, argv[1:], true
		}
		if len(argv) > 1 {
			if cmd, ok := cs[argv[1]]; ok {
				return cmd, argv[2:], true
			}
		}
	}
	return nil, nil, false
}

func healthListen(getenv func(string) string) string {
	if v := getenv("HEALTH_LISTEN"); v != "" {
		return v
	}
	return ":9000"
}

// Logger writes JSON to stderr, at LOG_LEVEL (default info); commands make one
// of their own.
func Logger(component string, getenv func(string) string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(getenv("LOG_LEVEL")))); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l})).With("component", component)
}
