package rest

import (
	"context"
	"net/netip"

	"github.com/deis/deis/controller/deis"
)

// Controller is all that the API offers to clients; *deis.Controller is one.
// Errors carry a deis.Kind, lists come with the number of all.
type Controller interface {
	Identities
	Accounts
	Users
	Keys
	Apps
	Perms
	Domains
	Certs
	Credentials
	Logs
	Configs
	Builds
	Releases
	Containers
	Hooks
}

// Identities say who asks.
type Identities interface {
	Authenticate(ctx context.Context, token string) (deis.User, error)
	AuthenticateBuilder(key string) error
}

// Accounts are what users do with their own accounts, and superusers with all.
type Accounts interface {
	Register(ctx context.Context, by *deis.User, in deis.Registration) (deis.User, error)
	Login(ctx context.Context, from netip.Addr, username, password string) (token string, err error)
	ChangePassword(ctx context.Context, by deis.User, in deis.PasswordChange) error
	CancelUser(ctx context.Context, by deis.User, username string) error
	RegenerateToken(ctx context.Context, by deis.User, username string, all bool) (token string, err error)
}

// Users are all accounts, for superusers.
type Users interface {
	Users(ctx context.Context, by deis.User, p deis.Page) ([]deis.User, int, error)
	Admins(ctx context.Context, by deis.User, p deis.Page) ([]deis.User, int, error)
	SetAdmin(ctx context.Context, by deis.User, username string, admin bool) error
}

// Keys are a user's own SSH keys.
type Keys interface {
	AddKey(ctx context.Context, by deis.User, id, public string) (deis.Key, error)
	Keys(ctx context.Context, by deis.User, p deis.Page) ([]deis.Key, int, error)
	Key(ctx context.Context, by deis.User, id string) (deis.Key, error)
	RemoveKey(ctx context.Context, by deis.User, id string) error
}

// Apps are the apps that a user may see.
type Apps interface {
	CreateApp(ctx context.Context, by deis.User, in deis.NewApp) (deis.App, error)
	Apps(ctx context.Context, by deis.User, p deis.Page) ([]deis.App, int, error)
	App(ctx context.Context, by deis.User, id string) (deis.App, error)
	URL(app string) string
	TransferApp(ctx context.Context, by deis.User, id, owner string) error
	DestroyApp(ctx context.Context, by deis.User, id string) error
}

// Perms say who has access to an app.
type Perms interface {
	Perms(ctx context.Context, by deis.User, app string) ([]string, error)
	Share(ctx context.Context, by deis.User, app, username string) error
	Unshare(ctx context.Context, by deis.User, app, username string) error
}

// Domains are an app's custom domains.
type Domains interface {
	Domains(ctx context.Context, by deis.User, app string, p deis.Page) ([]deis.Domain, int, error)
	AddDomain(ctx context.Context, by deis.User, app, domain string) (deis.Domain, error)
	RemoveDomain(ctx context.Context, by deis.User, app, domain string) error
}

// Certs are a user's own TLS certificates.
type Certs interface {
	AddCert(ctx context.Context, by deis.User, in deis.NewCert) (deis.Cert, error)
	Certs(ctx context.Context, by deis.User, p deis.Page) ([]deis.Cert, int, error)
	Cert(ctx context.Context, by deis.User, commonName string) (deis.Cert, error)
	RemoveCert(ctx context.Context, by deis.User, commonName string) error
}

// Credentials are what an app shows to other registries.
type Credentials interface {
	Credentials(ctx context.Context, by deis.User, app string, p deis.Page) ([]deis.Credential, int, error)
	SetCredential(ctx context.Context, by deis.User, app string, in deis.Login) (deis.Credential, error)
	RemoveCredential(ctx context.Context, by deis.User, app, registry string) error
}

// Logs are an app's last lines, empty if there are none, and those that come.
type Logs interface {
	Logs(ctx context.Context, by deis.User, app string, lines int) ([]byte, error)
	FollowLogs(ctx context.Context, by deis.User, app string, from deis.LogStart) (deis.FollowedLog, error)
}

// Configs are an app's environment, limits and tags.
type Configs interface {
	Config(ctx context.Context, by deis.User, app string) (deis.Config, error)
	SetConfig(ctx context.Context, by deis.User, app string, in deis.ConfigChange) (c deis.Config, version int, err error)
}

// Builds are an app's images.
type Builds interface {
	Builds(ctx context.Context, by deis.User, app string, p deis.Page) ([]deis.Build, int, error)
	Build(ctx context.Context, by deis.User, app, uuid string) (deis.Build, error)
	CreateBuild(ctx context.Context, by deis.User, app string, in deis.NewBuild) (b deis.Build, version int, err error)
}

// Releases are an app's history.
type Releases interface {
	Releases(ctx context.Context, by deis.User, app string, p deis.Page) ([]deis.Release, int, error)
	Release(ctx context.Context, by deis.User, app string, version int) (deis.Release, error)
	Rollback(ctx context.Context, by deis.User, app string, version int) (int, error)
}

// Containers are what of an app runs.
type Containers interface {
	Containers(ctx context.Context, by deis.User, app, typ string, p deis.Page) ([]deis.Process, int, error)
	Container(ctx context.Context, by deis.User, app, typ string, num int) (deis.Process, error)
	Restart(ctx context.Context, by deis.User, app, typ string, num int) ([]deis.Process, error)
	Scale(ctx context.Context, by deis.User, app string, in map[string]any) error
	Run(ctx context.Context, by deis.User, app, command string) (code int, output string, err error)
	Attach(ctx context.Context, by deis.User, app, command string, s deis.Session) (code int, err error)
}

// Hooks are what the builder calls for whoever pushes.
type Hooks interface {
	PushHook(ctx context.Context, p deis.Push) (deis.Push, error)
	ConfigHook(ctx context.Context, username, app string) (deis.Config, error)
	BuildHook(ctx context.Context, username, app string, in deis.NewBuild) (version int, domains []string, err error)
}
