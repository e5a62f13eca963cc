package docker

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/jobid"
)

// stopSeconds is the time between SIGTERM and SIGKILL.
const stopSeconds = 10

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
	host := &container.HostConfig{
		NetworkMode:   container.NetworkMode(c.Network),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways},
	}
	if once {
		host.RestartPolicy.Name = container.RestartPolicyDisabled
	}
	engine.Restrictions{Memory: s.Memory, CPU: s.CPU}.Restrict(host)
	return plan{
		Name: c.containerName(s.Identity.ID),
		Config: &container.Config{
			Image:       c.reference(s),
			Entrypoint:  s.Entrypoint,
			Cmd:         s.Command,
			Hostname:    s.Hostname,
			Labels:      s.Identity.Labels(),
			StopTimeout: &stop,
		},
		Host: host,
		Network: &network.NetworkingConfig{
			EndpointsConfig: map[string]*network.EndpointSettings{c.Network: {}},
		},
	}
}

// containerName is the job id; two platforms on one Engine may have apps of the
// same name, so those that are not called deis put their name in front.
func (c Config) containerName(id jobid.ID) string {
	if c.Platform == "deis" {
		return id.String()
	}
	return c.Platform + "-" + id.String()
}

// repository is the app's, as the Engine reaches it.
func (c Config) repository(app string) string { return c.Registry + "/" + app }

func (c Config) reference(s deis.Spec) string {
	return c.repository(s.Identity.ID.App) + "@" + s.Image
}

// state translates the Engine's word.
func state(word string) deis.State {
	switch word {
	case container.StateRunning:
		return deis.StateUp
	case container.StateCreated:
		return deis.StateCreated
	case container.StateExited, container.StatePaused:
		return deis.StateDown
	case container.StateRestarting:
		return deis.StateCrashed
	case container.StateRemoving:
		return deis.StateDestroyed
	}
	return deis.StateError
}

// ParseTags reads what a host offers: k=v[,k=v...].
func ParseTags(s string) (map[string]string, error) {
	tags := map[string]string{}
	for _, kv := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" || v == "" {
			return nil, fmt.Errorf("%q is not k=v", kv)
		}
		tags[k] = v
	}
	return tags, nil
}

// unmet is a tag that the host does not have, empty if it has all.
func unmet(host, want map[string]string) string {
	for k, v := range want {
		if host[k] != v {
			return k + "=" + v
		}
	}
	return ""
}
