package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// server is an endpoint, taken apart.
type server struct {
	address  string // host:port
	implicit bool   // TLS from the first byte
	starts   bool   // TLS by StartTLS
	tls      *tls.Config
}

// server parses the settings that say how the server is reached.
func (s Settings) server() (server, error) {
	endpoint := strings.TrimSpace(s.Endpoint)
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return server{}, errors.New("endpoint is not like ldaps://host:port") // its text may hold a password
	}
	srv, port := server{}, "389"
	switch u.Scheme {
	case "ldap":
	case "ldap+tls":
		srv.starts = true
	case "ldaps":
		srv.implicit, port = true, "636"
	default:
		return server{}, fmt.Errorf("endpoint has the scheme %q, which is neither ldap, ldap+tls nor ldaps", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	srv.address = net.JoinHostPort(u.Hostname(), port)
	srv.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	switch verify := strings.ToLower(strings.TrimSpace(s.Verify)); verify {
	case "", "true", "1":
	case "false", "0":
		srv.tls.InsecureSkipVerify = true
	default:
		return server{}, fmt.Errorf("verify is %q, neither true nor false", verify)
	}
	if ca := strings.TrimSpace(s.CA); ca != "" {
		srv.tls.RootCAs = x509.NewCertPool()
		if !srv.tls.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return server{}, errors.New("ca holds no certificate in PEM")
		}
	}
	return srv, nil
}

// conn is a connection that ends with the context it was made in, at the
// latest.
type conn struct {
	*ldap.Conn
	raw     net.Conn
	release func() bool
}

// Close ends the connection at once.
func (c *conn) Close() {
	c.release()
	_ = c.raw.Close() // first: nothing more is waited for
	_ = c.Conn.Close()
}

// dial connects. Whatever is done with the connection ends with ctx.
func (s Settings) dial(ctx context.Context) (*conn, error) {
	srv, err := s.server()
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", srv.address)
	if err != nil {
		return nil, err
	}
	if until, ok := dialing.Deadline(); ok {
		_ = raw.SetDeadline(until) // fails only if the connection has ended, which the next step tells
	}
	c := &conn{raw: raw, release: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	if srv.implicit {
		over := tls.Client(raw, srv.tls)
		if err := over.HandshakeContext(dialing); err != nil {
			c.release()
			_ = raw.Close()
			return nil, fmt.Errorf("TLS with %s: %w", srv.address, err)
		}
		c.Conn = ldap.NewConn(over, true)
	} else {
		c.Conn = ldap.NewConn(raw, false)
	}
	c.Start()
	if srv.starts {
		if err := c.StartTLS(srv.tls); err != nil {
			c.Close()
			return nil, fmt.Errorf("StartTLS with %s: %w", srv.address, err)
		}
	}
	var until time.Time
	if at, ok := ctx.Deadline(); ok {
		until = at
	}
	_ = raw.SetDeadline(until)
	return c, nil
}
