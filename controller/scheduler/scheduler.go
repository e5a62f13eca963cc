// Package scheduler is the contract between the controller and what runs its
// containers. Each folder below is a backend, except schedulertest, which is
// the suite that every backend passes, and routes, which tells routers what
// comes and goes. Nothing outside a backend knows its engine.
package scheduler

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/jobid"
)

// Scheduler runs containers. A container is found by the UUID in its identity,
// all calls may be repeated, and none leaves half of its work behind when its
// context ends. Errors that users should read are *deis.Error with one
// sentence; others mean that the backend's engine is away or broken.
type Scheduler interface {
	// Create makes a container without starting it; one that has the UUID
	// already is left as it is. Another container of the platform with the same
	// job is a leftover, and is replaced. If no host has the tags, or the image
	// cannot be had, the error is of kind Unavailable and nothing is left.
	Create(ctx context.Context, s deis.Spec) error
	// Start starts a container that is not running, and whatever ends by itself
	// is started again from then on, after a pause. If there is no container,
	// or its command cannot be run, the error is of kind Unavailable.
	Start(ctx context.Context, uuid string) error
	// Stop ends a container: SIGTERM, ten seconds, SIGKILL. It stays down until
	// Start. None to stop is no error.
	Stop(ctx context.Context, uuid string) error
	// Destroy removes a container at once with all that it wrote, killing it if
	// it runs. None to destroy is no error.
	Destroy(ctx context.Context, uuid string) error
	// States lists the platform's app containers, of one app or, if app is
	// empty, of all; those of Run are among them while they exist. It is cheap
	// for containers that run undisturbed. In return, two facts are exact only
	// in the first minute after a start: later Restarts is 0, since the
	// container has recovered, and Started may be the time of its creation,
	// which it also is for one that was never started.
	States(ctx context.Context, app string) ([]deis.Status, error)
	// Run creates a container, waits for its end, writes what it prints on
	// stdout and stderr to output, and removes it, also when ctx ends or a
	// write fails. It is never started again. If the time of ctx is over the
	// error is of kind Unavailable.
	Run(ctx context.Context, s deis.Spec, output io.Writer) (exitCode int, err error)
	// Attach is Run connected to a session: what comes on its Stdin the command
	// reads, what the command prints goes to Stdout and Stderr, or with a
	// terminal all to Stdout. Output that nobody takes makes the command wait,
	// and input that the command does not read makes Stdin wait. A signal that
	// the command does not handle ends it. Attach returns when the command has
	// ended and all it printed is written, and closes Stdin in any case; the
	// container is removed as by Run. A command that cannot be run is an error
	// as Run's, or ends with exit code 126 or 127 as from a shell.
	Attach(ctx context.Context, s deis.Spec, session deis.Session) (exitCode int, err error)
	// LastLines are the last n lines that a container printed on stdout and
	// stderr; a container that does not exist has none.
	LastLines(ctx context.Context, uuid string, n int) ([]string, error)
	// RemoveImages removes what hosts keep of the app's release images, except
	// those with the digests that keep returns and those that containers use.
	// keep is asked when it is known what there is: an image that comes later is
	// not removed. Without keep all go. What the builder keeps there is its own.
	RemoveImages(ctx context.Context, app string, keep func(context.Context) ([]string, error)) error
	// Changes sends an app's id when one of its containers ended, for whatever
	// reason, and an empty one at first and whenever something could have been
	// missed. It may send more. Ids that wait to be received are sent once. The
	// channel is closed when ctx has ended.
	Changes(ctx context.Context) <-chan string
}

// The controller's rules ask for the same.
var _ deis.Scheduler = Scheduler(nil)

// Gone is the error for starting a container that does not exist.
func Gone() error {
	return deis.Errorf(deis.Unavailable, "The container that was to be started is gone.")
}

// Refused is the error for a container that cannot be created, started or run;
// reason completes the sentence "web.1 ...".
func Refused(job jobid.ID, cause error, format string, args ...any) error {
	return &deis.Error{
		Kind:   deis.Unavailable,
		Detail: job.Process() + " " + fmt.Sprintf(format, args...) + ".",
		Err:    cause,
	}
}

// TimedOut is the error of Run when the time of its context is over.
func TimedOut(cause error) error {
	return &deis.Error{Kind: deis.Unavailable, Detail: "The command did not end in time and was stopped.", Err: cause}
}

// CheckTags says which of the tags that a container needs a host lacks; the
// error is fit for users.
func CheckTags(s deis.Spec, host map[string]string) error {
	var missing []string
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
		if v, ok := host[k]; !ok || v != s.Tags[k] {
			missing = append(missing, k+"="+s.Tags[k])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return Refused(s.Identity.ID, nil, "cannot be placed: no host has the tags %s", strings.Join(missing, ", "))
}
