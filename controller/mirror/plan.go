package mirror

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// settings are the config values that components read, in lower case; no
// other value of a config may leave the records.
var settings = []string{"deis_whitelist", "healthcheck_initial_delay", "healthcheck_timeout", "healthcheck_url", "maintenance"}

// prefixes are read in a pass over all; owned says what in them is the mirror's.
var prefixes = []string{keys.Services, keys.Domains, keys.Certs, keys.BuilderUsers, keys.Configs, keys.Mirrored}

func owned(key string) bool {
	if _, job, ok := keys.SplitService(key); ok {
		return job == "" && !strings.HasSuffix(key, "/")
	}
	for _, prefix := range []string{keys.Domains, keys.Certs, keys.BuilderUsers, keys.Configs} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// truth is what the records say.
type truth struct {
	apps    []string
	domains []deis.Domain
	keys    []deis.Key
	certs   []deis.Pair
	configs []deis.Config
}

// wanted are the keys that should stand.
func (t truth) wanted() map[string]string {
	want := make(map[string]string, len(t.apps)+len(t.domains)+len(t.keys)+2*len(t.certs)+len(t.configs))
	for _, app := range t.apps {
		want[keys.App(app)] = app
	}
	for _, d := range t.domains {
		want[keys.Domain(d.Domain)] = d.App
	}
	for _, k := range t.keys {
		want[keys.BuilderUser(k.Owner, k.Fingerprint)] = k.Public
	}
	for _, c := range t.certs {
		want[keys.CertCert(c.CommonName)] = c.Chain
		want[keys.CertKey(c.CommonName)] = c.Key
	}
	for _, c := range t.configs {
		// Of names that differ in case only, one must win: the upper-case one,
		// which sorts first.
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(c.Values))) {
			want[keys.Config(c.App, strings.ToLower(name))] = c.Values[name]
		}
	}
	return want
}

// change is one key to set or to remove.
type change struct {
	key    string
	value  string
	remove bool
}

// rank orders changes so that nobody sees half of one: what protects an app
// and certifies it stands before the app can be reached, who may no longer push
// is out first.
func (c change) rank() int {
	order := []string{keys.Configs, keys.Services, keys.Certs, keys.Domains, keys.BuilderUsers}
	for i, prefix := range order {
		if strings.HasPrefix(c.key, prefix) {
			if c.remove && i > 0 {
				return -i
			}
			return i
		}
	}
	return len(order)
}

// group is the prefix of what must change in one transaction: an app's config,
// or a certificate and its key.
func (c change) group() string {
	if app, _, ok := keys.SplitConfig(c.key); ok {
		return keys.Configs + app + "/"
	}
	if commonName, _, ok := keys.SplitCert(c.key); ok {
		return keys.Certs + commonName + "/"
	}
	return c.key
}

// Bounds of a transaction. etcd refuses one of more than 128 operations or 1.5
// MB; a config is never larger than 1 MB.
const (
	maxChanges = 128
	maxBytes   = 256 << 10
)

// plan is what makes found into wanted: transactions in order.
func plan(wanted map[string]string, found map[string]etcd.Entry) [][]change {
	var changes []change
	for key, value := range wanted {
		if e, ok := found[key]; !ok || e.Value != value {
			changes = append(changes, change{key: key, value: value})
		}
	}
	for key := range found {
		if _, ok := wanted[key]; !ok && owned(key) {
			changes = append(changes, change{key: key, remove: true})
		}
	}
	return pack(changes)
}

// planParts is what makes etcd say what is wanted of some parts, whatever it
// says of them now.
func planParts(wanted map[string]string, parts []deis.Part) [][]change {
	var changes []change
	for _, p := range parts {
		for _, key := range keysOf(p) {
			value, ok := wanted[key]
			changes = append(changes, change{key: key, value: value, remove: !ok})
		}
	}
	return pack(changes)
}

// pack puts changes in their order and fills transactions with them without
// dividing a group, unless it is too large for one alone.
func pack(changes []change) [][]change {
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.key, b.key))
	})
	var txns [][]change
	size := 0
	for len(changes) > 0 {
		n, bytes := 0, 0
		for n < len(changes) && n < maxChanges && changes[n].group() == changes[0].group() {
			bytes += len(changes[n].key) + len(changes[n].value)
			n++
		}
		if last := len(txns) - 1; last >= 0 && len(txns[last])+n <= maxChanges && size+bytes <= maxBytes {
			txns[last] = append(txns[last], changes[:n]...)
			size += bytes
		} else {
			txns = append(txns, slices.Clone(changes[:n]))
			size = bytes
		}
		changes = changes[n:]
	}
	return txns
}
