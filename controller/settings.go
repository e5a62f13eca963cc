package controller

import (
	"time"

	"github.com/deis/deis/controller/scheduler/docker"
	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
)

// Settings are read from the environment once; doc.go lists the variables.
type Settings struct {
	process.Runtime

	Platform           string   // name of the platform
	Etcd               []string // host:port
	Host               string   // announced; empty: the address from which etcd is reached
	Listen             string   // of the API
	ExternalPort       int      // announced
	TTL                time.Duration
	Docker             string // the Engine's address
	AppsNetwork        string
	RegistryFromEngine string            // the registry as the Engine reaches it
	HostTags           map[string]string // what this host offers to apps with tags
	DeployTimeout      time.Duration
	Drain              time.Duration
}

// SettingsFromEnv reads the settings and names all that is wrong with them.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Platform:           e.String("DEIS_NAME", "deis"),
		Etcd:               e.Etcd(),
		Host:               e.String("HOST", ""),
		Listen:             e.Listen("LISTEN", ":8000"),
		ExternalPort:       e.Port("EXTERNAL_PORT", 8000),
		TTL:                e.Seconds("ETCD_TTL", 20),
		Docker:             e.String("DOCKER_HOST", "unix:///var/run/docker.sock"),
		RegistryFromEngine: e.String("REGISTRY_FROM_ENGINE", "127.0.0.1:5000"),
		DeployTimeout:      e.Seconds("DEPLOY_TIMEOUT", 120),
		Drain:              e.Seconds("DRAIN", 5),
	}
	tags, err := docker.ParseTags(e.String("HOST_TAGS", ""))
	if err != nil {
		e.Fail("HOST_TAGS", "%v", err)
	}
	s.HostTags = tags
	s.AppsNetwork = e.String("APPS_NETWORK", s.Platform+"-apps")
	return s, e.Err()
}
