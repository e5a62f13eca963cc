package registry

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/httpapi"
	"github.com/deis/deis/internal/keys"
)

// Run serves images until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer kv.Close()
	secret, err := seed(ctx, kv)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	host, port, err := cfg.announced(ln.Addr(), kv.LocalIP)
	if err != nil {
		ln.Close()
		return fmt.Errorf("address to announce: %w", err)
	}
	logToSlog(cfg.Log)
	s := newServer(cfg.Log, cfg.Metrics)
	cfg.Check("storage", s.checkStorage)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return httpapi.Serve(ctx, ln, s) })
	g.Go(func() error {
		o, err := s.open(ctx, cfg, secret)
		if err != nil {
			return err
		}
		g.Go(func() error { return o.sweeper.Every(ctx, cfg.SweepInterval) })
		cfg.Ready(ln.Addr())
		return etcd.Announce(ctx, cfg.Log, kv, map[string]string{keys.Host("registry"): host, keys.Port("registry"): port}, cfg.TTL)
	})
	return g.Wait()
}

// seed creates the keys that all registries of the platform share, and returns
// the secret.
func seed(ctx context.Context, kv *etcd.KV) (secret string, err error) {
	if _, _, err := kv.Create(ctx, keys.Registry+"protocol", "http"); err != nil {
		return "", err
	}
	secret, _, err = kv.Create(ctx, keys.Registry+"httpSecret", rand.Text()+rand.Text())
	return secret, err
}
