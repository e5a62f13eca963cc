// Package env reads a component's settings from its environment and says all
// that is wrong with them at once. Names and units are those of Deis v1.
package env

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Env reads variables and collects what is wrong with them.
type Env struct {
	getenv func(string) string
	errs   []error
}

// From reads variables by getenv, which is os.Getenv outside tests. An empty
// variable counts as unset.
func From(getenv func(string) string) *Env { return &Env{getenv: getenv} }

// Err joins everything that was wrong, nil if nothing was.
func (e *Env) Err() error { return errors.Join(e.errs...) }

// Fail records a problem with the variable name that only the caller can see.
func (e *Env) Fail(name, format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

// String reads a text.
func (e *Env) String(name, def string) string {
	if v := e.getenv(name); v != "" {
		return v
	}
	return def
}

// Required reads a text that must be set.
func (e *Env) Required(name string) string {
	v := e.getenv(name)
	if v == "" {
		e.Fail(name, "must be set")
	}
	return v
}

// Int reads a whole number between lo and hi.
func (e *Env) Int(name string, def, lo, hi int) int {
	v := e.getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < lo || n > hi {
		e.Fail(name, "%q is not a whole number between %d and %d", v, lo, hi)
		return def
	}
	return n
}

// Port reads a TCP or UDP port.
func (e *Env) Port(name string, def int) int { return e.Int(name, def, 1, 65535) }

// Bool reads true, false, 1 or 0.
func (e *Env) Bool(name string, def bool) bool {
	v := e.getenv(name)
	if v == "" {
		return def
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		e.Fail(name, "%q is neither true nor false", v)
		return def
	}
	return b
}

// Seconds reads a time in whole seconds, as Deis v1 wrote them.
func (e *Env) Seconds(name string, def int) time.Duration {
	return time.Duration(e.Int(name, def, 1, 1<<31-1)) * time.Second
}

// Bytes reads a size: a whole number, with the suffix K, M or G if any, in
// powers of 1024.
func (e *Env) Bytes(name string, def int64) int64 {
	v := e.getenv(name)
	if v == "" {
		return def
	}
	unit := int64(1)
	digits := v
	switch v[len(v)-1] {
	case 'k', 'K':
		unit = 1 << 10
	case 'm', 'M':
		unit = 1 << 20
	case 'g', 'G':
		unit = 1 << 30
	}
	if unit > 1 {
		digits = v[:len(v)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		e.Fail(name, "%q is not a size such as 512M", v)
		return def
	}
	return n * unit
}

// Listen reads an address to listen on, host:port with an optional host.
func (e *Env) Listen(name, def string) string {
	v := e.String(name, def)
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		e.Fail(name, "%q is not host:port", v)
		return def
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		e.Fail(name, "%q has no valid port", v)
	}
	return v
}

// IP reads an address without port; unset gives the zero Addr.
func (e *Env) IP(name string) netip.Addr {
	v := e.getenv(name)
	if v == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(v)
	if err != nil {
		e.Fail(name, "%q is not an IP address", v)
	}
	return a
}

// Etcd reads where etcd is: ETCD as host:port[,host:port...], else HOST and
// ETCD_PORT as in Deis v1, else 127.0.0.1:4001.
func (e *Env) Etcd() []string {
	if v := e.getenv("ETCD"); v != "" {
		endpoints := strings.Split(v, ",")
		for _, ep := range endpoints {
			if _, _, err := net.SplitHostPort(ep); err != nil {
				e.Fail("ETCD", "%q is not host:port", ep)
			}
		}
		return endpoints
	}
	host := e.String("HOST", "127.0.0.1")
	return []string{net.JoinHostPort(host, strconv.Itoa(e.Port("ETCD_PORT", 4001)))}
}
