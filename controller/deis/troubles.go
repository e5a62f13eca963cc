package deis

import (
	"context"
	"errors"
	"fmt"

	"github.com/deis/deis/internal/jobid"
)

// maxTroubles bounds what is remembered of troubles; beyond, an app's log is
// told again.
const maxTroubles = 10_000

// These Deis v1 said when a container did not do what it should.
var textsOfTroubles = map[string]string{
	"create":  "aborting, failed to create some containers",
	"start":   "warning, some containers failed to start",
	"stop":    "warning, some containers failed to stop",
	"destroy": "aborting, failed to destroy some containers",
}

// troubled tells an app's log that the scheduler could not do what it should to
// a container, as Deis v1 worded it; once, as it is tried again and again, until
// untroubled. It says whether it told.
func (c *Controller) troubled(job jobid.ID, uuid, verb string, err error) bool {
	if errors.Is(err, context.Canceled) || !c.firstTime(uuid, verb) {
		return false
	}
	level := "ERROR"
	if verb == "start" {
		level = "WARNING"
	}
	c.AppLogs.Event(level, job.App, fmt.Sprintf("%s (%s): %s", job, verb, sentence(err)))
	return true
}

// troubledOnly is troubled and tellTroubles, for who is at one container only.
func (c *Controller) troubledOnly(job jobid.ID, uuid, verb string, err error) {
	if c.troubled(job, uuid, verb, err) {
		c.tellTroubles(job.App, verb)
	}
}

// tellTroubles tells an app's log that there was trouble with some containers.
func (c *Controller) tellTroubles(app, verb string) {
	level := "ERROR"
	if verb == "start" || verb == "stop" {
		level = "WARNING"
	}
	c.AppLogs.Event(level, app, textsOfTroubles[verb])
}

// firstTime notes what an app's log is told of a container, or of another thing
// that has a name; false if it was told that last.
func (c *Controller) firstTime(of, what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.troubles[of] == what {
		return false
	}
	if len(c.troubles) >= maxTroubles {
		clear(c.troubles)
	}
	c.troubles[of] = what
	return true
}

// untroubled ends what firstTime began.
func (c *Controller) untroubled(of string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.troubles, of)
}

// inTrouble says whether the log was told so of a container.
func (c *Controller) inTrouble(of string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.troubles[of] != ""
}
