package registry

import (
	"net"
	"strconv"
	"time"

	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
)

// Settings are what doc.go lists.
type Settings struct {
	process.Runtime
	Listen        string
	Storage       string
	SweepInterval time.Duration
	SweepGrace    time.Duration
	Etcd          []string
	TTL           time.Duration
	Host          string // announced; empty: found out
	Port          int    // announced; 0: the one listened on
}

// SettingsFromEnv reads Settings.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Listen:        e.Listen("LISTEN", ":5000"),
		Storage:       e.String("STORAGE", "/var/lib/registry"),
		SweepInterval: e.Seconds("SWEEP_INTERVAL", 3600),
		SweepGrace:    e.Seconds("SWEEP_GRACE", 900),
		Etcd:          e.Etcd(),
		TTL:           e.Seconds("ETCD_TTL", 20),
		Host:          e.String("HOST", ""),
		Port:          e.Int("EXTERNAL_PORT", 0, 0, 65535),
	}
	return s, e.Err()
}

// announced is the address under which others reach what listens on addr.
func (s Settings) announced(addr net.Addr, localIP func() (string, error)) (host, port string, err error) {
	host = s.Host
	if host == "" {
		if host, err = localIP(); err != nil {
			return "", "", err
		}
	}
	if s.Port != 0 {
		return host, strconv.Itoa(s.Port), nil
	}
	_, port, err = net.SplitHostPort(addr.String())
	return host, port, err
}
