// Package table turns what stands in etcd into a routing table: a pure
// function of the state and of the table before it. Everything is parsed into
// types here, so that nothing reaches nginx as somebody wrote it. What is wrong
// with one app disables that feature of that app only; what is wrong with a
// setting leaves it as it was.
package table

import (
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// Table is everything nginx must know, at one revision of etcd.
type Table struct {
	Revision int64
	Apps     map[string]App
	Domains  map[string]string // custom domain to app
	Platform string            // the platform's domain, empty if it is not known
	API      netip.AddrPort    // of the controller; zero: not registered
	Builder  netip.AddrPort    // zero: not registered
	Store    Store
	Settings Settings
	TLS      TLS
	Problems []Problem

	publishers map[int64]string   // a publisher's lease to its host
	pairs      map[string]checked // by the certificate's etcd key
}

// App is where an app's requests go and whose they may be.
type App struct {
	Endpoints []Endpoint      // sorted by job
	Allow     *[]netip.Prefix // nil: everyone; empty: no one
}

// Endpoint is one container that answers for an app.
type Endpoint struct {
	Job   string
	Addr  netip.AddrPort
	Stale bool // its announcement lapsed with its publisher's; it may still live

	mod   int64
	lease int64
	host  string // of the publisher that announced it, empty if not known
}

// Store is the S3 gateway: unlike the controller it has no place in the
// router before it is first installed.
type Store struct {
	Installed bool
	Addr      netip.AddrPort // zero: not registered
}

// Problem is a key whose value cannot be used, and why.
type Problem struct{ Key, Text string }

// Prefixes are the keys to follow. They leave out what routers write
// themselves and what is none of their business, such as secrets.
func Prefixes() []string {
	p := []string{
		keys.Services, keys.Domains, keys.Certs, keys.Configs, keys.StoreGateway,
		keys.PublisherHosts, keys.Withdrawals, keys.PlatformDomain, keys.Subdomain,
		keys.Host("controller"), keys.Port("controller"),
		keys.Host("builder"), keys.Port("builder"),
	}
	for _, s := range settings {
		p = append(p, keys.Router+s.name)
	}
	return p
}

// Build makes the table of a state. prev is the table before, nil at first:
// from it come endpoints whose announcement lapsed, and settings whose new
// value is wrong.
func Build(state etcd.State, prev *Table) *Table {
	b := &builder{state: state, Table: Table{
		Revision:   state.Revision,
		Apps:       map[string]App{},
		Domains:    map[string]string{},
		publishers: map[int64]string{},
		pairs:      map[string]checked{},
	}}
	if prev == nil {
		prev = &Table{Settings: Defaults()}
	}
	b.settings(prev.Settings)
	b.upstreams()
	for key, e := range state.Keys {
		if host, ok := strings.CutPrefix(key, keys.PublisherHosts); ok && e.Lease != 0 {
			b.publishers[e.Lease] = host
		}
	}
	b.apps(prev)
	b.domains()
	b.certs(prev.pairs)
	sort.Slice(b.Problems, func(i, j int) bool { return b.Problems[i].Key < b.Problems[j].Key })
	return &b.Table
}

type builder struct {
	state etcd.State
	Table
}

func (b *builder) value(key string) string { return b.state.Keys[key].Value }

func (b *builder) problem(key, text string) {
	b.Problems = append(b.Problems, Problem{Key: key, Text: text})
}

// address reads a pair of host and port keys; v1 users set them to a blank to
// say that there is none.
func (b *builder) address(hostKey, portKey string) netip.AddrPort {
	host, port := strings.TrimSpace(b.value(hostKey)), strings.TrimSpace(b.value(portKey))
	if host == "" || port == "" {
		return netip.AddrPort{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		b.problem(hostKey, "not an IP address")
		return netip.AddrPort{}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		b.problem(portKey, "not a port")
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, uint16(n))
}

func (b *builder) upstreams() {
	b.API = b.address(keys.Host("controller"), keys.Port("controller"))
	b.Builder = b.address(keys.Host("builder"), keys.Port("builder"))
	b.Store.Installed = strings.TrimSpace(b.value(keys.StoreGateway+"host")) != ""
	b.Store.Addr = b.address(keys.StoreGateway+"host", keys.StoreGateway+"port")
	if v := strings.TrimSpace(b.value(keys.PlatformDomain)); v != "" {
		if name, ok := dnsName(v); ok {
			b.Platform = name
		} else {
			b.problem(keys.PlatformDomain, "not a domain name")
		}
	}
}

// StaleEndpoints is how many endpoints the table keeps although nobody
// announces them.
func (t *Table) StaleEndpoints() int {
	n := 0
	for _, a := range t.Apps {
		for _, e := range a.Endpoints {
			if e.Stale {
				n++
			}
		}
	}
	return n
}

// Endpoints is how many endpoints there are in all.
func (t *Table) Endpoints() int {
	n := 0
	for _, a := range t.Apps {
		n += len(a.Endpoints)
	}
	return n
}

// Without is the table after a stale endpoint of app refused a connection; t
// itself if there is no such endpoint.
func (t *Table) Without(app string, addr netip.AddrPort) *Table {
	a, ok := t.Apps[app]
	if !ok {
		return t
	}
	var kept []Endpoint
	for _, e := range a.Endpoints {
		if !e.Stale || e.Addr != addr {
			kept = append(kept, e)
		}
	}
	if len(kept) == len(a.Endpoints) {
		return t
	}
	next := *t
	next.Apps = make(map[string]App, len(t.Apps))
	for name, other := range t.Apps {
		next.Apps[name] = other
	}
	a.Endpoints = kept
	next.Apps[app] = a
	return &next
}
