//go:build !failpoint

package controller

import (
	"log/slog"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
)

func armFailpoints(*deis.Controller, *etcd.KV, *slog.Logger) {}
