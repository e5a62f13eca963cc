package controller

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/controller/mirror"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/process"
)

// loadDBState makes etcd say what the database says, and ends: what Deis v1's
// operators run after they have lost etcd. It may run beside the server.
func loadDBState(ctx context.Context, getenv func(string) string, _ []string) error {
	return loadInto(ctx, getenv, os.Stdout)
}

func loadInto(ctx context.Context, getenv func(string) string, out io.Writer) error {
	cfg, err := SettingsFromEnv(getenv)
	if err != nil {
		return err
	}
	log := process.Logger("controller", getenv)
	kv, err := etcd.Dial(ctx, cfg.Etcd)
	if err != nil {
		return err
	}
	defer kv.Close()
	db, err := postgres.Connect(ctx, log, postgres.FromEtcd(kv))
	if err != nil {
		return err
	}
	defer db.Close()
	fmt.Fprintln(out, "Publishing DB state to etcd...")
	if err := mirror.New(db, kv, log, prometheus.NewRegistry()).Once(ctx); err != nil {
		return fmt.Errorf("publish the database's state: %w", err)
	}
	fmt.Fprintln(out, "Done Publishing DB state to etcd.")
	return nil
}
