package publisher

import (
	"context"
	"fmt"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/publisher/announce"
)

// Run announces this host's containers until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	docker, err := engine.Dial(ctx, cfg.Docker)
	if err != nil {
		return err
	}
	defer docker.Close()
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return err
	}
	defer kv.Close()
	if cfg.Announce.Host == "" {
		if cfg.Announce.Host, err = kv.LocalIP(); err != nil {
			return fmt.Errorf("own address: %w", err)
		}
	}
	a := announce.New(docker, kv, cfg.Announce, cfg.Log, cfg.Metrics)
	cfg.Check("engine", docker.Healthy)
	cfg.Check("etcd", kv.Ping)
	cfg.Check("containers", a.Ready)
	cfg.Ready(nil)
	return a.Run(ctx)
}
