// Package logs is the apps' logs as the controller has them: what it writes,
// as lines of its own output that logspout files under the app, and what it
// reads and deletes at the logger.
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
	"sync"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/syslog"
)

const (
	webPort  = "8088" // of the logger; fixed, and not announced
	deadline = 10 * time.Second
	maxTail  = 64 << 20
)

// Logs implement deis.AppLogs.
type Logs struct {
	kv     *etcd.KV
	port   string
	client *http.Client

	mu  sync.Mutex // one event a line
	out io.Writer
}

var _ deis.AppLogs = (*Logs)(nil)

// New reads from the logger that etcd names at the time, and writes events to
// out, which is the standard output.
func New(kv *etcd.KV, out io.Writer) *Logs {
	return &Logs{
		kv:   kv,
		out:  out,
		port: webPort,
		client: &http.Client{
			Transport: &http.Transport{ // no proxy: the logger is on our own network
				DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
				MaxIdleConnsPerHost: 8,
				IdleConnTimeout:     30 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Tail returns the app's last n lines, empty if there are none. An error is of
// kind Internal, with the sentence of Deis v1 as its detail.
func (l *Logs) Tail(ctx context.Context, app string, n int) ([]byte, error) {
	body, err := l.call(ctx, http.MethodGet, "/"+url.PathEscape(app)+"?log_lines="+strconv.Itoa(n))
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		return nil, &deis.Error{Kind: deis.Internal, Detail: "Error accessing logs for " + app, Err: err}
	}
	return body, err
}

// Delete removes the app's lines. There may be none. An error is of kind
// Unavailable.
func (l *Logs) Delete(ctx context.Context, app string) error {
	if _, err := l.call(ctx, http.MethodDelete, "/"+url.PathEscape(app)); err != nil {
		return &deis.Error{Kind: deis.Unavailable, Detail: "The logger is not available.", Err: fmt.Errorf("delete the logs of %s: %w", app, err)}
	}
	return nil
}

// call asks the logger. An app without logs is an empty answer.
func (l *Logs) call(ctx context.Context, method, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	host, ok, err := l.kv.Get(ctx, keys.Host("logs"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("find the logger: %w", err)
	case !ok:
		return nil, errors.New("no logger is announced")
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+net.JoinHostPort(host.Value, l.port)+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent, http.StatusNotFound:
		return nil, nil
	case http.StatusOK:
	default:
		return nil, fmt.Errorf("logger: %s %s: %s", method, path, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTail+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("logger: %w", err)
	case len(body) > maxTail:
		return nil, fmt.Errorf("logger: an answer of more than %d bytes", maxTail)
	}
	return body, nil
}

// Event writes a line to the app's log. Level is INFO, WARNING or ERROR.
func (l *Logs) Event(level, app, message string) {
	line := syslog.Event(level, app, message) + "\n"
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.out, line) // nobody is left to tell
}

// Close ends idle connections.
func (l *Logs) Close() { l.client.CloseIdleConnections() }
