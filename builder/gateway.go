package builder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/deis/deis/builder/git"
	"github.com/deis/deis/builder/push"
	"github.com/deis/deis/builder/sshd"
	"github.com/deis/deis/internal/process"
)

// Variables by which git's hooks find the worker and their session.
const (
	socketVariable = "DEIS_BUILDER_SOCKET"
	tokenVariable  = "DEIS_BUILDER_SESSION"
)

// listenerFD is the descriptor of the listening socket in the sshd process.
const listenerFD = 3

// Commands are what the builder's binary does beside serving: the process that
// clients speak to, and git's hooks.
func Commands() process.Commands {
	return process.Commands{
		"sshd": func(ctx context.Context, _ func(string) string, _ []string) error {
			return gateway(ctx, os.Stdin, os.Stdout)
		},
		"pre-receive": func(ctx context.Context, getenv func(string) string, _ []string) error {
			return quiet(git.PreReceive(ctx, os.Stdin, os.Stderr, newJudge(getenv)))
		},
		"proc-receive": func(ctx context.Context, getenv func(string) string, _ []string) error {
			return git.ProcReceive(ctx, os.Stdin, os.Stdout, os.Stderr, newJudge(getenv))
		},
	}
}

// quiet ends a hook without words when the pusher has been told.
func quiet(err error) error {
	var r *push.Refused
	if errors.As(err, &r) {
		return process.Exit(1)
	}
	return err
}

// judge lets the worker decide, for the session that the hook belongs to.
type judge struct {
	client *push.Client
	token  string
}

func newJudge(getenv func(string) string) judge {
	return judge{push.NewClient(getenv(socketVariable)), getenv(tokenVariable)}
}

func (j judge) PreReceive(ctx context.Context, updates []git.Update, out io.Writer) error {
	var us []push.Update
	for _, u := range updates {
		us = append(us, push.Update(u))
	}
	return j.client.PreReceive(ctx, j.token, us, out)
}

func (j judge) ProcReceive(ctx context.Context, u git.Update, out io.Writer) error {
	return j.client.ProcReceive(ctx, j.token, push.Update(u), out)
}

// gatewaySettings is what the worker tells the sshd process, on its stdin.
type gatewaySettings struct {
	HostKeys    []string
	Socket      string
	Hooks       string
	GitRoot     string
	MaxPush     int64
	Connections int
	Drain       time.Duration
	LogLevel    slog.Level
}

// gateway is the sshd process. It ends with the worker, whose end closes
// stdin.
func gateway(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	var cfg gatewaySettings
	if err := json.Unmarshal(line, &cfg); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		os.Exit(1) // nobody is left to ask
	}()
	f := os.NewFile(listenerFD, "listener")
	ln, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("listening socket: %w", err)
	}
	_ = f.Close() // FileListener has its own
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.LogLevel})).With("component", "builder", "part", "sshd")
	h := &handler{
		client: push.NewClient(cfg.Socket),
		git:    git.Server{Repos: git.Repos{Root: cfg.GitRoot}, Hooks: cfg.Hooks, MaxPush: cfg.MaxPush},
		socket: cfg.Socket,
		log:    log,
	}
	server, err := sshd.New(sshd.Config{HostKeys: cfg.HostKeys, MaxConnections: cfg.Connections, Version: "deis-builder", Log: log}, h)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, "listening\n"); err != nil {
		return err
	}
	err = server.Serve(ctx, ln, cfg.Drain)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// handler answers SSH sessions.
type handler struct {
	client *push.Client
	git    git.Server
	socket string
	log    *slog.Logger
}

// Known asks the worker.
func (h *handler) Known(ctx context.Context, key []byte) bool {
	known, err := h.client.Known(ctx, key)
	if err != nil {
		h.log.Error("worker does not answer", "err", err)
	}
	return known
}

// Accepts knows ping and git's two services with an argument.
func (h *handler) Accepts(command string) bool {
	_, _, ok := git.ParseCommand(command)
	return ok || command == "ping"
}

// Run carries out what Accepts took.
func (h *handler) Run(ctx context.Context, s sshd.Session) int {
	if s.Command == "ping" {
		_, _ = io.WriteString(s.Stdout, "pong") // without a line break, as Deis v1
		return 0
	}
	service, app, _ := git.ParseCommand(s.Command)
	token, end, err := h.client.Session(ctx, push.Open{
		Key: s.Key, Service: string(service), App: app, Connection: s.Connection, Command: s.Command,
	}, s.Stderr)
	if err != nil {
		var refused *push.Refused
		if !errors.As(err, &refused) {
			fmt.Fprintf(s.Stderr, " !     %s\n", push.ErrAway)
			h.log.Error("session failed", "err", err)
		}
		return 1
	}
	defer end()
	code, err := h.git.Serve(ctx, service, app, []string{socketVariable + "=" + h.socket, tokenVariable + "=" + token}, s.Stdin, s.Stdout, s.Stderr)
	if err != nil && ctx.Err() == nil {
		h.log.Error("git failed", "app", app, "err", err)
	}
	return code
}
