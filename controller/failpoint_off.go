//go:build !failpoint

package controller

import (
	"log/slog"

	"github.com/deis/deis/internal/etcd"
)

func armFailpoints(*etcd.KV, *slog.Logger) {}
