package postgres

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// proxy stands between a DB and its server, and can fail as a network does.
type proxy struct {
	t      testing.TB
	target string
	addr   string

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	mute  bool
	wg    sync.WaitGroup
}

// through is c by way of a new proxy.
func through(t testing.TB, c Config) (*proxy, Config) {
	t.Helper()
	p := &proxy{t: t, target: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	p.listen()
	t.Cleanup(func() { p.stop(); p.wg.Wait() })
	host, port, err := net.SplitHostPort(p.addr)
	done(t, err)
	c.Host, c.Port = host, ok(strconv.Atoi(port))(t)
	return p, c
}

// listen lets connections through, at the same address as before.
func (p *proxy) listen() {
	p.t.Helper()
	ln, err := net.Listen("tcp", p.addr)
	done(p.t, err)
	p.mu.Lock()
	p.ln, p.addr, p.mute = ln, ln.Addr().String(), false
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.forward(in) })
		}
	})
}

func (p *proxy) forward(in net.Conn) {
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = in.Close()
		return
	}
	p.mu.Lock()
	p.conns[in], p.conns[out] = true, true
	p.mu.Unlock()
	p.wg.Go(func() { p.copy(in, out) })
	p.copy(out, in)
	p.mu.Lock()
	delete(p.conns, in)
	delete(p.conns, out)
	p.mu.Unlock()
}

func (p *proxy) copy(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		mute := p.mute
		p.mu.Unlock()
		if mute {
			_, _ = io.Copy(io.Discard, src)
			return
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// silence lets connections stand, but nothing through.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
}

// stop breaks all connections and takes no new ones.
func (p *proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.ln.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
}

// idle says that no connection stands.
func (p *proxy) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) == 0
}
