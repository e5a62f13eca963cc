package deis

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Credential is what an app shows to another registry, without the password.
type Credential struct {
	App      string
	Owner    string
	Registry string // host, or host:port, in lower case
	Username string
	Created  time.Time
	Updated  time.Time
}

// Login is a user name and a password for a registry.
type Login struct {
	Registry string
	Username string
	Password Secret
}

// dockerHub is the registry of images whose names begin with none.
const dockerHub = "docker.io"

// maxLoginPassword bounds a password; some registries give out keys of 2 KiB.
const maxLoginPassword = 16 << 10

var registryForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$`)

// CanonicalRegistry is a registry as the names of its images begin, in lower
// case; Docker's own goes by several.
func CanonicalRegistry(registry string) string {
	registry = strings.ToLower(registry)
	switch registry {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		return dockerHub
	}
	return registry
}

// Credentials lists what the app shows to other registries, without passwords.
func (c *Controller) Credentials(ctx context.Context, by User, app string, p Page) ([]Credential, int, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, 0, err
	}
	return c.Records.Credentials(ctx, app, p)
}

// SetCredential says what the app shows to a registry from which it pulls
// images, instead of what it showed before.
func (c *Controller) SetCredential(ctx context.Context, by User, app string, in Login) (Credential, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Credential{}, err
	}
	in.Registry = CanonicalRegistry(in.Registry)
	if err := in.check(); err != nil {
		return Credential{}, err
	}
	if c.Images.Ours(in.Registry) {
		return Credential{}, Field("registry", "The registry %s is the platform's own.", in.Registry)
	}
	out, err := c.Records.SetCredential(ctx, Credential{App: app, Owner: by.Username, Registry: in.Registry, Username: in.Username}, in.Password)
	if err == nil {
		c.event(app, "credentials for "+in.Registry+" set")
	}
	return out, err
}

// RemoveCredential ends what SetCredential began.
func (c *Controller) RemoveCredential(ctx context.Context, by User, app, registry string) error {
	if _, err := c.authorize(ctx, by, app, Own); err != nil {
		return err
	}
	registry = CanonicalRegistry(registry)
	if err := c.Records.DeleteCredential(ctx, app, registry); err != nil {
		return err
	}
	c.event(app, "credentials for "+registry+" removed")
	return nil
}

func (l Login) check() error {
	fields := map[string][]string{}
	host, _, port := strings.Cut(l.Registry, ":")
	// A name without a dot would be a user of Docker's own registry.
	if !registryForm.MatchString(l.Registry) || !port && !strings.Contains(host, ".") {
		fields["registry"] = []string{"A registry is a host, or host:port, such as quay.io or registry.example.com:5000."}
	}
	switch {
	case l.Username == "":
		fields["username"] = []string{textBlank}
	case tooLongFor(l.Username, 255) != "":
		fields["username"] = []string{tooLong(255)}
	case strings.ContainsFunc(l.Username, func(r rune) bool { return r == ':' || unicode.IsControl(r) }):
		fields["username"] = []string{"A user name has no colons and no control characters."}
	}
	switch password := l.Password.Reveal(); {
	case password == "":
		fields["password"] = []string{textBlank}
	case len(password) > maxLoginPassword:
		fields["password"] = []string{tooLong(maxLoginPassword)}
	case strings.Contains(password, "\x00"):
		fields["password"] = []string{"A password has no NUL characters."}
	}
	if len(fields) > 0 {
		return &Error{Kind: Invalid, Fields: fields}
	}
	return nil
}

// logins are what an app may show where its build's image is from; a pushed
// build is in the platform's own registry.
func (c *Controller) logins(ctx context.Context, b Build) ([]Login, error) {
	if b.SHA != "" {
		return nil, nil
	}
	return c.Records.Logins(ctx, b.App)
}
