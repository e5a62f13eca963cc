package deis

import (
	"context"
	"io"
	"time"

	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

// Records is what the controller remembers. A missing row is an error of kind
// NotFound, a doubled one of kind Invalid with v1's sentence at its field; if
// the database is away the error is of kind Unavailable. Lists are in the
// order of spec section 1.5 and come with the number of all rows.
type Records interface {
	Tx
	// InTx runs fn in one transaction: all of its writes stand or none.
	InTx(ctx context.Context, fn func(Tx) error) error
	// Lock holds the app's lock until unlock is called: across controllers, on
	// a connection of its own. The returned context ends, with its cause, when
	// that connection is lost. It waits at most wait, and then fails with kind
	// Conflict.
	Lock(ctx context.Context, app string, wait time.Duration) (locked context.Context, unlock func(), err error)
}

// Tx is Records inside or outside a transaction.
type Tx interface {
	UserRecords
	AppRecords
	ReleaseRecords
	ContainerRecords
	RunRecords
	CertRecords
	CredentialRecords
}

// UserRecords are accounts with their tokens and keys.
type UserRecords interface {
	// CreateUser stores u. It is a superuser if none exists, which is decided
	// so that of two first users only one becomes it.
	CreateUser(ctx context.Context, u User, passwordHash string) (User, error)
	User(ctx context.Context, username string) (User, error)
	// UserOfPerson finds the account that a person of the directory has: the
	// one of the name in any case, the oldest of several. If there is none it
	// makes one, in lower case, with the hash and never a superuser. What the person's
	// other fields say is stored, unless they are empty.
	UserOfPerson(ctx context.Context, p Person, passwordHash string) (User, error)
	// Users lists all, by name; superusers only if admins is set.
	Users(ctx context.Context, admins bool, p Page) ([]User, int, error)
	PasswordHash(ctx context.Context, username string) (string, error)
	SetPasswordHash(ctx context.Context, username, hash string) error
	// SetSuperuser fails with kind Conflict rather than leave no superuser.
	SetSuperuser(ctx context.Context, username string, superuser bool) error
	// DeleteUser fails with kind Conflict while the user owns apps. What the
	// user owns inside other people's apps goes to those apps' owners.
	DeleteUser(ctx context.Context, username string) error

	CreateToken(ctx context.Context, username string, hash []byte) error
	UserByToken(ctx context.Context, hash []byte) (User, error)
	// DeleteTokens deletes a user's tokens, or everyone's if username is empty.
	DeleteTokens(ctx context.Context, username string) error

	CreateKey(ctx context.Context, k Key) (Key, error)
	// Key and DeleteKey find a key by its id or, if none has that, by either
	// fingerprint.
	Key(ctx context.Context, owner, id string) (Key, error)
	Keys(ctx context.Context, owner string, p Page) ([]Key, int, error)
	DeleteKey(ctx context.Context, owner, id string) (Key, error)

	CreatePush(ctx context.Context, p Push) (Push, error)
}

// AppRecords are apps with their grants and domains. Apps that are being
// destroyed are found by DestroyedApps only.
type AppRecords interface {
	CreateApp(ctx context.Context, a App) (App, error)
	App(ctx context.Context, id string) (App, error)
	// Apps lists those that the user owns or was granted; all if user is empty.
	Apps(ctx context.Context, user string, p Page) ([]App, int, error)
	SetOwner(ctx context.Context, app, owner string) error
	SetStructure(ctx context.Context, app string, structure map[string]int) error
	MarkDestroyed(ctx context.Context, app string) error
	DestroyedApps(ctx context.Context) ([]App, error)
	DeleteApp(ctx context.Context, app string) error

	Granted(ctx context.Context, app, username string) (bool, error)
	Grant(ctx context.Context, app, username string) error
	Revoke(ctx context.Context, app, username string) error
	Grantees(ctx context.Context, app string) ([]string, error)

	CreateDomain(ctx context.Context, d Domain) (Domain, error)
	// Domain finds a domain of any app.
	Domain(ctx context.Context, name string) (Domain, error)
	Domains(ctx context.Context, app string, p Page) ([]Domain, int, error)
	DeleteDomain(ctx context.Context, app, name string) error
}

// ReleaseRecords are releases with their builds and configs. Pending releases
// are found by PendingReleases only, and by ReleaseOfPush.
type ReleaseRecords interface {
	CreateConfig(ctx context.Context, c Config) (Config, error)
	Config(ctx context.Context, app, uuid string) (Config, error)
	CreateBuild(ctx context.Context, b Build) (Build, error)
	Build(ctx context.Context, app, uuid string) (Build, error)
	Builds(ctx context.Context, app string, p Page) ([]Build, int, error)

	// CreateRelease stores r with the app's next version, pending or not as r
	// says.
	CreateRelease(ctx context.Context, r Release) (Release, error)
	SetReleaseImage(ctx context.Context, uuid, digest string) error
	// CommitRelease makes a pending release live.
	CommitRelease(ctx context.Context, uuid string) error
	// WithdrawRelease deletes a pending release, and its build and config if no
	// other release has them.
	WithdrawRelease(ctx context.Context, uuid string) error
	Release(ctx context.Context, app string, version int) (Release, error)
	LatestRelease(ctx context.Context, app string) (Release, error)
	// LatestConfig is the config of that release.
	LatestConfig(ctx context.Context, app string) (Config, error)
	Releases(ctx context.Context, app string, p Page) ([]Release, int, error)
	// PendingReleases are those of one app, of all apps if app is empty.
	PendingReleases(ctx context.Context, app string) ([]Release, error)
	// ReleaseOfPush finds a release, pending or live, by the id of its push.
	ReleaseOfPush(ctx context.Context, app, push string) (Release, error)
}

// ContainerRecords say what should run.
type ContainerRecords interface {
	CreateContainers(ctx context.Context, cs []Container) ([]Container, error)
	// Containers lists those of an app, oldest first, of every phase; those of
	// all apps if app is empty.
	Containers(ctx context.Context, app string) ([]Container, error)
	SetPhase(ctx context.Context, uuids []string, p Phase) error
	// SetCrashed changes nothing else, and says how many it changed.
	SetCrashed(ctx context.Context, uuids []string, crashed bool) (changed int, err error)
	DeleteContainers(ctx context.Context, uuids []string) error
}

// RunRecords are the one-off containers that controllers are at.
type RunRecords interface {
	CreateRun(ctx context.Context, app, uuid string) error
	// Runs lists those of an app; those of all apps if app is empty.
	Runs(ctx context.Context, app string) ([]Run, error)
	// BeatRuns counts up the beats of those that exist.
	BeatRuns(ctx context.Context, uuids []string) error
	DeleteRuns(ctx context.Context, uuids []string) error
}

// CertRecords are certificates. Their private keys go in, and out to the
// mirror alone.
type CertRecords interface {
	// ClaimHost makes those who decide whose a host name is take turns, until
	// the transaction's end.
	ClaimHost(ctx context.Context, host string) error
	CreateCert(ctx context.Context, c Cert, p Pair) (Cert, error)
	// Cert finds a cert of any owner.
	Cert(ctx context.Context, commonName string) (Cert, error)
	Certs(ctx context.Context, owner string, p Page) ([]Cert, int, error)
	DeleteCert(ctx context.Context, owner, commonName string) error
}

// CredentialRecords are what apps show to other registries.
type CredentialRecords interface {
	// SetCredential replaces what the app showed to the registry before.
	SetCredential(ctx context.Context, c Credential, password Secret) (Credential, error)
	Credentials(ctx context.Context, app string, p Page) ([]Credential, int, error)
	// Logins are the app's credentials with their passwords.
	Logins(ctx context.Context, app string) ([]Login, error)
	DeleteCredential(ctx context.Context, app, registry string) error
}

// Spec is a container to create.
type Spec struct {
	Identity   labels.Identity
	Image      string   // digest in the app's repository of the platform's registry
	Entrypoint []string // nil: the image's
	Command    []string // nil: the image's
	Memory     int64    // bytes; 0: the default limit
	CPU        int64    // shares; 0: the default
	Tags       map[string]string
	Hostname   string // that it has; empty: the scheduler's choice
}

// ServerHostname as a Spec's Hostname stands for the name of the host on which
// the container runs.
const ServerHostname = "%H"

// State of a container, as users see it in `deis ps`.
type State string

// States of containers.
const (
	StateInitialized State = "initialized"
	StateCreated     State = "created"
	StateUp          State = "up"
	StateDown        State = "down"
	StateDestroyed   State = "destroyed"
	StateCrashed     State = "crashed"
	StateError       State = "error"
)

// Status is a container as the scheduler sees it.
type Status struct {
	UUID      string
	Job       jobid.ID
	Container string // the scheduler's own id of it
	State     State
	Started   time.Time
	Restarts  int  // how often it was started again after it ended by itself
	ExitCode  int  // of the last end
	Exposed   bool // it exposes a TCP port
}

// Scheduler runs containers. All calls are idempotent and find a container by
// the UUID in its identity; package scheduler says what each promises.
type Scheduler interface {
	Create(ctx context.Context, s Spec) error
	Start(ctx context.Context, uuid string) error
	Stop(ctx context.Context, uuid string) error
	Destroy(ctx context.Context, uuid string) error
	// States lists the platform's app containers; those of one app if app is
	// not empty.
	States(ctx context.Context, app string) ([]Status, error)
	// Run runs a container to its end and removes it, whatever happens.
	Run(ctx context.Context, s Spec, output io.Writer) (exitCode int, err error)
	// Attach is Run for somebody who is there: input, terminal, signals.
	Attach(ctx context.Context, s Spec, session Session) (exitCode int, err error)
	// LastLines are the last n lines that the container printed.
	LastLines(ctx context.Context, uuid string, n int) ([]string, error)
	// RemoveImages removes the app's images that are there when it is called,
	// except those with the digests that keep says after that; all if it is nil.
	RemoveImages(ctx context.Context, app string, keep func(context.Context) ([]string, error)) error
	// Changes sends the id of an app whenever one of its containers started or
	// ended by itself; an empty id after a gap in what could be observed.
	Changes(ctx context.Context) <-chan string
}

// Routes is the way between containers and routers (design: announce and
// withdraw).
type Routes interface {
	// Revision is the present; pass it to Announced.
	Revision(ctx context.Context) (int64, error)
	// Announced waits until the job was announced after the revision.
	Announced(ctx context.Context, job jobid.ID, after int64) error
	// CheckDetail says why the job's health check failed last, empty if
	// nothing is known.
	CheckDetail(ctx context.Context, job jobid.ID) (string, error)
	// Withdraw takes containers (job to scheduler's id) out of all routers. It
	// returns when no live router sends them new requests, or after 5 s.
	Withdraw(ctx context.Context, containers map[jobid.ID]string) error
	// Forget removes what Withdraw left, after the containers are gone.
	Forget(ctx context.Context, jobs []jobid.ID) error
}

// Images are the app's images in the platform's registry.
type Images interface {
	// Release makes the image of a release: the source with env set in its
	// config, replacing what it has of the same name, stored as <app>:v<N>. It
	// returns the new manifest's digest. A source that is an image of the
	// platform, other than the app's own pushed build, is kind Forbidden.
	Release(ctx context.Context, in ReleaseImage) (digest string, err error)
	// Withdraw deletes the image of a release that failed, if there is one.
	Withdraw(ctx context.Context, app string, version int) error
	// Ours says whether a registry, as host or host:port, is the platform's, or
	// may not be asked because its address is.
	Ours(registry string) bool
	// Prune deletes the app's release images except the newest keep.
	Prune(ctx context.Context, app string, keep int) error
	// Delete deletes all of the app's images and frees their space.
	Delete(ctx context.Context, app string) error
}

// ReleaseImage is what Images.Release needs.
type ReleaseImage struct {
	App     string
	Version int
	Image   string // as posted with the build
	SHA     string // of the build; empty: Image is from elsewhere
	Build   string // UUID of the build
	Env     map[string]string
	Logins  []Login // the app's, each for its registry only
}

// Mirror is etcd as the routers, publishers and builders know it.
type Mirror interface {
	// Update returns when etcd says what the records said at the time of the
	// call: the parts of them that are named, all if none is.
	Update(ctx context.Context, parts ...Part) error
	// Answers fails with a sentence while etcd is away.
	Answers(ctx context.Context) error
}

// Part is one of the records that etcd has, for who has changed only that.
type Part struct {
	Kind  PartKind
	Name  string // of the app, the domain or the certificate, or a key's MD5 fingerprint
	Owner string // of a key
}

// PartKind says which records a Part is of.
type PartKind string

// Kinds of parts.
const (
	PartApp    PartKind = "app" // that it exists
	PartDomain PartKind = "domain"
	PartKey    PartKind = "key"
	PartCert   PartKind = "cert"
	PartConfig PartKind = "config" // the settings among the values of the app's latest release
)

func partOfKey(k Key) Part { return Part{Kind: PartKey, Name: k.Fingerprint, Owner: k.Owner} }

// AppLogs are the apps' logs.
type AppLogs interface {
	// Tail returns the last n lines, empty if there are none.
	Tail(ctx context.Context, app string, n int) ([]byte, error)
	// Follow opens the app's log. It ends when its next line is lost, or the
	// logger goes away.
	Follow(ctx context.Context, app string, from LogStart) (FollowedLog, error)
	Delete(ctx context.Context, app string) error
	// Event writes a line to the app's log.
	Event(level, app, message string)
}

// Settings are the operator's, followed in etcd.
type Settings interface {
	Domain() string           // of the platform
	Subdomain() string        // of the controller; also reserved as an app id
	RegistrationMode() string // enabled, disabled or admin_only
	UnitHostname() string     // of containers: default, application or server
}

// Directory is where an organisation keeps its people, beside the records.
type Directory interface {
	// Authenticate finds who has the name and the password. If nobody has, or
	// there is no directory at present, the error is of kind NotFound; any other
	// error means that it could not be asked, and has been logged.
	Authenticate(ctx context.Context, username, password string) (Person, error)
}
