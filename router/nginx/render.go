package nginx

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/deis/deis/router/table"
)

//go:embed templates
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"onoff": func(b bool) string {
		if b {
			return "on"
		}
		return "off"
	},
	"ms": func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" },
}).ParseFS(files, "templates/*.conf"))

// Options say where nginx listens and where its files are.
type Options struct {
	Dir        string       // of our own, such as /run/deis-router
	Binary     string       // /usr/sbin/nginx
	Modules    string       // folder of the dynamic modules
	Listen     []netip.Addr // for HTTP, HTTPS and SSH
	HTTPPort   uint16
	HTTPSPort  uint16
	SSHPort    uint16
	HealthPort uint16
	Stop       time.Duration // how long requests may take to end after SIGTERM
}

// rendered is a configuration as files relative to a folder of its own.
type rendered struct {
	id    string // stands for the content
	files map[string]string
}

// cert is a domain's certificate in a configuration.
type cert struct{ Domain, File string }

// render makes the configuration of a table. It does not depend on endpoints
// or apps, which are in the shared dictionary.
func render(o Options, t *table.Table) rendered {
	listen := func(port uint16) (list []string) {
		for _, a := range o.Listen {
			list = append(list, netip.AddrPortFrom(a, port).String())
		}
		return list
	}
	v := map[string]any{
		"Dir": o.Dir, "Modules": o.Modules, "S": t.Settings, "TLS": t.TLS,
		"HTTP": listen(o.HTTPPort), "HTTPS": listen(o.HTTPSPort), "SSH": listen(o.SSHPort), "Health": listen(o.HealthPort),
		"Proxy": "", "Builder": addrOr(t.Builder, ""), "Store": "", "ID": "",
	}
	if t.Settings.ProxyProtocol {
		v["Proxy"] = " proxy_protocol"
	}
	if t.Store.Installed {
		v["Store"] = addrOr(t.Store.Addr, "none")
	}
	out := rendered{files: map[string]string{}}
	if t.TLS.Platform != nil {
		out.files["certs/platform.cert"], out.files["certs/platform.key"] = t.TLS.Platform.Cert, t.TLS.Platform.Key
	}
	if t.TLS.Enabled() && t.TLS.DHParam != "" {
		out.files["dhparam.pem"] = t.TLS.DHParam
	}
	var certs []cert
	longest := 0
	for domain, pair := range t.TLS.Domains {
		// A name may be longer than a file's may.
		c := cert{Domain: domain, File: hash(domain)[:32]}
		certs = append(certs, c)
		out.files["certs/"+c.File+".cert"], out.files["certs/"+c.File+".key"] = pair.Cert, pair.Key
		longest = max(longest, len(domain))
	}
	sort.Slice(certs, func(i, j int) bool { return certs[i].Domain < certs[j].Domain })
	v["Certs"] = certs
	// Exact names win over the store's pattern.
	var plain, overTLS []string
	for domain := range t.Domains {
		if t.Store.Installed && strings.HasPrefix(domain, "deis-store.") {
			plain = append(plain, domain)
			if _, own := t.TLS.Domains[domain]; !own {
				overTLS = append(overTLS, domain)
			}
			longest = max(longest, len(domain))
		}
	}
	sort.Strings(plain)
	sort.Strings(overTLS)
	v["PlainNames"], v["TLSNames"] = plain, overTLS
	v["NamesBucket"] = powerOfTwo(64, longest+32)
	v["NamesMax"] = powerOfTwo(512, 2*(len(certs)+len(plain)))

	out.files["routes.conf"] = execute("routes.conf", v)
	out.files["nginx.conf"] = execute("nginx.conf", v)
	out.id = out.sum()
	v["ID"] = out.id
	out.files["nginx.conf"] = execute("nginx.conf", v)
	return out
}

// sameConfig says whether two tables have the same configuration for certain.
func sameConfig(a, b *table.Table) bool {
	return a.Builder == b.Builder && a.Store == b.Store && reflect.DeepEqual(a.Settings, b.Settings) &&
		reflect.DeepEqual(a.TLS, b.TLS) && (!a.Store.Installed || reflect.DeepEqual(a.Domains, b.Domains))
}

func (r rendered) sum() string {
	var names []string
	for name := range r.files {
		names = append(names, name)
	}
	sort.Strings(names)
	var all strings.Builder
	for _, name := range names {
		fmt.Fprintf(&all, "%s %d\n%s\n", name, len(r.files[name]), r.files[name])
	}
	return hash(all.String())
}

func execute(name string, v any) string {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, v); err != nil {
		panic(err) // templates and their values are constants of this package
	}
	return b.String()
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func addrOr(a netip.AddrPort, def string) string {
	if !a.IsValid() {
		return def
	}
	return a.String()
}

func powerOfTwo(from, atLeast int) int {
	for from < atLeast {
		from *= 2
	}
	return from
}
