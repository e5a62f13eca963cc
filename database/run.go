package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/database/server"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/retry"
)

// Run keeps PostgreSQL alive until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer kv.Close()
	if err := seed(ctx, kv, cfg.Seeds); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	host := cfg.Host
	if host == "" {
		if host, err = kv.LocalIP(); err != nil {
			return fmt.Errorf("address to announce: %w", err)
		}
	}
	srv, err := server.New(server.Config{Folder: cfg.Folder, Bin: cfg.Bin, Port: cfg.Port, Allow: cfg.Allow, Log: cfg.Log, Metrics: cfg.Metrics})
	if err != nil {
		return err
	}
	if err := srv.Prepare(ctx); err != nil {
		return fmt.Errorf("prepare the data: %w", err)
	}
	cfg.Check("postgres", srv.Healthy)

	granted := make(chan struct{})
	announced := map[string]string{keys.Host("database"): host, keys.Port("database"): strconv.Itoa(cfg.Public)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return srv.Run(ctx) })
	g.Go(func() error { return follow(ctx, cfg, kv, srv, granted) })
	g.Go(func() error {
		select { // nobody is to find a database without the platform's role
		case <-ctx.Done():
			return ctx.Err()
		case <-granted:
		}
		cfg.Ready(&net.TCPAddr{IP: net.ParseIP(host), Port: cfg.Port})
		return srv.WhileHealthy(ctx, func(ctx context.Context) error {
			return etcd.Announce(ctx, cfg.Log, kv, announced, cfg.TTL)
		})
	})
	return g.Wait()
}

// seed creates the keys that are not there yet.
func seed(ctx context.Context, kv *etcd.KV, s Seeds) error {
	for _, password := range []*string{&s.Password, &s.AdminPassword} {
		if *password == "" {
			*password = rand.Text()
		}
	}
	for _, k := range []struct{ name, value string }{
		{"engine", "postgresql_psycopg2"}, {"name", s.Name}, {"user", s.User}, {"password", s.Password},
		{"adminUser", server.Admin}, {"adminPass", s.AdminPassword},
	} {
		if _, _, err := kv.Create(ctx, keys.Database+k.name, k.value); err != nil {
			return err
		}
	}
	return nil
}

// follow grants what the keys say, and closes granted after the first time.
func follow(ctx context.Context, cfg Settings, kv *etcd.KV, srv *server.Server, granted chan struct{}) error {
	var current server.Access
	return retry.Steadily(ctx, cfg.Log, "follow the credentials", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.Database}, func(ctx context.Context, s etcd.State) error {
			wanted := access(s)
			if wanted == current {
				return nil
			}
			err := srv.Grant(ctx, wanted)
			if errors.Is(err, server.ErrAccess) { // the operator must act; until then all stays as it is
				cfg.Log.Error("credentials not taken over", "err", err)
				return nil
			}
			if err != nil {
				return fmt.Errorf("grant access: %w", err)
			}
			if current == (server.Access{}) {
				close(granted)
			}
			current = wanted
			cfg.Log.Info("access granted", "user", wanted.User)
			return nil
		})
	})
}

func access(s etcd.State) server.Access {
	return server.Access{
		Database:      s.Keys[keys.Database+"name"].Value,
		User:          s.Keys[keys.Database+"user"].Value,
		Password:      s.Keys[keys.Database+"password"].Value,
		AdminPassword: s.Keys[keys.Database+"adminPass"].Value,
	}
}
