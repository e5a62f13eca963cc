package table

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
)

var update = flag.Bool("update", false, "write the golden files")

// state makes a state of lines: key value [lease=n] [mod=n].
func state(revision int64, lines ...string) etcd.State {
	s := etcd.State{Revision: revision, Keys: map[string]etcd.Entry{}}
	for i, line := range lines {
		f := strings.Split(line, " ")
		e := etcd.Entry{Mod: int64(i + 1)}
		var value []string
		for _, word := range f[1:] {
			if n, err := fmt.Sscanf(word, "lease=%d", &e.Lease); n == 1 && err == nil {
				continue
			}
			if n, err := fmt.Sscanf(word, "mod=%d", &e.Mod); n == 1 && err == nil {
				continue
			}
			value = append(value, word)
		}
		e.Value = strings.Join(value, " ")
		s.Keys[f[0]] = e
	}
	return s
}

// TestGolden builds the table of each testdata/*.txt, a key and its value a
// line, and compares it with the .json beside it.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(inputs) == 0 {
		t.Fatal(inputs, err)
	}
	for _, input := range inputs {
		b, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(Build(state(7, strings.Split(strings.TrimSpace(string(b)), "\n")...), nil), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden := strings.TrimSuffix(input, ".txt") + ".json"
		if *update {
			if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.TrimSpace(want), got) {
			t.Errorf("%s differs from what is built (-update writes it):\n%s", golden, got)
		}
	}
}

func endpoints(t *Table, app string) (list []string) {
	for _, e := range t.Apps[app].Endpoints {
		s := e.Addr.String()
		if e.Stale {
			s += " stale"
		}
		list = append(list, s)
	}
	return list
}

func expect(t *testing.T, table *Table, want ...string) {
	t.Helper()
	if got := endpoints(table, "a"); !reflect.DeepEqual(got, want) {
		t.Errorf("endpoints %v, not %v", got, want)
	}
}

func TestStale(t *testing.T) {
	const (
		marker   = "/deis/services/a a"
		presence = "/deis/publisher/hosts/h h lease=1"
		one      = "/deis/services/a/a_v1.web.1 10.0.0.1:80 lease=1"
		two      = "/deis/services/a/a_v1.web.2 10.0.0.2:80 lease=1"
	)
	full := Build(state(1, marker, presence, one, two), nil)
	expect(t, full, "10.0.0.1:80", "10.0.0.2:80")

	// One key goes while its publisher stands: withdrawn, or it failed its probe.
	expect(t, Build(state(2, marker, presence, two), full), "10.0.0.2:80")
	// All go together: the lease ran out.
	lapsed := Build(state(2, marker), full)
	expect(t, lapsed, "10.0.0.1:80 stale", "10.0.0.2:80 stale")
	if lapsed.StaleEndpoints() != 2 || lapsed.Endpoints() != 2 {
		t.Error(lapsed.StaleEndpoints(), lapsed.Endpoints())
	}
	// They stay stale as long as nothing is known.
	lapsed = Build(state(3, marker, "/deis/publisher/hosts/other other lease=9"), lapsed)
	expect(t, lapsed, "10.0.0.1:80 stale", "10.0.0.2:80 stale")
	// A refused connection drops one.
	dropped := lapsed.Without("a", netip.MustParseAddrPort("10.0.0.1:80"))
	expect(t, dropped, "10.0.0.2:80 stale")
	expect(t, lapsed, "10.0.0.1:80 stale", "10.0.0.2:80 stale")
	expect(t, Build(state(4, marker), dropped), "10.0.0.2:80 stale")
	if lapsed.Without("a", netip.MustParseAddrPort("10.9.9.9:80")) != lapsed || lapsed.Without("b", netip.AddrPort{}) != lapsed {
		t.Error("another table for nothing")
	}
	// So does a withdrawal, the app's end, and a container that has the address now.
	expect(t, Build(state(4, marker, "/deis/publisher/withdraw/a/a_v1.web.2 id"), lapsed), "10.0.0.1:80 stale")
	expect(t, Build(state(4), lapsed))
	expect(t, Build(state(4, marker, "/deis/services/b b", "/deis/services/b/b_v1.web.1 10.0.0.1:80 lease=2"), lapsed), "10.0.0.2:80 stale")
	// The publisher comes back: first its keys one after the other, then itself.
	back := Build(state(5, marker, "/deis/services/a/a_v1.web.1 10.0.0.1:80 lease=2"), lapsed)
	expect(t, back, "10.0.0.1:80", "10.0.0.2:80 stale")
	expect(t, Build(state(6, marker, "/deis/services/a/a_v1.web.1 10.0.0.1:80 lease=2", "/deis/publisher/hosts/h h lease=2"), back), "10.0.0.1:80")
	// If it goes again before that, its host is still known.
	again := Build(state(6, marker), back)
	expect(t, again, "10.0.0.1:80 stale", "10.0.0.2:80 stale")
	expect(t, Build(state(7, marker, "/deis/publisher/hosts/h h lease=3"), again))
	// The same job elsewhere replaces it.
	expect(t, Build(state(6, marker, "/deis/services/a/a_v1.web.1 10.0.0.7:80 lease=2"), lapsed), "10.0.0.7:80", "10.0.0.2:80 stale")
	// A key without lease that goes was deleted.
	unheld := Build(state(1, marker, "/deis/services/a/a_v1.web.1 10.0.0.1:80"), nil)
	expect(t, Build(state(2, marker), unheld))
}

func TestOneOwnerOfAnAddress(t *testing.T) {
	got := Build(state(1, "/deis/services/a a", "/deis/services/b b",
		"/deis/services/a/a_v1.web.1 10.0.0.1:80 mod=5", "/deis/services/b/b_v1.web.1 10.0.0.1:80 mod=9"), nil)
	if len(endpoints(got, "a")) != 0 || len(endpoints(got, "b")) != 1 {
		t.Error("two apps share an endpoint:", got.Apps)
	}
}

func TestSettingsKeepTheLastGood(t *testing.T) {
	good := Build(state(1, "/deis/router/bodySize 3m", "/deis/router/controller/whitelist 10.0.0.1", "/deis/controller/subdomain paas"), nil)
	if good.Settings.BodySize != 3<<20 || len(good.Problems) != 0 || good.Settings.Subdomain != "paas" {
		t.Fatal(good.Settings, good.Problems)
	}
	bad := Build(state(2, "/deis/router/bodySize big", "/deis/router/controller/whitelist none", "/deis/router/gzip perhaps", "/deis/controller/subdomain ;"), good)
	if s := bad.Settings; s.BodySize != 3<<20 || !s.Gzip || s.APIAllow == nil || len(*s.APIAllow) != 1 || s.Subdomain != "paas" || len(bad.Problems) != 4 {
		t.Error(bad.Settings, bad.Problems)
	}
	// Another bad state later it is still the last good one.
	if s := Build(state(3, "/deis/router/bodySize -1"), bad).Settings; s.BodySize != 3<<20 {
		t.Error(s.BodySize)
	}
	if s := Build(state(4), bad).Settings; s.BodySize != 1<<20 || s.APIAllow != nil || s.Subdomain != "deis" {
		t.Error("unset is not the default:", s)
	}
	// A whitelist that was never good lets no one in.
	if s := Build(state(1, "/deis/router/controller/whitelist none"), nil).Settings; s.APIAllow == nil || len(*s.APIAllow) != 0 {
		t.Error(s.APIAllow)
	}
}

func TestSettingValues(t *testing.T) {
	for _, c := range []struct {
		name, value string
		ok          func(Settings) bool // nil: refused
	}{
		{"bodySize", "0", func(s Settings) bool { return s.BodySize == 0 }},
		{"bodySize", "1g", func(s Settings) bool { return s.BodySize == 1<<30 }},
		{"bodySize", "9999999999999999999", nil},
		{"bodySize", "m", nil},
		{"defaultTimeout", "60", func(s Settings) bool { return s.DefaultTimeout == time.Minute }},
		{"defaultTimeout", "0", nil},
		{"defaultTimeout", "25d", nil},
		{"builder/timeout/connect", "500", func(s Settings) bool { return s.BuilderDial == 500*time.Millisecond }},
		{"builder/timeout/tcp", "2h", func(s Settings) bool { return s.BuilderIdle == 2*time.Hour }},
		{"hsts/enabled", "true", func(s Settings) bool { return s.EnforceHTTPS && s.HSTS.Header() == "max-age=10886400" }},
		{"enforceHTTPS", "yes", func(s Settings) bool { return !s.EnforceHTTPS }},
		{"proxyProtocol", "1", func(s Settings) bool { return s.ProxyProtocol }},
		{"proxyProtocol", "false", func(s Settings) bool { return !s.ProxyProtocol }},
		{"proxyRealIpCidr", "10.0.0.0/8, 2001:db8::/32", func(s Settings) bool { return len(s.RealIPFrom) == 2 }},
		{"proxyRealIpCidr", "10.0.0.0/40", nil},
		{"workerProcesses", "4", func(s Settings) bool { return s.WorkerProcesses == "4" }},
		{"workerProcesses", "0", nil},
		{"gzipTypes", "text/html application/json", func(s Settings) bool { return len(s.GzipTypes) == 2 }},
		{"gzipTypes", "text/html;", nil},
		{"gzipDisable", `"msie6" "MSIE [4-6]"`, nil},
		{"sslProtocols", "TLSv1.1 TLSv1.3", func(s Settings) bool { return len(s.SSLProtocols) == 2 }},
		{"sslProtocols", "SSLv3", nil},
		{"sslSessionCache", "shared:SSL:10m", func(s Settings) bool { return s.SSLCache == "shared:SSL:10m" }},
		{"sslSessionCache", "shared:a b:10m", nil},
		{"sslCiphers", "ECDHE+AESGCM:!aNULL", func(s Settings) bool { return s.SSLCiphers != "" }},
		{"sslCiphers", "a b", nil},
	} {
		s := etcd.State{Keys: map[string]etcd.Entry{"/deis/router/" + c.name: {Value: c.value}}}
		got := Build(s, nil)
		if c.ok == nil && len(got.Problems) != 1 || c.ok != nil && (len(got.Problems) != 0 || !c.ok(got.Settings)) {
			t.Errorf("%s=%q: %v", c.name, c.value, got.Problems)
		}
	}
}

func TestPrefixesLeaveSecretsOut(t *testing.T) {
	for _, p := range Prefixes() {
		for _, secret := range []string{"/deis/controller/builderKey", "/deis/controller/secretKey", "/deis/builder/users/x", "/deis/builder/sshHostrsaKey", "/deis/database/password", "/deis/router/applied/h", "/deis/router/hosts/h"} {
			if strings.HasPrefix(secret, p) {
				t.Errorf("%s is followed by %s", secret, p)
			}
		}
	}
}

// FuzzBuild shows that no value of anyone breaks the table, and that what
// comes out of it is free of anything nginx could read as its own.
func FuzzBuild(f *testing.F) {
	for _, s := range settings {
		f.Add("/deis/router/"+s.name, s.def)
	}
	f.Add("/deis/services/a/a_v1.web.1", "10.0.0.1:80")
	f.Add("/deis/services/a", "a")
	f.Add("/deis/domains/www.example.com", "a")
	f.Add("/deis/config/a/deis_whitelist", "10.0.0.0/8:x,[::1]:y")
	f.Add("/deis/certs/www.example.com/cert", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----")
	f.Add("/deis/platform/domain", "example.com")
	f.Add("/deis/controller/subdomain", "deis")
	f.Fuzz(func(t *testing.T, key, value string) {
		s := state(1, "/deis/services/a a", "/deis/services/a/a_v1.web.9 10.9.9.9:80", "/deis/domains/www.example.com a")
		s.Keys[key] = etcd.Entry{Value: value, Mod: 9}
		got := Build(s, Build(state(1), nil))
		free := append([]string{got.Settings.Subdomain, got.Platform, got.Settings.SSLCiphers, got.Settings.SSLCache, got.Settings.WorkerProcesses, got.Settings.ErrorLogLevel}, got.Settings.GzipTypes...)
		free = append(append(free, got.Settings.GzipDisable...), got.Settings.SSLProtocols...)
		for domain, app := range got.Domains {
			free = append(free, domain, app)
		}
		for app := range got.Apps {
			free = append(free, app)
		}
		for _, text := range free {
			if strings.ContainsAny(strings.ReplaceAll(text, " ", ""), ";{}\"'\\$#\n\r\t\x00") {
				t.Errorf("%q=%q lets %q through", key, value, text)
			}
		}
	})
}
