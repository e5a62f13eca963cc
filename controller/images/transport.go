package images

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// stallTime is how long a foreign registry may send nothing.
const stallTime = time.Minute

// plain speaks HTTP to a registry that has no TLS, which the library would find
// out anew each time.
type plain struct{ http.RoundTripper }

func (p plain) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		req = req.Clone(req.Context())
		req.URL.Scheme = "http"
	}
	return p.RoundTripper.RoundTrip(req)
}

var errStalled = errors.New("its registry stopped sending")

// impatient gives up on a body of which nothing comes for a while. A whole
// image may take long; a connection that is dead should not.
type impatient struct {
	http.RoundTripper
	patience time.Duration
}

func (i impatient) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := i.RoundTripper.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &watched{
		ReadCloser: resp.Body, patience: i.patience, ctx: ctx, cancel: cancel,
		timer: time.AfterFunc(i.patience, func() { cancel(errStalled) }),
	}
	return resp, nil
}

// watched is a body with a timer that each read puts off.
type watched struct {
	io.ReadCloser
	patience time.Duration
	timer    *time.Timer
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	if err != nil && err != io.EOF && errors.Is(context.Cause(w.ctx), errStalled) {
		return n, errStalled
	}
	w.timer.Reset(w.patience)
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.ReadCloser.Close()
}
