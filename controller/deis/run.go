package deis

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/deis/deis/internal/jobid"
)

const (
	runTimeout   = 20 * time.Minute
	maxRunOutput = 8 << 20 // bytes of output that are kept, from the start
)

// Run runs a command in a one-off container of the app's latest release and
// returns its exit code and what it printed on stdout and stderr.
func (c *Controller) Run(ctx context.Context, by User, app, command string) (int, string, error) {
	spec, err := c.prepareRun(ctx, by, app, command)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	out := &bounded{limit: maxRunOutput}
	end, err := c.beginRun(ctx, spec)
	if err != nil {
		return 0, "", err
	}
	defer end()
	code, err := c.Scheduler.Run(ctx, spec, c.hitOnWrite(ctx, duringRun, out))
	c.hit(ctx, afterRun)
	if err != nil {
		return 0, "", c.notRun(ctx, spec, err)
	}
	return code, out.buf.String(), nil
}

// prepareRun checks that by may run the command, tells the app's log, and says
// what container it takes.
func (c *Controller) prepareRun(ctx context.Context, by User, app, command string) (Spec, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Spec{}, err
	}
	if command == "" {
		return Spec{}, Field("command", textBlank)
	}
	latest, err := c.Records.LatestRelease(ctx, app)
	if err != nil {
		return Spec{}, err
	}
	s, err := fill(ctx, c.Records, latest)
	if err != nil {
		return Spec{}, err
	}
	if s.build.UUID == "" {
		return Spec{}, Errorf(Invalid, "No build associated with this release to run this command")
	}
	c.event(app, by.Username+" runs '"+command+"'")
	return c.runSpec(s, command), nil
}

// notRun words why a command did not run, also to the app's log, unless it is
// that nobody waits for it any more.
func (c *Controller) notRun(ctx context.Context, s Spec, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	if KindOf(err) == Internal {
		err = &Error{Kind: Unavailable, Detail: "The command could not be run.", Err: err}
	}
	c.troubled(s.Identity.ID, s.Identity.UUID, "run", err)
	c.untroubled(s.Identity.UUID) // there is no second time
	return err
}

func (c *Controller) runSpec(s snapshot, command string) Spec {
	row := Container{UUID: uuid.NewString(), App: s.release.App, Version: s.release.Version, Type: runType, Num: runNumber()}
	spec := c.spec(row, s)
	spec.Entrypoint, spec.Command = []string{"/bin/bash", "-c"}, []string{command}
	if s.build.buildpack() {
		spec.Entrypoint = []string{"/runner/init"}
	}
	return spec
}

// runNumber tells one-off containers apart; nobody counts them.
func runNumber() int {
	n, err := rand.Int(rand.Reader, big.NewInt(999_999_998))
	if err != nil {
		return 1 // crypto/rand does not fail
	}
	return int(n.Int64()) + 1
}

// bounded keeps the first limit bytes that are written to it.
type bounded struct {
	buf   bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.buf.Len(); room > 0 {
		b.buf.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func jobsOf(rows []Container) []jobid.ID {
	out := make([]jobid.ID, len(rows))
	for i, r := range rows {
		out[i] = r.Job()
	}
	return out
}
