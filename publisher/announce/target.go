package announce

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

// target is a running container that may be announced.
type target struct {
	id      string
	job     jobid.ID
	addr    netip.AddrPort
	started time.Time
	check   *url.URL      // nil: a TCP connection is enough
	delay   time.Duration // from started, before the first check
	timeout time.Duration // of one check
}

// Reasons why a container is not announced. errNoAddress may pass.
var (
	errNotRoutable = errors.New("no app's container, or of a process type without traffic")
	errNotRunning  = errors.New("not running")
	errNoPort      = errors.New("exposes no TCP port")
	errNoAddress   = errors.New("has no address on the apps' network")
)

const (
	tcpTimeout = time.Second
	maxTimeout = 30 * time.Second // of a check that asks for more, or for none
)

// targetOf reads what the Engine tells of a container: a pure function.
func targetOf(c container.InspectResponse, platform, network string) (target, error) {
	if c.ContainerJSONBase == nil || c.Config == nil || c.State == nil || c.NetworkSettings == nil {
		return target{}, errNotRunning
	}
	id, ok, err := labels.Parse(c.Config.Labels)
	if err != nil {
		return target{}, err
	}
	if !ok || id.Platform != platform || !id.ID.Routable() {
		return target{}, errNotRoutable
	}
	if !c.State.Running || c.State.Paused {
		return target{}, errNotRunning
	}
	started, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil {
		return target{}, fmt.Errorf("start time: %w", err)
	}
	port := 0
	for p := range c.Config.ExposedPorts {
		if p.Proto() == "tcp" && p.Int() > 0 && (port == 0 || p.Int() < port) {
			port = p.Int()
		}
	}
	if port == 0 {
		return target{}, errNoPort
	}
	endpoint := c.NetworkSettings.Networks[network]
	if endpoint == nil {
		return target{}, errNoAddress
	}
	ip, err := netip.ParseAddr(endpoint.IPAddress)
	if err != nil {
		return target{}, errNoAddress
	}
	t := target{id: c.ID, job: id.ID, addr: netip.AddrPortFrom(ip, uint16(port)), started: started, timeout: tcpTimeout}
	if h := id.Health; h != nil {
		if t.check, err = checkURL(h.URL, t.addr); err != nil {
			return target{}, err
		}
		t.delay, t.timeout = h.Delay(), h.Deadline()
		if t.timeout <= 0 || t.timeout > maxTimeout {
			t.timeout = maxTimeout
		}
	}
	return t, nil
}

// checkURL is a path at the container. Whatever else the text may name, the
// request goes there.
func checkURL(path string, addr netip.AddrPort) (*url.URL, error) {
	u, err := url.Parse("/" + strings.TrimLeft(path, "/"))
	if err != nil {
		return nil, fmt.Errorf("health check URL %q: %w", path, errors.Unwrap(err))
	}
	return &url.URL{Scheme: "http", Host: addr.String(), Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, nil
}
