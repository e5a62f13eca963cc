package router

import (
	"net/netip"
	"strings"
	"time"

	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/router/nginx"
)

// Settings come from the environment.
type Settings struct {
	process.Runtime

	Etcd         []string
	TTL          time.Duration
	Host         string // empty: the address that reaches etcd
	ExternalPort int
	FilterState  string // file to check, empty for none
	Nginx        nginx.Options
}

// SettingsFromEnv reads the settings and says all that is wrong with them.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Etcd:         e.Etcd(),
		TTL:          e.Seconds("ETCD_TTL", 20),
		ExternalPort: e.Port("EXTERNAL_PORT", 80),
		FilterState:  e.String("FILTER_STATE", ""),
		Nginx: nginx.Options{
			Dir:        e.String("ROUTER_DIR", "/run/deis-router"),
			Binary:     e.String("NGINX", "/usr/sbin/nginx"),
			Modules:    e.String("NGINX_MODULES", "/usr/lib/nginx/modules"),
			HTTPPort:   uint16(e.Port("HTTP_PORT", 80)),
			HTTPSPort:  uint16(e.Port("HTTPS_PORT", 443)),
			SSHPort:    uint16(e.Port("SSH_PORT", 2222)),
			HealthPort: uint16(e.Port("HEALTH_PORT", 9090)),
			Stop:       e.Seconds("STOP_TIMEOUT", 8),
		},
	}
	if ip := e.IP("HOST"); ip.IsValid() {
		s.Host = ip.String()
	}
	for _, text := range strings.Split(e.String("LISTEN", "127.0.0.1"), ",") {
		ip, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			e.Fail("LISTEN", "%q is not an IP address", text)
			continue
		}
		s.Nginx.Listen = append(s.Nginx.Listen, ip)
	}
	ports := map[uint16]string{}
	for name, port := range map[string]uint16{
		"HTTP_PORT": s.Nginx.HTTPPort, "HTTPS_PORT": s.Nginx.HTTPSPort, "SSH_PORT": s.Nginx.SSHPort, "HEALTH_PORT": s.Nginx.HealthPort,
	} {
		if other, taken := ports[port]; taken {
			e.Fail(name, "is the same as %s", other)
		}
		ports[port] = name
	}
	// These go into nginx's configuration as they are.
	for name, path := range map[string]string{"ROUTER_DIR": s.Nginx.Dir, "NGINX_MODULES": s.Nginx.Modules} {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\n\"';{}$\\#") {
			e.Fail(name, "%q is not a plain absolute path", path)
		}
	}
	return s, e.Err()
}
