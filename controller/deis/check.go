package deis

import (
	"context"
	"strings"
	"time"
)

// textCheckFailed is what Deis v1 said when it gave up on a health check.
const textCheckFailed = "aborting, app containers failed to respond to health check"

const (
	connectFailure = "failed to connect to container" // as the publisher words it
	bootTime       = 3 * time.Second                  // in which such a failure is no news
	maxFailures    = 20                               // told of one operation
)

// checkFailures are what an app's log was told of one operation's health checks.
type checkFailures struct {
	began time.Time
	told  map[string]bool
}

// next says whether a failure is to be told: each once, however often it comes,
// and that nothing listens yet only when that lasts.
func (f *checkFailures) next(detail string, now time.Time) bool {
	if detail == "" || f.told[detail] || len(f.told) >= maxFailures {
		return false
	}
	if strings.HasPrefix(detail, connectFailure) && now.Sub(f.began) < bootTime {
		return false
	}
	f.told[detail] = true
	return true
}

// tellFailures writes into the app's log why containers are not ready yet.
func (c *Controller) tellFailures(ctx context.Context, f *checkFailures, waiting map[string]Container) {
	for _, row := range waiting {
		if !row.Job().Routable() {
			continue
		}
		detail, err := c.Routes.CheckDetail(ctx, row.Job())
		if err == nil && f.next(detail, time.Now()) {
			c.AppLogs.Event("WARNING", row.App, detail)
		}
	}
}
