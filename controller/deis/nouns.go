package deis

import (
	"time"

	"github.com/deis/deis/internal/jobid"
)

// User is an account. A superuser may do everything, as v1's administrators.
type User struct {
	ID        int
	Username  string
	Email     string
	FirstName string
	LastName  string
	Superuser bool
	Active    bool
	Joined    time.Time
	LastLogin time.Time
}

// Person is what the directory says about somebody, each field empty if it says
// nothing; Username is the name that was logged in by.
type Person struct {
	Username  string
	Email     string
	FirstName string
	LastName  string
}

// Key is an SSH public key of a user. Public holds type, base64 and comment;
// Fingerprint is MD5 of the key's wire form, in colon-separated hex, and SHA256
// the fingerprint that OpenSSH shows.
type Key struct {
	UUID        string
	Owner       string
	ID          string
	Public      string
	Fingerprint string
	SHA256      string
	Created     time.Time
	Updated     time.Time
}

// App is an application. Structure says how many containers of each process
// type it should have.
type App struct {
	UUID      string
	ID        string
	Owner     string
	Structure map[string]int
	Created   time.Time
	Updated   time.Time
}

// Config is an app's environment with its limits and tags. It never changes;
// each change makes a new one.
type Config struct {
	UUID    string
	App     string
	Owner   string
	Values  map[string]string
	Memory  map[string]string // process type to limit, such as 512M
	CPU     map[string]int    // process type to shares
	Tags    map[string]string
	Created time.Time
	Updated time.Time
}

// Build is an image with what it can run. Image is as it was posted: an app id
// for a pushed build, else any image reference. SHA is empty unless it was
// pushed with git; then the image is in the platform's registry as
// <image>:git-<sha>.
type Build struct {
	UUID       string
	App        string
	Owner      string
	Image      string
	SHA        string
	Procfile   map[string]string
	Dockerfile string
	Created    time.Time
	Updated    time.Time
}

// Release is a build with a config. Build is empty for the first, Image is
// the digest of the image that has the config inside, empty without a build.
// A release is pending until its containers are ready; a failed one is deleted
// and its version used again.
type Release struct {
	UUID    string
	App     string
	Owner   string
	Version int
	Summary string
	Config  string // UUID
	Build   string // UUID
	Image   string // sha256:...
	Pending bool
	Push    string // id of the push that made it, empty if none did
	Created time.Time
	Updated time.Time
}

// Phase says what should become of a container.
type Phase string

// Phases of a container's row.
const (
	Starting  Phase = "starting"  // part of an operation that has not succeeded yet
	Serving   Phase = "serving"   // should run
	Replacing Phase = "replacing" // to be withdrawn, stopped and then made anew
	Leaving   Phase = "leaving"   // to be withdrawn, stopped and forgotten
)

// Container is one process of an app that should run.
type Container struct {
	UUID    string
	App     string
	Owner   string
	Version int // of its release
	Type    string
	Num     int
	Phase   Phase
	Crashed bool // it ended again and again, and has not been up for a while since
	Created time.Time
	Updated time.Time
}

// Job is the container's name everywhere outside the records.
func (c Container) Job() jobid.ID {
	return jobid.ID{App: c.App, Version: c.Version, Type: c.Type, Num: c.Num}
}

// Run is a one-off container that a controller is at, which counts its beats up
// as long as it is.
type Run struct {
	UUID  string
	App   string
	Beats int64
}

// Domain is a custom domain of an app.
type Domain struct {
	App     string
	Owner   string
	Domain  string
	Created time.Time
	Updated time.Time
}

// Cert is a user's TLS certificate for one host name.
type Cert struct {
	ID         int
	Owner      string
	CommonName string
	Expires    time.Time
	Created    time.Time
	Updated    time.Time
}

// Pair is what a cert consists of, in PEM: its chain, itself first, and its
// private key.
type Pair struct {
	CommonName string
	Chain      string
	Key        string
}

// String is Pair without what it consists of.
func (p Pair) String() string { return "certificate and key of " + p.CommonName }

// GoString keeps the key out of %#v.
func (p Pair) GoString() string { return p.String() }

// Push is the record of a git push.
type Push struct {
	UUID               string
	App                string
	Owner              string
	SHA                string
	Fingerprint        string
	ReceiveUser        string
	ReceiveRepo        string
	SSHConnection      string
	SSHOriginalCommand string
	Created            time.Time
	Updated            time.Time
}

// Page asks for a part of a list: Number counts from 1.
type Page struct {
	Size   int
	Number int
	Last   bool // the last page, whatever its number
}
