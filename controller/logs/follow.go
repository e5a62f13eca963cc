package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/keys"
)

// silence is how long nothing may come from the logger, which sends an empty
// line every 20 s.
const silence = time.Minute

// Follow opens the app's log. An error is of kind Internal, with the sentence
// of Deis v1 as its detail, or Unavailable if too many follow.
func (l *Logs) Follow(ctx context.Context, app string, from deis.LogStart) (deis.FollowedLog, error) {
	ctx, cancel := context.WithCancel(ctx)
	log, err := l.follow(ctx, app, from)
	if err != nil {
		gone := ctx.Err() != nil
		cancel()
		if gone || deis.KindOf(err) != deis.Internal {
			return deis.FollowedLog{}, err
		}
		return deis.FollowedLog{}, &deis.Error{Kind: deis.Internal, Detail: "Error accessing logs for " + app, Err: err}
	}
	log.ReadCloser = &live{body: log.ReadCloser, cancel: cancel, silence: silence}
	return log, nil
}

func (l *Logs) follow(ctx context.Context, app string, from deis.LogStart) (deis.FollowedLog, error) {
	// Only the answer's head is waited for so long.
	late, stop := context.WithCancel(ctx)
	timer := time.AfterFunc(deadline, stop)
	host, ok, err := l.kv.Get(late, keys.Host("logs"))
	switch {
	case err != nil:
		return deis.FollowedLog{}, fmt.Errorf("find the logger: %w", err)
	case !ok:
		return deis.FollowedLog{}, errors.New("no logger is announced")
	}
	q := url.Values{"follow": {"1"}, "log_lines": {strconv.Itoa(from.Lines)}}
	if from.Position != nil {
		q.Set("position", from.Position.String())
	}
	at := "http://" + net.JoinHostPort(host.Value, l.port) + "/" + url.PathEscape(app) + "?" + q.Encode()
	req, err := http.NewRequestWithContext(late, http.MethodGet, at, nil)
	if err != nil {
		return deis.FollowedLog{}, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return deis.FollowedLog{}, err
	}
	position, wrong := api.ParseLogPosition(resp.Header.Get(api.HeaderLogPosition))
	switch {
	case !timer.Stop():
		err = context.DeadlineExceeded
	case resp.StatusCode == http.StatusServiceUnavailable:
		err = deis.Errorf(deis.Unavailable, "Too many follow logs at the moment.")
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("logger: follow %s: %s", app, resp.Status)
	case wrong != nil:
		err = fmt.Errorf("logger: follow %s: %w", app, wrong)
	}
	if err != nil {
		resp.Body.Close()
		return deis.FollowedLog{}, err
	}
	return deis.FollowedLog{ReadCloser: resp.Body, Position: position, Gap: resp.Header.Get(api.HeaderLogGap)}, nil
}

// live is an answer that ends when nothing comes for too long. While nobody
// reads from it, no time runs.
type live struct {
	body    io.ReadCloser
	cancel  context.CancelFunc
	silence time.Duration
}

func (l *live) Read(p []byte) (int, error) {
	timer := time.AfterFunc(l.silence, l.cancel)
	defer timer.Stop()
	return l.body.Read(p)
}

func (l *live) Close() error {
	l.cancel()
	return l.body.Close()
}
