package table

import (
	"net/netip"
	"regexp"
	"sort"
	"strings"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

var appName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// apps reads markers and endpoints. An app without marker does not exist,
// whatever is announced for it.
func (b *builder) apps(prev *Table) {
	announced := map[string][]Endpoint{}
	owner := map[netip.AddrPort]int64{} // the newest announcement of an address
	for key, e := range b.state.Keys {
		app, job, ok := keys.SplitService(key)
		if !ok {
			continue
		}
		if !appName.MatchString(app) {
			b.problem(key, "not the name of an app")
			continue
		}
		if job == "" {
			if _, ok := b.Apps[app]; !ok {
				b.Apps[app] = App{Allow: b.whitelist(app)}
			}
			continue
		}
		addr, ok := endpointAddr(e.Value)
		if !ok {
			b.problem(key, "not ip:port")
			continue
		}
		announced[app] = append(announced[app], b.endpoint(job, addr, e, prev.Apps[app]))
		owner[addr] = max(owner[addr], e.Mod)
	}
	for name, app := range b.Apps {
		for _, e := range announced[name] {
			// An address has one owner. A container that took over another's
			// must not get the other's requests for the rest of its lease.
			if owner[e.Addr] == e.mod {
				app.Endpoints = append(app.Endpoints, e)
			}
		}
		for _, e := range prev.Apps[name].Endpoints {
			if _, taken := owner[e.Addr]; !taken && b.lapsed(name, e) {
				e.Stale = true
				app.Endpoints = append(app.Endpoints, e)
			}
		}
		sort.Slice(app.Endpoints, func(i, j int) bool { return app.Endpoints[i].Job < app.Endpoints[j].Job })
		b.Apps[name] = app
	}
}

func (b *builder) endpoint(job string, addr netip.AddrPort, e etcd.Entry, before App) Endpoint {
	ep := Endpoint{Job: job, Addr: addr, mod: e.Mod, lease: e.Lease, host: b.publishers[e.Lease]}
	if ep.host == "" {
		// A publisher that has just restarted announces its containers before
		// itself: until then they are where they were.
		for _, old := range before.Endpoints {
			if old.Job == job && old.Addr == addr {
				ep.host = old.host
			}
		}
	}
	return ep
}

// lapsed says whether an endpoint that is announced no more went together with
// everything its publisher announced, so that it may well be alive. One whose
// publisher still stands was withdrawn or failed its probe.
func (b *builder) lapsed(app string, e Endpoint) bool {
	if _, announced := b.state.Keys[keys.Service(app, e.Job)]; announced {
		return false // again, elsewhere
	}
	if _, withdrawn := b.state.Keys[keys.Withdraw(app, e.Job)]; withdrawn {
		return false
	}
	if _, alive := b.publishers[e.lease]; alive || e.lease == 0 {
		return false
	}
	if e.host == "" {
		return true
	}
	_, back := b.state.Keys[keys.PublisherHost(e.host)]
	return !back
}

// endpointAddr accepts what a container can have as its address.
func endpointAddr(s string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddrPort(s)
	if err != nil || addr.Port() == 0 || addr.Addr().Zone() != "" || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
		return netip.AddrPort{}, false
	}
	return addr, true
}

// whitelist is who may use an app, nil if everyone. One wrong entry closes the
// app: whoever limits access must not find it open for a typing error.
func (b *builder) whitelist(app string) *[]netip.Prefix {
	key := keys.Config(app, "deis_whitelist")
	allow, err := parseWhitelist(b.value(key))
	if err != "" {
		b.problem(key, err)
		return &[]netip.Prefix{}
	}
	return allow
}

// parseWhitelist reads IP_or_CIDR[:label],... An IPv6 address with a label is
// written in brackets. An empty text is no whitelist.
func parseWhitelist(s string) (allow *[]netip.Prefix, problem string) {
	if s == "" {
		return nil, ""
	}
	var list []netip.Prefix
	for _, entry := range strings.Split(s, ",") {
		entry = strings.TrimSpace(entry)
		p, ok := parsePrefix(entry)
		if !ok && strings.HasPrefix(entry, "[") {
			inner, label, closed := strings.Cut(entry[1:], "]")
			p, ok = parsePrefix(inner)
			ok = ok && closed && (label == "" || label[0] == ':')
		} else if !ok {
			address, _, _ := strings.Cut(entry, ":")
			p, ok = parsePrefix(address)
		}
		if !ok {
			return nil, "a list of addresses has an entry that is none"
		}
		list = append(list, p)
	}
	return &list, ""
}

func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// dnsName is s in lower case, if it can be a host's name.
func dnsName(s string) (string, bool) {
	s = strings.ToLower(s)
	if s == "" || len(s) > 255 {
		return "", false
	}
	for _, label := range strings.Split(s, ".") {
		if !dnsLabel.MatchString(label) {
			return "", false
		}
	}
	return s, true
}

// domains reads custom domains. The platform's own names are nobody's: an
// exact name would win over the API or over another app's host.
func (b *builder) domains() {
	for key, e := range b.state.Keys {
		name, ok := strings.CutPrefix(key, keys.Domains)
		if !ok {
			continue
		}
		domain, ok := dnsName(name)
		switch {
		case !ok:
			b.problem(key, "not a domain name")
		case b.reserved(domain, e.Value):
			b.problem(key, "a name of the platform")
		default:
			if _, exists := b.Apps[e.Value]; exists {
				b.Domains[domain] = e.Value
			}
		}
	}
}

func (b *builder) reserved(domain, app string) bool {
	if b.Platform == "" {
		return strings.HasPrefix(domain, b.Settings.Subdomain+".")
	}
	if domain == app+"."+b.Platform {
		return false
	}
	return domain == b.Platform || strings.HasSuffix(domain, "."+b.Platform)
}
