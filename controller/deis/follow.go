package deis

import (
	"context"
	"io"

	"github.com/deis/deis/internal/api"
)

// LogStart is where a followed log begins: at a position if its lines are still
// there, else with the last lines.
type LogStart struct {
	Lines    int
	Position *api.LogPosition
}

// FollowedLog is an app's log from a position on, as its lines come. Empty
// lines are none of the log's: they show that the stream lives.
type FollowedLog struct {
	io.ReadCloser
	Position api.LogPosition // of the first line
	Gap      string          // bytes that are gone between the position asked for and this one, empty if none
}

// FollowLogs opens the app's log.
func (c *Controller) FollowLogs(ctx context.Context, by User, app string, from LogStart) (FollowedLog, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return FollowedLog{}, err
	}
	from.Lines = min(max(from.Lines, 0), maxLogLines)
	return c.AppLogs.Follow(ctx, app, from)
}
