package logger

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/logger/receive"
	"github.com/deis/deis/logger/storage"
	"github.com/deis/deis/logger/storage/file"
	"github.com/deis/deis/logger/storage/memory"
	"github.com/deis/deis/logger/weblog"
)

// Run keeps logs until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer kv.Close()
	tcp, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		return err
	}
	defer udp.Close()
	web, err := net.Listen("tcp", cfg.WebListen)
	if err != nil {
		return err
	}
	defer web.Close()
	host, port, err := cfg.announced(tcp.Addr(), kv.LocalIP)
	if err != nil {
		return fmt.Errorf("address to announce: %w", err)
	}

	store := storage.New(cfg.MaxApps, cfg.Log, cfg.Metrics)
	defer store.Close()
	in := receive.New(store, cfg.Log, cfg.Metrics)
	cfg.Check("storage", store.Healthy)

	adapterSet := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return follow(ctx, cfg, kv, store, adapterSet) })
	g.Go(func() error {
		select { // lines that come first would have no place
		case <-ctx.Done():
			return ctx.Err()
		case <-adapterSet:
		}
		g.Go(func() error { return in.TCP(ctx, tcp) })
		g.Go(func() error { return in.UDP(ctx, udp) })
		g.Go(func() error { return httpapi.Serve(ctx, web, weblog.New(ctx, store, cfg.Log)) })
		if cfg.OnWeb != nil {
			cfg.OnWeb(web.Addr())
		}
		cfg.Ready(tcp.Addr())
		return etcd.Announce(ctx, cfg.Log, kv, map[string]string{keys.Host("logs"): host, keys.Port("logs"): port}, cfg.TTL)
	})
	return g.Wait()
}

// follow keeps the adapter that the key names. A value that cannot be used
// leaves the one before in place. It closes set once there is one.
func follow(ctx context.Context, cfg Settings, kv *etcd.KV, store *storage.Store, set chan struct{}) error {
	current, done := "", false
	return retry.Steadily(ctx, cfg.Log, "follow the storage adapter", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.LogsAdapter}, func(_ context.Context, s etcd.State) error {
			name := s.Keys[keys.LogsAdapter].Value
			if name == "" {
				name = "file"
			}
			if name != current {
				adapter, err := newAdapter(cfg, name)
				if err != nil {
					cfg.Log.Error("storage adapter not changed", "err", err)
					if name == "file" || done {
						return nil
					}
					if adapter, err = newAdapter(cfg, "file"); err != nil {
						return err
					}
				}
				store.Use(adapter)
				current = name
				cfg.Log.Info("storage adapter set", "type", name)
			}
			if !done {
				done = true
				close(set)
			}
			return nil
		})
	})
}

func newAdapter(cfg Settings, name string) (storage.Adapter, error) {
	spec, err := storage.ParseSpec(name)
	if err != nil {
		return nil, err
	}
	if spec.Memory {
		return memory.New(memory.Limits{Lines: spec.Lines, Bytes: spec.Bytes, Total: memory.DefaultTotal}), nil
	}
	return file.New(cfg.Root, file.Limits{App: cfg.AppBytes, Total: cfg.TotalBytes}, cfg.Log)
}
