package logspout

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/logspout/pump"
	"github.com/deis/deis/logspout/ship"
)

// Run sends this host's lines until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	docker, err := engine.New(cfg.Docker) // it may come later
	if err != nil {
		return err
	}
	defer docker.Close()
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer kv.Close()
	host := cfg.Host
	if host == "" {
		if host, err = kv.LocalIP(); err != nil {
			return fmt.Errorf("name of this host: %w", err)
		}
	}
	positions, err := pump.OpenPositions(filepath.Join(cfg.Positions, "positions"), cfg.Log)
	if err != nil {
		return fmt.Errorf("positions: %w", err)
	}
	defer positions.Close()
	queue := ship.NewQueue(positions.Sent, cfg.Metrics)
	sender := ship.NewSender(queue, cfg.Log, cfg.Metrics)
	p := pump.New(pump.Config{Engine: docker, Sink: queue, Positions: positions, Platform: cfg.Platform, Host: host, Log: cfg.Log, Metrics: cfg.Metrics})
	cfg.Check("engine", p.Healthy)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return follow(ctx, cfg, kv, sender) })
	g.Go(func() error { return sender.Run(ctx) })
	g.Go(func() error { return p.Run(ctx) })
	cfg.Ready(nil)
	return g.Wait()
}

// follow tells the sender where the logger is.
func follow(ctx context.Context, cfg Settings, kv *etcd.KV, sender *ship.Sender) error {
	return retry.Steadily(ctx, cfg.Log, "follow the logger", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.Logs}, func(_ context.Context, s etcd.State) error {
			target, err := ship.ParseTarget(s.Keys[keys.Host("logs")].Value, s.Keys[keys.Port("logs")].Value, s.Keys[keys.LogsProtocol].Value)
			if err != nil {
				cfg.Log.Error("logger's address not taken over", "err", err)
				return nil
			}
			sender.Use(target)
			return nil
		})
	})
}
