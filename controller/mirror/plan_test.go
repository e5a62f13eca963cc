package mirror

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
)

var update = flag.Bool("update", false, "write golden files")

func entries(pairs ...string) map[string]etcd.Entry {
	m := map[string]etcd.Entry{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = etcd.Entry{Value: pairs[i+1]}
	}
	return m
}

func text(txns [][]change) string {
	var b strings.Builder
	for _, txn := range txns {
		b.WriteString("transaction\n")
		for _, c := range txn {
			if c.remove {
				fmt.Fprintf(&b, "  remove %s\n", c.key)
			} else {
				fmt.Fprintf(&b, "  set %s = %s\n", c.key, c.value)
			}
		}
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	records := truth{
		apps: []string{"blog", "shop", "shop-2"},
		domains: []deis.Domain{
			{App: "shop", Domain: "shop.org"},
			{App: "shop", Domain: "moved.org"},
		},
		keys: []deis.Key{
			{Owner: "bob", Fingerprint: "aa:bb", Public: "ssh-rsa AAAA bob"},
			{Owner: "al@x.org", Fingerprint: "cc:dd", Public: "ssh-rsa CCCC"},
		},
		certs: []deis.Pair{
			{CommonName: "shop.org", Chain: "CHAIN", Key: "KEY"},
			{CommonName: "renewed.org", Chain: "NEW CHAIN", Key: "NEW KEY"},
		},
		configs: []deis.Config{
			{App: "shop", Values: map[string]string{"DEIS_WHITELIST": "10.0.0.0/8", "deis_whitelist": "0.0.0.0/0", "HEALTHCHECK_URL": "/"}},
			{App: "shop-2", Values: map[string]string{"MAINTENANCE": "1"}},
			{App: "blog", Values: map[string]string{"MAINTENANCE": "1"}},
		},
	}
	found := entries(
		"/deis/services/blog", "blog", // as it should be
		"/deis/services/blog/blog_v2.web.1", "10.0.0.1:5000", // the publisher's
		"/deis/services/gone", "gone",
		"/deis/services/gone/gone_v2.web.1", "10.0.0.2:5000", // the publisher's too
		"/deis/services/a/b/c", "x", // nobody's, but not below a prefix of the mirror alone
		"/deis/domains/moved.org", "blog",
		"/deis/domains/gone.org", "gone",
		"/deis/domains/odd/key", "x",
		"/deis/certs/gone.org/cert", "CHAIN",
		"/deis/certs/gone.org/key", "KEY",
		"/deis/certs/renewed.org/cert", "OLD CHAIN",
		"/deis/certs/renewed.org/key", "OLD KEY",
		"/deis/certs/odd", "x",
		"/deis/builder/users/bob/aa:bb", "ssh-rsa AAAA bob",
		"/deis/builder/users/bob/ee:ff", "ssh-rsa EEEE bob",
		"/deis/config/blog/maintenance", "1",
		"/deis/config/blog/secret", "left by Deis v1",
		"/deis/config/shop/healthcheck_url", "/old",
		"/deis/config/shop/healthcheck_timeout", "5",
		"/deis/config/gone/deis_whitelist", "10.0.0.0/8",
		"/deis/controller/mirrored", "done",
	)
	got := text(plan(records.wanted(), found))
	const golden = "testdata/plan.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestPlanOfNothingIsNothing(t *testing.T) {
	records := truth{apps: []string{"a"}, domains: []deis.Domain{{App: "a", Domain: "a.org"}}}
	found := entries("/deis/services/a", "a", "/deis/domains/a.org", "a", "/deis/services/b/b_v1.web.1", "x")
	if txns := plan(records.wanted(), found); len(txns) != 0 {
		t.Error(text(txns))
	}
}

func TestTransactionsAreBoundedAndDivideNoConfigAndNoCert(t *testing.T) {
	var records truth
	for i := range 300 {
		app := fmt.Sprint("app", i)
		records.apps = append(records.apps, app)
		records.certs = append(records.certs, deis.Pair{CommonName: app + ".org", Chain: strings.Repeat("c", 5000), Key: strings.Repeat("k", 1700)})
		records.configs = append(records.configs, deis.Config{App: app, Values: map[string]string{
			"DEIS_WHITELIST": strings.Repeat("w", 1000), "HEALTHCHECK_URL": "/", "MAINTENANCE": "1"}})
	}
	records.configs[7].Values["DEIS_WHITELIST"] = strings.Repeat("w", 1<<20) // larger than any other may be beside it
	seen := map[string]int{}
	changes := 0
	for n, txn := range plan(records.wanted(), nil) {
		size, groups := 0, map[string]bool{}
		for _, c := range txn {
			size += len(c.key) + len(c.value)
			groups[c.group()] = true
			if strings.HasPrefix(c.group(), "/deis/config/") || strings.HasPrefix(c.group(), "/deis/certs/") {
				if was, ok := seen[c.group()]; ok && was != n {
					t.Errorf("%s is in transactions %d and %d", c.group(), was, n)
				}
				seen[c.group()] = n
			}
		}
		changes += len(txn)
		if len(txn) > maxChanges || size > maxBytes && len(groups) > 1 {
			t.Errorf("%d changes of %d bytes", len(txn), size)
		}
	}
	if changes != 300*6 || len(seen) != 600 {
		t.Error(changes, len(seen))
	}
}
