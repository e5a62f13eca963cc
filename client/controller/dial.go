package controller

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// connectTimeout bounds connecting and the TLS handshake, each. Nothing bounds
// the time to an answer: a deploy takes as long as it takes.
const connectTimeout = 15 * time.Second

var dialer = net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}

// dial connects, and needs no name server for the names under localhost.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !isLocalhost(host) {
		return dialer.DialContext(ctx, network, addr)
	}
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		if six, err6 := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
			return six, nil
		}
	}
	return conn, err
}

// proxy is the environment's, except for this machine: net/http itself spares
// localhost only, not the names under it.
func proxy(req *http.Request) (*url.URL, error) {
	if isLocalhost(req.URL.Hostname()) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(req)
}

// isLocalhost tells the names that mean the loopback address (RFC 6761).
func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
