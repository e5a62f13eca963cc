package server

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/internal/retry"
)

const (
	probeTimeout = 2 * time.Second
	probePause   = time.Second            // while all is well
	probeHurry   = 100 * time.Millisecond // otherwise
	failures     = 2                      // in a row, before the server counts as away
)

// Healthy is the result of the last probe.
func (s *Server) Healthy(context.Context) error {
	if err := s.health.Load(); err != nil {
		return *err
	}
	return errors.New("not asked yet")
}

// WhileHealthy probes the server until ctx ends. It calls fn when the server
// begins to answer queries, with a context that ends when it no longer does.
func (s *Server) WhileHealthy(ctx context.Context, fn func(context.Context) error) error {
	p := &probe{server: s}
	defer p.close()
	for {
		if err := s.await(ctx, p, func(err error, _ int) bool { return err == nil }); err != nil {
			return err
		}
		healthy, end := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- fn(healthy) }()
		err := s.await(ctx, p, func(err error, failed int) bool { return failed >= failures })
		end()
		<-done
		if err != nil {
			return err
		}
		s.Log.Error("postgres does not answer", "err", s.Healthy(ctx))
	}
}

// await probes until enough says so. failed counts failures in a row.
func (s *Server) await(ctx context.Context, p *probe, enough func(err error, failed int) bool) error {
	failed := 0
	for {
		err := p.ask(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.health.Store(&err)
		pause := probePause
		if err == nil {
			failed = 0
			s.up.Set(1)
		} else {
			failed++
			s.up.Set(0)
			pause = probeHurry
		}
		if enough(err, failed) {
			return nil
		}
		if err := retry.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// probe keeps its connection: a new one each second would cost more than all
// else this process does.
type probe struct {
	server *Server
	conn   *pgx.Conn
}

func (p *probe) ask(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	started := time.Now()
	if p.conn == nil {
		if p.conn, err = p.server.connect(ctx, "postgres"); err != nil {
			p.conn = nil
			return err
		}
	}
	if _, err := p.conn.Exec(ctx, `SELECT 1`); err != nil {
		p.close()
		return err
	}
	p.server.took.Observe(time.Since(started).Seconds())
	return nil
}

func (p *probe) close() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	_ = p.conn.Close(ctx) // it may be broken already
	p.conn = nil
}
