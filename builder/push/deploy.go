package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

// releaseTimeout bounds the controller's answer to a build, as the router and
// the controller do.
const releaseTimeout = 1200 * time.Second

// moveTimeout bounds the update of a ref.
const moveTimeout = 30 * time.Second

// errStopped is what pushers read who are cut off by a stop.
var errStopped = errors.New("the builder is stopping; push again in a moment")

// ErrStopped is the reason to give to Worker.Stop.
var ErrStopped = errStopped

// carryOut is proc-receive: build, release, and then the ref. Until the
// release is asked for the client can end it by going away; from then on it
// runs to its end.
func (w *Worker) carryOut(ctx context.Context, s *session, updates []Update, out *printer) error {
	if len(updates) != 1 || s.approved == nil || *s.approved != updates[0] {
		out.warn("this push was not approved")
		return errors.New("not approved")
	}
	u := updates[0]
	s.approved = nil
	err := w.deploy(ctx, s, u, out)
	if err != nil {
		w.discard(ctx, s.App, u.New)
	}
	var failed *failure
	switch {
	case err == nil:
		w.metrics.pushes.WithLabelValues("deployed").Inc()
		return nil
	case errors.Is(err, errGone):
		w.metrics.pushes.WithLabelValues("canceled").Inc()
		w.event("WARNING", s.App, "build git-%s canceled: %v", u.New[:8], errGone)
		return errGone
	case !errors.As(err, &failed):
		failed = &failure{"build failed", err}
	}
	text := w.sentence(s.App, failed.cause)
	w.metrics.pushes.WithLabelValues("failed").Inc()
	w.event("ERROR", s.App, "build git-%s: %s: %s", u.New[:8], failed.what, text)
	if failed.what == releaseFailed {
		out.warn("ERROR: Failed to launch container")
	}
	out.warn(text)
	return errors.New(failed.what)
}

// discard takes back what a failed push has left in the repository and on the
// Engine, while the app is still locked.
func (w *Worker) discard(ctx context.Context, app, sha string) {
	if w.Discard == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveTimeout)
	defer cancel()
	if err := w.Discard(ctx, app, sha); err != nil {
		w.Log.Warn("failed push left something behind", "app", app, "err", err)
	}
}

// failure is where a push failed, and why.
type failure struct {
	what  string // reaches the pusher as the ref's reason
	cause error
}

func (f *failure) Error() string { return f.what + ": " + f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

const releaseFailed = "release failed"

func (w *Worker) deploy(ctx context.Context, s *session, u Update, out *printer) error {
	built, sha, err := w.build(ctx, s, u, out)
	if err != nil {
		return err
	}
	out.line("-----> Launching... ")
	// The client may go now: what the controller begins is not undone.
	if err := context.Cause(ctx); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	result, err := w.release(ctx, s, sha, built)
	if err != nil {
		return &failure{releaseFailed, err}
	}
	w.event("INFO", s.App, "build git-%s deployed as v%d", sha[:8], result.Release.Version)
	move, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	if err := w.Repos.Move(move, s.App, u); err != nil {
		return &failure{"deployed, but the ref did not move", err}
	}
	select {
	case w.tidy <- s.App:
	default: // the next push does it
	}
	out.deployed(s.App, result.Release.Version, result.Domains)
	return nil
}

// build makes the image. It returns the commit that it is of.
func (w *Worker) build(ctx context.Context, s *session, u Update, out *printer) (built Built, sha string, err error) {
	began := time.Now()
	tree, err := w.Repos.Open(s.App, u.New)
	if err != nil {
		return Built{}, "", err
	}
	defer tree.Close()
	sha = tree.Commit()
	config, err := w.Controller.Config(ctx, s.user, s.App)
	if err != nil {
		return Built{}, "", denied(s.user, s.App, err)
	}
	w.event("INFO", s.App, "build git-%s started by %s", sha[:8], s.user)
	built, err = w.Build(ctx, Job{App: s.App, Tree: tree, Config: config.Values, Out: out})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	switch {
	case err == nil:
		w.metrics.built("success", time.Since(began))
		w.event("INFO", s.App, "build git-%s pushed to the registry in %s", sha[:8], time.Since(began).Round(time.Second/10))
	case errors.Is(err, errGone) || errors.Is(err, errStopped):
		w.metrics.built("canceled", time.Since(began))
	default:
		w.metrics.built("failure", time.Since(began))
	}
	return built, sha, err
}

// release asks for the release of an image that is in the registry.
func (w *Worker) release(ctx context.Context, s *session, sha string, built Built) (api.BuildHookResult, error) {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	hook := api.BuildHook{SHA: sha[:8], ReceiveUser: s.user, ReceiveRepo: s.App, Image: s.App, Procfile: built.Types}
	if built.Dockerfile {
		hook.Dockerfile = "true"
	}
	result, err := w.Controller.Build(ctx, hook)
	if err != nil {
		return result, unreleased(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last[s.App] == result.Release.Version { // Deis v1's controller answered so when it could not deploy
		return result, refusal(fmt.Sprintf("the controller made no new release, the app is still at v%d", result.Release.Version))
	}
	w.last[s.App] = result.Release.Version
	return result, nil
}

// unreleased puts the controller's answer into the words for a pusher.
func unreleased(err error) error {
	var e *httpapi.Error
	if !errors.As(err, &e) {
		return &denial{"the controller does not answer; the release may still be made, see `deis releases`", err}
	}
	if e.Status == http.StatusUnauthorized {
		return &denial{"the controller does not accept this builder", err}
	}
	return &denial{e.Detail, err}
}
