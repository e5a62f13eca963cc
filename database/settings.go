package database

import (
	"net/netip"
	"strings"
	"time"

	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
)

// Settings are what doc.go lists.
type Settings struct {
	process.Runtime
	Folder string // of all data
	Bin    string // empty: found
	Port   int
	Allow  []string // networks, or samenet
	Seeds  Seeds
	Etcd   []string
	TTL    time.Duration
	Host   string // announced; empty: found out
	Public int    // port announced
}

// Seeds are first values of keys; an empty password becomes a random one.
type Seeds struct{ User, Password, Name, AdminPassword string }

// SettingsFromEnv reads Settings.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Folder: e.String("PGDATA", "/var/lib/postgresql"),
		Bin:    e.String("PG_BIN", ""),
		Port:   e.Port("PORT", 5432),
		Allow:  strings.Split(e.String("ALLOW", "samenet"), ","),
		Seeds: Seeds{
			User:          e.String("PG_USER_NAME", "deis"),
			Password:      e.String("PG_USER_PASS", ""),
			Name:          e.String("PG_USER_DB", "deis"),
			AdminPassword: e.String("PG_ADMIN_PASS", ""),
		},
		Etcd: e.Etcd(),
		TTL:  e.Seconds("ETCD_TTL", 20),
		Host: e.String("HOST", ""),
	}
	s.Public = e.Port("EXTERNAL_PORT", s.Port)
	for _, network := range s.Allow {
		if network == "samenet" {
			continue
		}
		if _, err := netip.ParsePrefix(network); err != nil {
			e.Fail("ALLOW", "%q is neither samenet nor a network such as 10.0.0.0/8", network)
		}
	}
	return s, e.Err()
}
