package sweep

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrBusy says that requests under way left no moment to hold all others.
var ErrBusy = errors.New("the registry is busy")

// everything is the weight of whoever wants to be alone.
const everything = 1 << 30

// gate lets requests that depend on what is stored pass together, and holds
// them while it is shut. Who comes first is served first, so a stream of
// requests cannot keep it from shutting.
type gate struct {
	sem  *semaphore.Weighted
	wait time.Duration // bounds shut
}

func newGate(wait time.Duration) *gate {
	return &gate{sem: semaphore.NewWeighted(everything), wait: wait}
}

func (g *gate) enter(ctx context.Context) error { return g.sem.Acquire(ctx, 1) }

func (g *gate) leave() { g.sem.Release(1) }

// shut waits until all that entered have left; what comes meanwhile waits for
// open. It fails with ErrBusy when that takes too long.
func (g *gate) shut(ctx context.Context) (open func(), err error) {
	wait, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	if err := g.sem.Acquire(wait, everything); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrBusy
	}
	return func() { g.sem.Release(everything) }, nil
}

// effect is what a request means to a sweep.
type effect int

const (
	none   effect = iota // reads, and the transfer of a layer's bytes
	claims               // asks for a layer in order to leave it out of a push
	writes               // adds or removes what is referred to
)

// effectOf reads the registry API's paths (/v2/<name>/<kind>/<reference>).
// repo and digest are those of a claim.
func effectOf(r *http.Request) (e effect, repo, digest string) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok {
		return none, "", ""
	}
	switch r.Method {
	case http.MethodHead:
		if repo, digest, ok = strings.Cut(rest, "/blobs/"); ok && !strings.HasPrefix(digest, "uploads/") {
			return claims, repo, digest
		}
	case http.MethodPut, http.MethodPost, http.MethodDelete:
		return writes, "", ""
	}
	return none, "", ""
}

// pass runs next inside the gate. A request with a body enters only when its
// last byte has been read, since nothing is decided before: a slow sender
// holds up nobody.
func (g *gate) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	late := &lateBody{ReadCloser: r.Body, enter: func() error { return g.enter(r.Context()) }}
	if r.ContentLength == 0 {
		if err := late.enterOnce(); err != nil {
			return // the client has gone
		}
	}
	defer func() {
		if late.entered {
			g.leave()
		}
	}()
	r.Body = late
	next.ServeHTTP(w, r)
}

// lateBody calls enter once, before it gives out the end of the body.
type lateBody struct {
	io.ReadCloser
	enter   func() error
	entered bool
}

func (b *lateBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if err := b.enterOnce(); err != nil {
			return n, err
		}
	}
	return n, err
}

func (b *lateBody) enterOnce() error {
	if b.entered {
		return nil
	}
	err := b.enter()
	b.entered = err == nil
	return err
}
