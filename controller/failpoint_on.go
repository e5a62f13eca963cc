//go:build failpoint

package controller

import (
	"context"
	"log/slog"
	"os"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
)

// failpointKey names the place where the controller kills itself next; it is
// deleted first, so that it does so once.
const failpointKey = "/deis/controller/failpoint"

func armFailpoints(c *deis.Controller, kv *etcd.KV, log *slog.Logger) {
	log.Warn("this binary has failpoints")
	c.Hit = func(ctx context.Context, name string) {
		e, ok, err := kv.Get(ctx, failpointKey)
		if err != nil || !ok || e.Value != name {
			return
		}
		if _, deleted, err := kv.Delete(ctx, failpointKey); err == nil && deleted {
			// Not by a signal: the first process of a container ignores those
			// that it sends itself. Nothing deferred runs here either.
			os.Exit(137)
		}
	}
}
