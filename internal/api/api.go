// Package api is the JSON of the controller's /v1 API, version 1.7: what the
// controller answers and what client and builder read. Shapes and names are
// those of Deis v1 (spec of the controller, sections 1.6 and 1.7).
package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Headers of every response. The names hold underscores, as in Deis v1.
const (
	HeaderAPIVersion       = "DEIS_API_VERSION"
	HeaderPlatformVersion  = "DEIS_PLATFORM_VERSION"
	HeaderXAPIVersion      = "X_DEIS_API_VERSION"      // deprecated duplicate
	HeaderXPlatformVersion = "X_DEIS_PLATFORM_VERSION" // deprecated duplicate
	HeaderRelease          = "Deis-Release"
	HeaderXRelease         = "X-Deis-Release" // deprecated duplicate
	HeaderBuilderAuth      = "X-Deis-Builder-Auth"
	HeaderPush             = "X-Deis-Push"       // of hooks/build: a push's id (UUID), so that it may be sent again; not in Deis v1
	HeaderLogPosition      = "Deis-Log-Position" // of a followed log: where its first byte is; not in Deis v1
	HeaderLogGap           = "Deis-Log-Gap"      // how many bytes are gone before that, or LogGapUnknown
)

// LogGapUnknown is the gap after which a log is another one than before.
const LogGapUnknown = "unknown"

// timeLayout is that of Deis v1: the literal suffix UTC, whole seconds.
const timeLayout = "2006-01-02T15:04:05UTC"

// Time is written as 2014-01-01T00:00:00UTC.
type Time struct{ time.Time }

// MarshalJSON writes Deis v1's form.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.String() + `"`), nil
}

// UnmarshalJSON reads Deis v1's form.
func (t *Time) UnmarshalJSON(b []byte) error {
	when, err := time.Parse(`"`+timeLayout+`"`, string(b))
	if err != nil {
		return fmt.Errorf("time %s: %w", b, err)
	}
	t.Time = when
	return nil
}

func (t Time) String() string { return t.UTC().Format(timeLayout) }

// Page is one page of a list.
type Page[T any] struct {
	Count    int     `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// User is an account. Times of users are ISO 8601 with microseconds and Z.
type User struct {
	ID              int       `json:"id"`
	Email           string    `json:"email"`
	Username        string    `json:"username"`
	FirstName       string    `json:"first_name"`
	LastName        string    `json:"last_name"`
	IsSuperuser     bool      `json:"is_superuser"`
	IsStaff         bool      `json:"is_staff"`
	Groups          []string  `json:"groups"`
	UserPermissions []string  `json:"user_permissions"`
	LastLogin       time.Time `json:"last_login"`
	DateJoined      time.Time `json:"date_joined"`
	IsActive        bool      `json:"is_active"`
}

// App is an application.
type App struct {
	UUID      string         `json:"uuid"`
	ID        string         `json:"id"`
	Owner     string         `json:"owner"`
	URL       string         `json:"url"`
	Structure map[string]int `json:"structure"`
	Created   Time           `json:"created"`
	Updated   Time           `json:"updated"`
}

// Config is an app's environment, limits and tags.
type Config struct {
	UUID    string            `json:"uuid"`
	App     string            `json:"app"`
	Owner   string            `json:"owner"`
	Values  map[string]string `json:"values"`
	Memory  map[string]string `json:"memory"`
	CPU     map[string]int    `json:"cpu"`
	Tags    map[string]string `json:"tags"`
	Created Time              `json:"created"`
	Updated Time              `json:"updated"`
}

// Build is an image with what it can run.
type Build struct {
	Owner      string            `json:"owner"`
	App        string            `json:"app"`
	Image      string            `json:"image"`
	SHA        string            `json:"sha"`
	Procfile   map[string]string `json:"procfile"`
	Dockerfile string            `json:"dockerfile"`
	Created    Time              `json:"created"`
	Updated    Time              `json:"updated"`
	UUID       string            `json:"uuid"`
}

// Release is a build with a config.
type Release struct {
	UUID    string  `json:"uuid"`
	App     string  `json:"app"`
	Owner   string  `json:"owner"`
	Created Time    `json:"created"`
	Updated Time    `json:"updated"`
	Version int     `json:"version"`
	Summary string  `json:"summary"`
	Config  string  `json:"config"`
	Build   *string `json:"build"`
}

// Container is one process of an app. Release is written as v3.
type Container struct {
	Owner   string `json:"owner"`
	App     string `json:"app"`
	Release string `json:"release"`
	Type    string `json:"type"`
	Num     int    `json:"num"`
	State   string `json:"state"`
	Created Time   `json:"created"`
	Updated Time   `json:"updated"`
	UUID    string `json:"uuid"`
}

// Domain is a custom domain of an app.
type Domain struct {
	Owner   string `json:"owner"`
	Created Time   `json:"created"`
	Updated Time   `json:"updated"`
	App     string `json:"app"`
	Domain  string `json:"domain"`
}

// Credential is what an app shows to another registry. The password is never
// told.
type Credential struct {
	Owner    string `json:"owner"`
	Created  Time   `json:"created"`
	Updated  Time   `json:"updated"`
	App      string `json:"app"`
	Registry string `json:"registry"`
	Username string `json:"username"`
}

// Key is an SSH public key of a user.
type Key struct {
	UUID        string `json:"uuid"`
	Owner       string `json:"owner"`
	Fingerprint string `json:"fingerprint"`
	Created     Time   `json:"created"`
	Updated     Time   `json:"updated"`
	ID          string `json:"id"`
	Public      string `json:"public"`
}

// Push is the record of a git push.
type Push struct {
	UUID               string `json:"uuid"`
	Owner              string `json:"owner"`
	App                string `json:"app"`
	SHA                string `json:"sha"`
	Fingerprint        string `json:"fingerprint"`
	ReceiveUser        string `json:"receive_user"`
	ReceiveRepo        string `json:"receive_repo"`
	SSHConnection      string `json:"ssh_connection"`
	SSHOriginalCommand string `json:"ssh_original_command"`
	Created            Time   `json:"created"`
	Updated            Time   `json:"updated"`
}

// Admin is a user who may do everything.
type Admin struct {
	Username    string `json:"username"`
	IsSuperuser bool   `json:"is_superuser"`
}

// Perms are the users with access to an app, beside its owner.
type Perms struct {
	Users []string `json:"users"`
}

// Token answers a login.
type Token struct {
	Token string `json:"token"`
}

// Credentials are the body of auth/register and auth/login/.
type Credentials struct {
	Username  string `json:"username"`
	Password  string `json:"password"`
	Email     string `json:"email,omitempty"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
}

// ConfigChange is the body of a POST to an app's config. A nil value unsets.
type ConfigChange struct {
	Values map[string]any `json:"values,omitempty"`
	Memory map[string]any `json:"memory,omitempty"`
	CPU    map[string]any `json:"cpu,omitempty"`
	Tags   map[string]any `json:"tags,omitempty"`
}

// NewBuild is the body of a POST to an app's builds.
type NewBuild struct {
	Image    string            `json:"image"`
	Procfile map[string]string `json:"procfile,omitempty"`
}

// Rollback is the body and the answer of releases/rollback.
type Rollback struct {
	Version int `json:"version,omitempty"`
}

// PushHook is the body of hooks/push.
type PushHook struct {
	ReceiveUser        string `json:"receive_user"`
	ReceiveRepo        string `json:"receive_repo"` // app id
	SHA                string `json:"sha"`          // 40 hex digits
	Fingerprint        string `json:"fingerprint"`
	SSHConnection      string `json:"ssh_connection"`
	SSHOriginalCommand string `json:"ssh_original_command"`
}

// ConfigHook is the body of hooks/config, which answers with a Config.
type ConfigHook struct {
	ReceiveUser string `json:"receive_user"`
	ReceiveRepo string `json:"receive_repo"`
}

// BuildHook is the body of hooks/build.
type BuildHook struct {
	SHA         string            `json:"sha"` // first eight digits
	ReceiveUser string            `json:"receive_user"`
	ReceiveRepo string            `json:"receive_repo"`
	Image       string            `json:"image"` // app id, no tag, no registry
	Procfile    map[string]string `json:"procfile"`
	Dockerfile  string            `json:"dockerfile"` // "true" in Dockerfile mode, else empty
}

// BuildHookResult answers hooks/build.
type BuildHookResult struct {
	Release struct {
		Version int `json:"version"`
	} `json:"release"`
	Domains []string `json:"domains"`
}

// ErrorText makes one sentence a line of an error body: `key: text` for each
// string, sorted by key, as the v1 client printed them. A body that is no JSON
// object is returned as it is.
func ErrorText(body []byte) []string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return []string{strings.TrimSpace(string(body))}
	}
	return errorLines(fields)
}
