package controller

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/retry"
)

// LogLine is a line of a followed log.
type LogLine struct {
	Text string      // without its end
	Next LogPosition // behind it: who begins there goes on exactly

	// Gap is set if lines are missing before this one: how many bytes they
	// had, or LogGapUnknown if the log is another one from here on.
	Gap string
}

// FollowOptions say where a followed log begins.
type FollowOptions struct {
	Lines int          // with the last so many; below 0 means as many as the controller likes
	From  *LogPosition // at this position instead

	// OnAway is called, once an outage, when the log has been out of reach for
	// some seconds. It goes on being tried.
	OnAway func(err error)
}

// ErrNoFollow says that the controller is of a version that cannot follow logs.
var ErrNoFollow = errors.New("the controller cannot follow logs")

var (
	errSilent   = errors.New("nothing came from the controller for too long")
	errLongLine = fmt.Errorf("a line of the log is longer than %d bytes", maxLogLine)
)

// following are the waits of followers.
type following struct {
	silence  time.Duration // longest between two bytes: the API sends some every 20 s
	minPause time.Duration // before asking again, doubled up to
	maxPause time.Duration
	tell     time.Duration // after so long without an answer
	giveUp   time.Duration // after so long
}

var patient = following{silence: time.Minute, minPause: 200 * time.Millisecond, maxPause: 10 * time.Second, tell: 3 * time.Second, giveUp: 2 * time.Minute}

// maxLogLine bounds a line. The platform cuts them at 64 KiB.
const maxLogLine = 1 << 20

// FollowLogs gives an app's log as it is written, line by line, until ctx ends
// or the loop is left. When the way to the controller is cut, it asks again
// from the line where it was: no line is lost or doubled. The last thing it
// gives is an error: ctx's, the refusal of the controller, or that of the last
// try, if none succeeded for two minutes.
func (c *Client) FollowLogs(ctx context.Context, id string, o FollowOptions) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		f := follower{c: c, id: id, o: o, at: o.From, yield: yield}
		if err := f.run(ctx); err != nil {
			yield(LogLine{}, err)
		}
	}
}

// follower is one loop over a log.
type follower struct {
	c     *Client
	id    string
	o     FollowOptions
	at    *LogPosition // behind the last line; nil before the first answer
	yield func(LogLine, error) bool
	left  bool // the loop was left
}

// run asks again and again. It returns nil if the loop was left.
func (f *follower) run(ctx context.Context) error {
	wait := f.c.following
	pause, answered, told := wait.minPause, time.Time{}, false
	for {
		began := time.Now()
		ok, err := f.once(ctx)
		switch {
		case f.left:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case ok && !final(err):
			if time.Since(began) > wait.maxPause {
				pause = wait.minPause
			}
			answered, told = time.Now(), false
		case answered.IsZero() || final(err):
			return err
		case time.Since(answered) > wait.giveUp:
			return fmt.Errorf("the log could not be followed any further, though it was tried for %s: %w", wait.giveUp, err)
		case !told && f.o.OnAway != nil && time.Since(answered) > wait.tell:
			told = true
			f.o.OnAway(err)
		}
		if err := retry.Sleep(ctx, pause/2+rand.N(pause/2+1)); err != nil {
			return err
		}
		pause = min(2*pause, wait.maxPause)
	}
}

// final tells the errors after which asking again makes no sense. What the
// router or a proxy says while a controller starts is none.
func final(err error) bool {
	var refused *Error
	if !errors.As(err, &refused) {
		return errors.Is(err, ErrNoFollow) || errors.Is(err, errLongLine)
	}
	switch refused.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return refused.Status < 500 && refused.ofAPI()
}

// once asks for the log and gives its lines until the answer ends. ok says
// whether there was an answer.
func (f *follower) once(ctx context.Context) (ok bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(f.c.following.silence, func() { cancel(errSilent) })
	defer watch.Stop()
	defer func() {
		if err != nil && context.Cause(ctx) == errSilent {
			err = errSilent
		}
	}()
	resp, err := f.open(ctx)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	at, err := api.ParseLogPosition(resp.Header.Get(api.HeaderLogPosition))
	if err != nil {
		return false, ErrNoFollow
	}
	gap := resp.Header.Get(api.HeaderLogGap)
	if gap == "" || f.at == nil {
		f.at = &at // a gap is behind us with the first line only
	}
	return true, f.lines(bufio.NewReaderSize(resp.Body, 64<<10), at, gap, watch)
}

func (f *follower) open(ctx context.Context) (*http.Response, error) {
	p, err := path("/v1/apps/%s/logs", f.id)
	if err != nil {
		return nil, err
	}
	p += "?follow=1"
	switch {
	case f.at != nil:
		p += "&position=" + f.at.String()
	case f.o.Lines >= 0:
		p += fmt.Sprintf("&log_lines=%d", f.o.Lines)
	}
	req, err := f.c.request(ctx, http.MethodGet, p, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // nothing on the way shall collect lines to compress them
	return f.c.send(req)
}

// lines gives whole lines: of one that is cut, the position is not behind it.
// The silence is watched while a line is waited for, not while the loop's body
// takes one.
func (f *follower) lines(in *bufio.Reader, at LogPosition, gap string, watch *time.Timer) error {
	for {
		watch.Reset(f.c.following.silence)
		line, err := readLine(in)
		watch.Stop()
		if err != nil {
			return err
		}
		if line == "\n" { // keeps the way open
			continue
		}
		at = at.Add(len(line))
		f.at = &at
		if !f.yield(LogLine{Text: strings.TrimSuffix(line, "\n"), Next: at, Gap: gap}, nil) {
			f.left = true
			return nil
		}
		gap = ""
	}
}

// readLine reads a line with its end.
func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return string(line), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		case len(line) > maxLogLine:
			return "", errLongLine
		}
	}
}
