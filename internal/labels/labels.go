// Package labels is how the platform's containers are told from all others on
// an Engine, and what a container says of itself. The controller and the
// builder write labels; publisher, logspout and every clean-up read them.
package labels

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/deis/deis/internal/jobid"
)

// Names of labels.
const (
	Platform    = "deis.platform"    // name of the platform, DEIS_NAME
	App         = "deis.app"         // app id
	Release     = "deis.release"     // v3
	Type        = "deis.type"        // process type
	Num         = "deis.num"         // number within the type
	UUID        = "deis.uuid"        // of the container's row
	Job         = "deis.job"         // job id, also the container's name
	Healthcheck = "deis.healthcheck" // JSON of HealthCheck; absent: readiness by TCP only
	Build       = "deis.build"       // first eight characters of the commit a builder container builds
	Component   = "deis.component"   // of a platform container
)

// HealthCheck is what a release's HEALTHCHECK_* config asks for.
type HealthCheck struct {
	URL          string `json:"url"`           // path, such as /health
	InitialDelay int    `json:"initial_delay"` // seconds from the container's start
	Timeout      int    `json:"timeout"`       // seconds for one request
}

// Delay is InitialDelay as a duration.
func (h HealthCheck) Delay() time.Duration { return time.Duration(h.InitialDelay) * time.Second }

// Deadline is Timeout as a duration.
func (h HealthCheck) Deadline() time.Duration { return time.Duration(h.Timeout) * time.Second }

// Identity is a container of an app, as its labels tell.
type Identity struct {
	Platform string
	ID       jobid.ID
	UUID     string
	Health   *HealthCheck // nil if the release has no HEALTHCHECK_URL
}

// Labels are what the container is created with.
func (i Identity) Labels() map[string]string {
	m := map[string]string{
		Platform: i.Platform,
		App:      i.ID.App,
		Release:  "v" + strconv.Itoa(i.ID.Version),
		Type:     i.ID.Type,
		Num:      strconv.Itoa(i.ID.Num),
		Job:      i.ID.String(),
		UUID:     i.UUID,
	}
	if i.Health != nil {
		b, err := json.Marshal(i.Health)
		if err != nil {
			panic(err) // three scalars always marshal
		}
		m[Healthcheck] = string(b)
	}
	return m
}

// Name is the Engine's name of the container: the job id. Several platforms may
// share an Engine and have apps of the same name, so one that is not called
// deis puts its own name in front, with a dot that no platform's name has.
func (i Identity) Name() string {
	if i.Platform == "deis" {
		return i.ID.String()
	}
	return i.Platform + "." + i.ID.String()
}

// Parse reads a container's labels. ok is false for containers that are no
// app's, such as the platform's own and those of others.
func Parse(m map[string]string) (i Identity, ok bool, err error) {
	if m[Job] == "" {
		return Identity{}, false, nil
	}
	id, err := jobid.Parse(m[Job])
	if err != nil {
		return Identity{}, false, fmt.Errorf("label %s: %w", Job, err)
	}
	i = Identity{Platform: m[Platform], ID: id, UUID: m[UUID]}
	if h := m[Healthcheck]; h != "" {
		i.Health = new(HealthCheck)
		if err := json.Unmarshal([]byte(h), i.Health); err != nil {
			return Identity{}, false, fmt.Errorf("label %s: %w", Healthcheck, err)
		}
	}
	return i, true, nil
}
