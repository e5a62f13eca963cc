package docker

import (
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
)

// stopSeconds is the time between SIGTERM and SIGKILL.
const stopSeconds = 10

// Config is where containers run.
type Config struct {
	Platform string            // DEIS_NAME
	Network  string            // of app containers
	Registry string            // as the Engine reaches it
	HostTags map[string]string // what this host offers
}

// plan is a container in the Engine's terms.
type plan struct {
	Name    string
	Config  *container.Config
	Host    *container.HostConfig
	Network *network.NetworkingConfig
}

// planContainer translates a spec; once is for one-off containers, which are
// not started again. It is pure.
func (c Config) planContainer(s deis.Spec, once bool) plan {
	stop := stopSeconds
	identity := s.Identity
	identity.Platform = c.Platform // every call acts on that label only
	host := &container.HostConfig{
		NetworkMode:   container.NetworkMode(c.Network),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways},
	}
	if once {
		host.RestartPolicy.Name = container.RestartPolicyDisabled
	}
	engine.Restrictions{Memory: s.Memory, CPU: s.CPU}.Restrict(host)
	return plan{
		Name: identity.Name(),
		Config: &container.Config{
			Image:       c.repository(s.Identity.ID.App) + "@" + s.Image,
			Entrypoint:  s.Entrypoint,
			Cmd:         s.Command,
			Hostname:    s.Hostname,
			Labels:      identity.Labels(),
			StopTimeout: &stop,
		},
		Host: host,
		Network: &network.NetworkingConfig{
			EndpointsConfig: map[string]*network.EndpointSettings{c.Network: {}},
		},
	}
}

// repository is the app's, as the Engine reaches it.
func (c Config) repository(app string) string { return c.Registry + "/" + app }

// replaces says whether a container with these labels, which has the name of
// p, is a leftover of the platform; same means that it is p itself.
func (p plan) replaces(other map[string]string) (leftover, same bool) {
	ours := p.Config.Labels
	if other[labels.Platform] != ours[labels.Platform] || other[labels.Job] != ours[labels.Job] {
		return false, false
	}
	same = other[labels.UUID] == ours[labels.UUID]
	return !same, same
}

// state translates the Engine's word.
func state(word container.ContainerState) deis.State {
	switch word {
	case container.StateRunning:
		return deis.StateUp
	case container.StateCreated:
		return deis.StateCreated
	case container.StateExited, container.StatePaused:
		return deis.StateDown // by somebody's hand: else the Engine would start it again
	case container.StateRestarting:
		return deis.StateCrashed
	case container.StateRemoving, container.StateDead: // Create makes room
		return deis.StateDestroyed
	}
	return deis.StateError
}
