package builder

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/deis/deis/internal/env"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/version"
)

// Settings come from the environment.
type Settings struct {
	process.Runtime

	Platform     string // name of the platform
	Etcd         []string
	TTL          time.Duration
	Host         string // announced; empty: the address that reaches etcd
	ExternalPort int    // announced
	SSH          string // host:port to listen on
	Connections  int    // of clients at once

	Docker       string
	Networks     []string // of builds
	Registry     string   // as the Engine reaches it
	Registries   []string // that bases may come from although their name has a port
	Slugbuilder  string
	Slugrunner   string
	Stack        string
	Builds       int
	Memory       int64
	BuildTimeout time.Duration
	BuildEnv     map[string]string // that builds fetch by

	GitRoot   string
	GitUID    int
	GitGID    int
	RunDir    string // socket and hooks
	MaxPush   int64
	MaxSource int64
	MaxSlug   int64
	Overprint bool
	Drain     time.Duration
	Self      string // this binary; empty: where it was started from
}

// fetching are the variables that builds get if the builder has them.
var fetching = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOFLAGS",
}

// SettingsFromEnv reads the settings and says all that is wrong with them.
func SettingsFromEnv(getenv func(string) string) (Settings, error) {
	e := env.From(getenv)
	s := Settings{
		Platform:     e.String("DEIS_NAME", "deis"),
		Etcd:         e.Etcd(),
		TTL:          e.Seconds("ETCD_TTL", 20),
		ExternalPort: e.Port("EXTERNAL_PORT", 2223),
		SSH:          net.JoinHostPort(e.String("SSH_HOST_IP", "0.0.0.0"), strconv.Itoa(e.Port("SSH_HOST_PORT", 2223))),
		Connections:  e.Int("MAX_CONNECTIONS", 200, 1, 10000),
		Docker:       e.String("DOCKER_HOST", "unix:///var/run/docker.sock"),
		Registry:     e.String("REGISTRY_FROM_ENGINE", "127.0.0.1:5000"),
		Registries:   list(e.String("BASE_REGISTRIES", "")),
		Slugbuilder:  e.String("SLUGBUILDER_IMAGE", "deis/slugbuilder:"+version.Platform),
		Slugrunner:   e.String("SLUGRUNNER_IMAGE", "deis/slugrunner:latest"),
		Stack:        e.String("STACK", ""),
		Builds:       e.Int("BUILDS", 2, 1, 100),
		Memory:       e.Bytes("BUILD_MEMORY", 1<<30),
		BuildTimeout: e.Seconds("BUILD_TIMEOUT", 900),
		BuildEnv:     map[string]string{},
		GitRoot:      e.String("GIT_ROOT", "/home/git"),
		GitUID:       e.Int("GIT_UID", 1000, 1, 1<<31-1),
		GitGID:       e.Int("GIT_GID", 1000, 1, 1<<31-1),
		RunDir:       e.String("RUN_DIR", "/run/deis-builder"),
		MaxPush:      e.Bytes("MAX_PUSH", 256<<20),
		MaxSource:    e.Bytes("MAX_SOURCE", 1<<30),
		MaxSlug:      e.Bytes("MAX_SLUG", 1<<30),
		Overprint:    e.Bool("OUTPUT_PREFIX", true),
		Drain:        e.Seconds("DRAIN_TIMEOUT", 20),
	}
	s.Networks = list(e.String("BUILDS_NETWORK", s.Platform+"-builds"))
	if len(s.Networks) == 0 {
		e.Fail("BUILDS_NETWORK", "must name a network")
	}
	if ip := e.IP("HOST"); ip.IsValid() {
		s.Host = ip.String()
	}
	for _, name := range fetching {
		if value := getenv(name); value != "" {
			s.BuildEnv[name] = value
		}
	}
	return s, e.Err()
}

// list splits at commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
