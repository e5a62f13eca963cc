package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/deis/deis/client/controller"
)

type appsLogsOptions struct {
	*Factory
	App    string
	Lines  *int
	Follow bool
}

func newAppsLogs(f *Factory, runF func(context.Context, *appsLogsOptions) error) *verb {
	o := &appsLogsOptions{Factory: f}
	v := newVerb("apps:logs", "read an app's log", "Prints the newest lines of an app's log: its processes, its builds and what the platform did with it.")
	v.forApp(&o.App)
	v.integer(&o.Lines, "lines", "n", "N", "how many lines")
	v.boolean(&o.Follow, "follow", "f", "go on with each further line, until Ctrl-C")
	return action(v, o, runF, runAppsLogs)
}

func runAppsLogs(ctx context.Context, o *appsLogsOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	if o.Follow {
		return o.follow(ctx, t)
	}
	var lines controller.LogOptions
	if o.Lines != nil {
		lines.Lines = *o.Lines
	}
	body, err := t.api.Logs(ctx, t.app, lines)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	text := strings.TrimSuffix(strings.Trim(string(b), `"`), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		if err := o.logLine(line); err != nil {
			return err
		}
	}
	return nil
}

// follow prints lines as they come. What is not a line of the log goes to
// stderr.
func (o *appsLogsOptions) follow(ctx context.Context, t target) error {
	from := controller.FollowOptions{Lines: -1, OnAway: func(error) {
		fmt.Fprintln(o.IO.Err, "!    The log is out of reach. It goes on from here as soon as that changes.")
	}}
	if o.Lines != nil {
		from.Lines = max(0, *o.Lines)
	}
	for line, err := range t.api.FollowLogs(ctx, t.app, from) {
		if err != nil {
			return err
		}
		switch line.Gap {
		case "":
		case controller.LogGapUnknown:
			fmt.Fprintln(o.IO.Err, "!    Lines may be missing or doubled here: the app has another log now.")
		default:
			fmt.Fprintf(o.IO.Err, "!    %s bytes of the log are missing here: they are no longer kept.\n", line.Gap)
		}
		if err := o.logLine(line.Text); err != nil {
			return err
		}
	}
	return nil
}
