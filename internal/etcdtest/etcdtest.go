// Package etcdtest runs a real etcd inside a test.
package etcdtest

import (
	"context"
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/porttest"
)

// Server is an etcd that a test can stop and start again.
type Server struct {
	Endpoints []string

	t   testing.TB
	dir string
	srv *embed.Etcd
}

// Start runs an etcd with an empty store until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), Endpoints: []string{freeAddr(t)}}
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// New is Start with a connection.
func New(t testing.TB) *etcd.KV {
	t.Helper()
	return Start(t).Dial()
}

// Dial connects to the server until the test ends.
func (s *Server) Dial() *etcd.KV {
	s.t.Helper()
	kv, err := etcd.Dial(context.Background(), s.Endpoints)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = kv.Close() })
	return kv
}

// Stop ends the server; its data stays.
func (s *Server) Stop() {
	if s.srv != nil {
		s.srv.Close()
		s.srv = nil
	}
}

// Restart starts the server again, with its data, at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	cfg := embed.NewConfig()
	cfg.Dir = s.dir
	cfg.LogLevel = "fatal"
	cfg.UnsafeNoFsync = true
	client := url.URL{Scheme: "http", Host: s.Endpoints[0]}
	peer := url.URL{Scheme: "http", Host: freeAddr(s.t)}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	srv, err := embed.StartEtcd(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-srv.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		srv.Close()
		s.t.Fatal("etcd did not become ready")
	}
	s.srv = srv
}

func freeAddr(t testing.TB) string {
	t.Helper()
	ports, err := porttest.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	return porttest.Addr(ports[0])
}
