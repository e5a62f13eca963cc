package push

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/httpapi"
)

var (
	appName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	hash    = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

const none = "0000000000000000000000000000000000000000"

// session is one run of git for a client.
type session struct {
	Open
	token       string
	user        string
	fingerprint string
	ctx         context.Context
	cancel      context.CancelCauseFunc
	done        chan struct{} // closed when nothing of it is left

	mu       sync.Mutex
	busy     bool          // a hook is being answered
	idle     chan struct{} // not nil: closed is waiting for busy to end
	closed   bool
	locked   bool // has the right to deploy
	approved *Update
}

// refusal is an error whose text is for the pusher.
type refusal string

func (r refusal) Error() string { return string(r) }

// open decides about a session. Nothing is created for one that is refused.
func (w *Worker) open(ctx context.Context, o Open) (*session, error) {
	w.mu.Lock()
	stop := w.stop
	w.mu.Unlock()
	if stop != nil {
		return nil, stop
	}
	if !w.Users.Loaded() || !w.Started() {
		return nil, refusal("builder is starting")
	}
	user, fingerprint, ok := w.Users.Lookup(o.Key)
	if !ok {
		return nil, refusal("this SSH key belongs to nobody any more")
	}
	if !appName.MatchString(o.App) {
		return nil, refusal("No repo given")
	}
	if _, err := w.Controller.Config(ctx, user, o.App); err != nil {
		return nil, denied(user, o.App, err)
	}
	if err := w.locks.enter(ctx, o.App); err != nil {
		return nil, err
	}
	if err := w.prepare(ctx, o.App); err != nil {
		w.locks.leave(o.App)
		return nil, err
	}
	s := &session{Open: o, token: rand.Text(), user: user, fingerprint: fingerprint, done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		s.cancel(w.stop)
	}
	w.sessions[s.token] = s
	w.metrics.sessions.Inc()
	return s, nil
}

// prepare makes the repository ready. That of an earlier app of this name is
// removed first: to a new app its commits must be as new as to any other.
func (w *Worker) prepare(ctx context.Context, app string) error {
	born, err := w.Born(ctx, app)
	if err != nil {
		w.Log.Warn("the app's marker could not be read", "app", app, "err", err)
		born = 0
	}
	for {
		other, err := w.Repos.Prepare(ctx, app, born)
		if err != nil {
			return fmt.Errorf("prepare repository: %w", err)
		}
		if !other {
			return nil
		}
		if born == 0 { // not known to be another app
			return nil
		}
		done, err := w.purge(ctx, app, 1)
		if err != nil {
			return fmt.Errorf("remove the earlier app: %w", err)
		}
		if !done {
			return refusal("an earlier app of this name is being cleaned up; push again")
		}
		w.Log.Info("repository of an earlier app removed", "app", app)
	}
}

// close ends a session after the hook that may still be answered.
func (w *Worker) close(s *session) {
	s.cancel(errGone)
	w.mu.Lock()
	delete(w.sessions, s.token)
	w.mu.Unlock()
	s.finish()
	if s.locked {
		w.locks.pushed(s.App)
	}
	w.locks.leave(s.App)
	w.metrics.sessions.Dec()
	close(s.done)
}

// begin and end surround the answer to a hook.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || s.closed {
		return false
	}
	s.busy = true
	return true
}

func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if s.idle != nil {
		close(s.idle)
	}
}

func (s *session) finish() {
	s.mu.Lock()
	s.closed = true
	if !s.busy {
		s.mu.Unlock()
		return
	}
	s.idle = make(chan struct{})
	s.mu.Unlock()
	<-s.idle
}

// approve is pre-receive: what is wrong with a push is said before anything of
// it is kept.
func (w *Worker) approve(ctx context.Context, s *session, updates []Update, out *printer, raw io.Writer) error {
	err := w.approved(ctx, s, updates)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBusy):
		_, _ = io.WriteString(raw, "Another git push is ongoing. Aborting...\n")
	default:
		var r refusal
		if !errors.As(err, &r) && len(updates) == 1 {
			out.line("      ERROR: failed on rev %s - push denied", updates[0].New)
		}
		out.warn(w.sentence(s.App, err))
	}
	w.metrics.pushes.WithLabelValues("refused").Inc()
	return errors.New("refused")
}

func (w *Worker) approved(ctx context.Context, s *session, updates []Update) error {
	if s.Service != "receive-pack" || s.approved != nil || s.locked {
		return refusal("this session cannot push")
	}
	if len(updates) != 1 {
		return refusal("push one branch or tag at a time")
	}
	u := updates[0]
	switch {
	case !hash.MatchString(u.Old) || !hash.MatchString(u.New):
		return refusal("this push cannot be read")
	case u.New == none:
		return refusal("a deployed branch or tag cannot be deleted")
	case !strings.HasPrefix(u.Ref, "refs/heads/") && !strings.HasPrefix(u.Ref, "refs/tags/"):
		return refusal("only branches and tags can be pushed")
	}
	if !w.locks.push(s.App) {
		return errBusy
	}
	s.locked = true
	err := w.Controller.Push(ctx, api.PushHook{
		ReceiveUser: s.user, ReceiveRepo: s.App, SHA: u.New, Fingerprint: s.fingerprint,
		SSHConnection: s.Connection, SSHOriginalCommand: s.Command,
	})
	if err != nil {
		return denied(s.user, s.App, err)
	}
	s.approved = &u
	return nil
}

// denial is a refusal of the controller.
type denial struct {
	text  string
	cause error
}

func (d *denial) Error() string { return d.text }
func (d *denial) Unwrap() error { return d.cause }

// denied puts the controller's answer into the words for a pusher.
func denied(user, app string, err error) error {
	var e *httpapi.Error
	if !errors.As(err, &e) {
		return &denial{"the controller does not answer, try again in a moment", err}
	}
	switch e.Status {
	case http.StatusForbidden:
		return &denial{user + " may not push to " + app, err}
	case http.StatusNotFound:
		return &denial{"app " + app + " does not exist", err}
	case http.StatusUnauthorized:
		return &denial{"the controller does not accept this builder", err}
	}
	return &denial{"could not read config: " + e.Detail, err}
}

// sentence is what a pusher may read of an error; the log has it whole unless
// it is a plain no.
func (w *Worker) sentence(app string, err error) string {
	var r refusal
	if errors.As(err, &r) {
		return r.Error()
	}
	var s interface{ Sentence() string }
	if errors.As(err, &s) {
		return s.Sentence()
	}
	var d *denial
	if errors.As(err, &d) {
		var e *httpapi.Error
		if !errors.As(err, &e) || e.Status >= http.StatusInternalServerError || e.Status == http.StatusUnauthorized {
			w.Log.Error("controller failed", "app", app, "err", d.cause)
		}
		return d.text
	}
	if errors.Is(err, errStopped) {
		return errStopped.Error()
	}
	w.Log.Error("push failed", "app", app, "err", err)
	return "something went wrong in the builder, try again in a moment"
}
