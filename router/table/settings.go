package table

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/deis/deis/internal/keys"
)

// Settings are what an operator sets under /deis/router, and of the
// controller's settings its subdomain.
type Settings struct {
	Subdomain string // of the API, such as deis

	BodySize         int64 // bytes; 0 means no limit
	DefaultTimeout   time.Duration
	WorkerProcesses  string // a number or auto
	WorkerConns      int
	ErrorLogLevel    string
	ServerTokens     bool
	ProxyProtocol    bool
	RealIPFrom       []netip.Prefix
	EnforceHTTPS     bool
	EnforceWhitelist bool

	Gzip            bool
	GzipCompLevel   int
	GzipDisable     []string // regular expressions of plain characters, and msie6
	GzipHTTPVersion string
	GzipMinLength   int64
	GzipProxied     []string
	GzipTypes       []string
	GzipVary        bool

	HSTS HSTS

	APIAllow      *[]netip.Prefix // nil: everyone
	APIConnect    time.Duration
	APIRead       time.Duration
	APISend       time.Duration
	BuilderDial   time.Duration
	BuilderIdle   time.Duration
	SSLCiphers    string
	SSLProtocols  []string
	SSLCache      string // as nginx has it, or empty
	SSLTimeout    time.Duration
	SSLTickets    bool
	SSLBufferSize int64

	accepted map[string]string // what the above was read from
}

// HSTS is the Strict-Transport-Security header.
type HSTS struct {
	Enabled           bool
	MaxAge            int
	IncludeSubDomains bool
	Preload           bool
}

// Header is the header's value, empty if it is not to be sent.
func (h HSTS) Header() string {
	if !h.Enabled {
		return ""
	}
	v := "max-age=" + strconv.Itoa(h.MaxAge)
	if h.IncludeSubDomains {
		v += "; includeSubDomains"
	}
	if h.Preload {
		v += "; preload"
	}
	return v
}

// setting is one key under /deis/router: its default as an operator would
// write it, and how it is read. An empty value counts as unset.
type setting struct {
	name, def string
	read      func(s *Settings, v string) bool
}

const gzipTypes = "application/atom+xml application/javascript application/json application/rss+xml application/vnd.ms-fontobject " +
	"application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype " +
	"image/svg+xml image/x-icon text/css text/plain text/x-component"

var settings = []setting{
	{"bodySize", "1m", func(s *Settings, v string) bool { return size(&s.BodySize, v) }},
	{"defaultTimeout", "1300", func(s *Settings, v string) bool { return duration(&s.DefaultTimeout, v, time.Second) }},
	{"workerProcesses", "auto", func(s *Settings, v string) bool {
		s.WorkerProcesses = v
		n, err := strconv.Atoi(v)
		return v == "auto" || err == nil && n >= 1 && n <= 512
	}},
	{"maxWorkerConnections", "768", func(s *Settings, v string) bool { return number(&s.WorkerConns, v, 16, 1<<20) }},
	{"errorLogLevel", "error", func(s *Settings, v string) bool {
		return word(&s.ErrorLogLevel, v, "debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")
	}},
	{"serverTokens", "on", func(s *Settings, v string) bool { return onOff(&s.ServerTokens, v) }},
	// Anything but false turns it on: the documents of v1 say 1.
	{"proxyProtocol", "false", func(s *Settings, v string) bool { s.ProxyProtocol = v != "false"; return true }},
	{"proxyRealIpCidr", "10.0.0.0/8", func(s *Settings, v string) bool { return prefixes(&s.RealIPFrom, v) }},

	{"hsts/enabled", "false", func(s *Settings, v string) bool { return isTrue(&s.HSTS.Enabled, v) }},
	{"hsts/maxAge", "10886400", func(s *Settings, v string) bool { return number(&s.HSTS.MaxAge, v, 0, 1<<31-1) }},
	{"hsts/includeSubDomains", "false", func(s *Settings, v string) bool { return isTrue(&s.HSTS.IncludeSubDomains, v) }},
	{"hsts/preload", "false", func(s *Settings, v string) bool { return isTrue(&s.HSTS.Preload, v) }},
	// Unset it follows hsts/enabled, which stands above.
	{"enforceHTTPS", "", func(s *Settings, v string) bool {
		s.EnforceHTTPS = s.HSTS.Enabled
		return v == "" || isTrue(&s.EnforceHTTPS, v)
	}},
	{"enforceWhitelist", "false", func(s *Settings, v string) bool { return isTrue(&s.EnforceWhitelist, v) }},

	{"gzip", "on", func(s *Settings, v string) bool { return onOff(&s.Gzip, v) }},
	{"gzipCompLevel", "5", func(s *Settings, v string) bool { return number(&s.GzipCompLevel, v, 1, 9) }},
	{"gzipDisable", `"msie6"`, func(s *Settings, v string) bool { return words(&s.GzipDisable, unquote(v), gzipDisable) }},
	{"gzipHttpVersion", "1.1", func(s *Settings, v string) bool { return word(&s.GzipHTTPVersion, v, "1.0", "1.1") }},
	{"gzipMinLength", "256", func(s *Settings, v string) bool { return size(&s.GzipMinLength, v) }},
	{"gzipProxied", "any", func(s *Settings, v string) bool { return words(&s.GzipProxied, v, gzipProxied) }},
	{"gzipTypes", gzipTypes, func(s *Settings, v string) bool { return words(&s.GzipTypes, v, mimeType) }},
	{"gzipVary", "on", func(s *Settings, v string) bool { return onOff(&s.GzipVary, v) }},

	{"controller/whitelist", "", func(s *Settings, v string) (ok bool) {
		var problem string
		s.APIAllow, problem = parseWhitelist(v)
		return problem == ""
	}},
	{"controller/timeout/connect", "10s", func(s *Settings, v string) bool { return duration(&s.APIConnect, v, time.Second) }},
	{"controller/timeout/read", "20m", func(s *Settings, v string) bool { return duration(&s.APIRead, v, time.Second) }},
	{"controller/timeout/send", "20m", func(s *Settings, v string) bool { return duration(&s.APISend, v, time.Second) }},
	// The documents of v1 give these in milliseconds.
	{"builder/timeout/connect", "10000", func(s *Settings, v string) bool { return duration(&s.BuilderDial, v, time.Millisecond) }},
	{"builder/timeout/tcp", "1200000", func(s *Settings, v string) bool { return duration(&s.BuilderIdle, v, time.Millisecond) }},

	{"sslCiphers", "", func(s *Settings, v string) bool {
		s.SSLCiphers = v
		return v == "" || ciphers.MatchString(v)
	}},
	{"sslProtocols", "TLSv1.2 TLSv1.3", func(s *Settings, v string) bool { return words(&s.SSLProtocols, v, sslProtocol) }},
	{"sslSessionCache", "", func(s *Settings, v string) bool {
		s.SSLCache = v
		return v == "" || sessionCache.MatchString(v)
	}},
	{"sslSessionTimeout", "10m", func(s *Settings, v string) bool { return duration(&s.SSLTimeout, v, time.Second) }},
	{"sslSessionTickets", "on", func(s *Settings, v string) bool { return onOff(&s.SSLTickets, v) }},
	{"sslBufferSize", "4k", func(s *Settings, v string) bool {
		return size(&s.SSLBufferSize, v) && s.SSLBufferSize >= 1<<10 && s.SSLBufferSize <= 1<<20
	}},
	{"sslCert", "", accept}, {"sslKey", "", accept}, {"sslDhparam", "", accept}, // read with the other certificates
}

var (
	gzipDisable  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	gzipProxied  = regexp.MustCompile(`^(off|expired|no-cache|no-store|private|no_last_modified|no_etag|auth|any)$`)
	mimeType     = regexp.MustCompile(`^[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}$|^\*$`)
	sslProtocol  = regexp.MustCompile(`^TLSv1(\.[123])?$`)
	sessionCache = regexp.MustCompile(`^(off|none|(builtin(:[0-9]{1,6})?( |$))?(shared:[A-Za-z0-9_]{1,32}:[0-9]{1,4}[kKmM])?)$`)
	ciphers      = regexp.MustCompile(`^[A-Za-z0-9:!+@=_-]{1,1000}$`)
	plainName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Defaults are the settings of a platform that sets none.
func Defaults() Settings {
	s := Settings{Subdomain: "deis", accepted: map[string]string{}}
	for _, d := range settings {
		if !d.read(&s, d.def) {
			panic("the default of " + d.name + " is wrong") // seen by every test
		}
	}
	return s
}

// settings reads all settings. A wrong value leaves the last good one in
// place; a controller whitelist that never was good lets no one in.
func (b *builder) settings(prev Settings) {
	s := Defaults()
	for _, d := range settings {
		key := keys.Router + d.name
		v := strings.TrimSpace(b.value(key))
		if v == "" {
			v = d.def
		}
		if trial := s; !d.read(&trial, v) {
			b.problem(key, "not a value for this setting")
			last, known := prev.accepted[d.name]
			if d.name == "controller/whitelist" && !known {
				s.APIAllow = &[]netip.Prefix{}
				continue
			}
			if v = last; !known {
				v = d.def
			}
		}
		d.read(&s, v)
		s.accepted[d.name] = v
	}
	if v := strings.TrimSpace(b.value(keys.Subdomain)); v != "" {
		if plainName.MatchString(v) {
			s.Subdomain = v
		} else {
			b.problem(keys.Subdomain, "not a host label")
			if prev.Subdomain != "" {
				s.Subdomain = prev.Subdomain
			}
		}
	}
	b.Settings = s
}

func accept(*Settings, string) bool { return true }

func onOff(p *bool, v string) bool {
	*p = v == "on"
	return v == "on" || v == "off"
}

// isTrue is how v1 read its switches: exactly true, all else is false.
func isTrue(p *bool, v string) bool {
	*p = v == "true"
	return true
}

func number(p *int, v string, lo, hi int) bool {
	n, err := strconv.Atoi(v)
	*p = n
	return err == nil && n >= lo && n <= hi
}

func word(p *string, v string, allowed ...string) bool {
	*p = v
	for _, a := range allowed {
		if v == a {
			return true
		}
	}
	return false
}

func words(p *[]string, v string, each *regexp.Regexp) bool {
	*p = strings.Fields(v)
	for _, w := range *p {
		if !each.MatchString(w) {
			return false
		}
	}
	return len(*p) > 0 && len(*p) <= 128
}

func prefixes(p *[]netip.Prefix, v string) bool {
	var list []netip.Prefix
	for _, f := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		prefix, ok := parsePrefix(f)
		if !ok {
			return false
		}
		list = append(list, prefix)
	}
	*p = list
	return len(list) > 0
}

// size reads bytes with nginx's suffixes.
func size(p *int64, v string) bool {
	unit := int64(1)
	if v != "" {
		switch v[len(v)-1] {
		case 'k', 'K':
			unit = 1 << 10
		case 'm', 'M':
			unit = 1 << 20
		case 'g', 'G':
			unit = 1 << 30
		}
	}
	if unit > 1 {
		v = v[:len(v)-1]
	}
	n, err := strconv.ParseInt(v, 10, 64)
	*p = n * unit
	return err == nil && n >= 0 && n <= (1<<50)/unit
}

// maxDuration is below what nginx's milliseconds can count.
const maxDuration = 24 * 24 * time.Hour

// duration reads one number with nginx's units; a bare one counts in bare.
func duration(p *time.Duration, v string, bare time.Duration) bool {
	units := []struct {
		suffix string
		unit   time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}, {"", bare}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(v, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= 0 || n > int64(maxDuration/u.unit) {
			return false
		}
		*p = time.Duration(n) * u.unit
		return true
	}
	return false
}

func unquote(v string) string { return strings.ReplaceAll(v, `"`, "") }
