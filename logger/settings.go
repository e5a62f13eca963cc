package logger

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
	Listen     string
	WebListen  string
	Root       string
	AppBytes   int64
	TotalBytes int64
	MaxApps    int
	Etcd       []string
	TTL        time.Duration
	Host       string // announced; empty: found out
	Port       int    // announced; 0: the one listened on

	OnWeb func(net.Addr) // tests learn the web port here; may be nil
}

// SettingsFromEnv reads Settings.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Listen:     e.Listen("LISTEN", ":514"),
		WebListen:  e.Listen("WEB_LISTEN", ":8088"),
		Root:       e.String("LOG_ROOT", "/data/logs"),
		AppBytes:   e.Bytes("LOG_APP_BYTES", 64<<20),
		TotalBytes: e.Bytes("LOG_TOTAL_BYTES", 2<<30),
		MaxApps:    e.Int("LOG_MAX_APPS", 5000, 1, 1<<20),
		Etcd:       e.Etcd(),
		TTL:        e.Seconds("ETCD_TTL", 20),
		Host:       e.String("HOST", ""),
		Port:       e.Int("EXTERNAL_PORT", 0, 0, 65535),
	}
	if s.TotalBytes < s.AppBytes {
		e.Fail("LOG_TOTAL_BYTES", "is less than LOG_APP_BYTES")
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
