package logspout

import (
	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
)

// Settings are what doc.go lists.
type Settings struct {
	process.Runtime
	Platform  string
	Docker    string
	Positions string // folder
	Etcd      []string
	Host      string // in messages; empty: found out
}

// SettingsFromEnv reads Settings.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Platform:  e.String("DEIS_NAME", "deis"),
		Docker:    e.String("DOCKER_HOST", "unix:///var/run/docker.sock"),
		Positions: e.String("POSITIONS", "/var/lib/logspout"),
		Etcd:      e.Etcd(),
		Host:      e.String("HOST", ""),
	}
	return s, e.Err()
}
