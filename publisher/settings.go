package publisher

import (
	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/publisher/announce"
)

// Settings come from the environment.
type Settings struct {
	process.Runtime

	Etcd     []string
	Docker   string
	Announce announce.Options // its Host is empty for the address that reaches etcd
}

// SettingsFromEnv reads the settings and says all that is wrong with them.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	name := e.String("DEIS_NAME", "deis")
	s := Settings{
		Etcd:   e.Etcd(),
		Docker: e.String("DOCKER_HOST", "unix:///var/run/docker.sock"),
		Announce: announce.Options{
			Platform: name,
			Network:  e.String("APPS_NETWORK", name+"-apps"),
			TTL:      e.Seconds("ETCD_TTL", 20),
		},
	}
	if ip := e.IP("HOST"); ip.IsValid() {
		s.Announce.Host = ip.String()
	}
	return s, e.Err()
}
