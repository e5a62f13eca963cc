package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/images"
	"github.com/deis/deis/controller/ldap"
	"github.com/deis/deis/controller/logs"
	"github.com/deis/deis/controller/mirror"
	"github.com/deis/deis/controller/options"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/rest"
	"github.com/deis/deis/controller/scheduler/docker"
	"github.com/deis/deis/controller/scheduler/routes"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/retry"
)

// parallel is how many containers of one app are started or stopped at once;
// more make the Engine slower, not faster.
const parallel = 6

// Commands are what the program does beside serving.
var Commands = process.Commands{"migrate": migrate, "load-db-state": loadDBState}

// Run serves the API and converges apps until ctx ends.
func Run(ctx context.Context, cfg Settings) error {
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return err
	}
	defer kv.Close()
	opts, err := options.Open(ctx, kv, cfg.Log)
	if err != nil {
		return err
	}
	db, err := postgres.Connect(ctx, cfg.Log, postgres.FromEtcd(kv))
	if err != nil {
		return err
	}
	defer db.Close()
	docked, err := engine.Dial(ctx, cfg.Docker)
	if err != nil {
		return err
	}
	defer docked.Close()
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}

	appLogs := logs.New(kv, os.Stdout)
	defer appLogs.Close()
	registry := &registryAddress{}
	mirrored := mirror.New(db, kv, cfg.Log, cfg.Metrics)
	routed := routes.New(kv, cfg.Log, cfg.Metrics)
	controller := deis.New(deis.Needs{
		Log:       cfg.Log,
		Platform:  cfg.Platform,
		Records:   db,
		Scheduler: docker.New(docker.Config{Platform: cfg.Platform, Network: cfg.AppsNetwork, Registry: cfg.RegistryFromEngine, HostTags: cfg.HostTags}, docked, cfg.Log),
		Routes:    routed,
		Images: images.New(images.Config{Registry: registry.get, FromEngine: cfg.RegistryFromEngine, IsApp: func(ctx context.Context, id string) (bool, error) {
			_, err := db.App(ctx, id)
			if deis.KindOf(err) == deis.NotFound {
				return false, nil
			}
			return err == nil, err
		}}),
		Mirror:        mirrored,
		AppLogs:       appLogs,
		Settings:      opts,
		Directory:     ldap.New(cfg.Log, func() ldap.Settings { return ldap.Settings(opts.LDAP()) }),
		BuilderKey:    opts.BuilderKey,
		DeployTimeout: cfg.DeployTimeout,
		Drain:         cfg.Drain,
		Parallel:      parallel,
	})
	armFailpoints(controller, kv, cfg.Log)

	cfg.Check("etcd", kv.Ping)
	cfg.Check("database", db.Ready)
	cfg.Check("settings", opts.Ready)
	cfg.Check("registry", func(context.Context) error { _, err := registry.get(); return err })

	host := cfg.Host
	if host == "" {
		if host, err = kv.LocalIP(); err != nil {
			return fmt.Errorf("own address: %w", err)
		}
	}
	loops := []func(context.Context) error{
		opts.Run,
		func(ctx context.Context) error { return db.Run(ctx, kv) },
		func(ctx context.Context) error { return registry.follow(ctx, kv, cfg) },
		mirrored.Run,
		routed.Run,
		controller.Converge,
	}
	return attend(ctx, loops, db.HandOver, handOverTime, func(ctx context.Context) error {
		announced, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		done := make(chan error, 1)
		go func() {
			done <- etcd.Announce(announced, cfg.Log, kv, map[string]string{
				keys.Host("controller"): host,
				keys.Port("controller"): strconv.Itoa(cfg.ExternalPort),
			}, cfg.TTL)
		}()
		cfg.Ready(ln.Addr())
		err := rest.Serve(ctx, cfg.Log, ln, rest.New(rest.Config{Log: cfg.Log, Metrics: cfg.Metrics, Controller: controller, IsRouter: routed.IsRouter}))
		stop()
		<-done
		return err
	})
}

// registryAddress is where the registry is now.
type registryAddress struct{ at atomic.Pointer[string] }

func (r *registryAddress) get() (string, error) {
	if at := r.at.Load(); at != nil {
		return *at, nil
	}
	return "", errors.New("the registry is not announced")
}

func (r *registryAddress) follow(ctx context.Context, kv *etcd.KV, cfg Settings) error {
	return retry.Steadily(ctx, cfg.Log, "follow the registry's address", time.Second, func(ctx context.Context) error {
		return etcd.Follow(ctx, kv, []string{keys.Registry}, func(_ context.Context, s etcd.State) error {
			host, port := s.Keys[keys.Host("registry")].Value, s.Keys[keys.Port("registry")].Value
			if host != "" && port != "" { // otherwise the last address is tried on
				at := net.JoinHostPort(host, port)
				r.at.Store(&at)
			}
			return nil
		})
	})
}

// migrate brings the database's schema up to date and ends.
func migrate(ctx context.Context, getenv func(string) string, _ []string) error {
	cfg, err := SettingsFromEnv(getenv)
	if err != nil {
		return err
	}
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return err
	}
	defer kv.Close()
	return postgres.Migrate(ctx, process.Logger("controller", getenv), postgres.FromEtcd(kv))
}
