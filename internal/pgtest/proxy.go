package pgtest

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Proxy stands between a client and its server, and can fail as a network does.
type Proxy struct {
	t      testing.TB
	target string
	addr   string

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	mute  bool
	wg    sync.WaitGroup
}

// Through puts a Proxy before the server at host and port; where the Proxy
// listens stands for them. It ends with t.
func Through(t testing.TB, host string, port int) (p *Proxy, proxyHost string, proxyPort int) {
	t.Helper()
	p = &Proxy{t: t, target: net.JoinHostPort(host, strconv.Itoa(port)), addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	p.Listen()
	t.Cleanup(func() { p.Stop(); p.wg.Wait() })
	at := p.ln.Addr().(*net.TCPAddr)
	return p, at.IP.String(), at.Port
}

// Listen lets connections through, at the same address as before.
func (p *Proxy) Listen() {
	p.t.Helper()
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
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

func (p *Proxy) forward(in net.Conn) {
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

func (p *Proxy) copy(dst, src net.Conn) {
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

// Silence lets connections stand, but nothing through.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
}

// Stop breaks all connections and takes no new ones.
func (p *Proxy) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.ln.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
}

// Idle says that no connection stands.
func (p *Proxy) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) == 0
}
