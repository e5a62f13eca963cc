package cmd

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/deis/deis/client/controller"
	"github.com/deis/deis/client/settings"
	"github.com/deis/deis/internal/version"
)

// Factory is what commands are made of. Session and clients are made when a
// command asks for them, so that help and usage errors need neither.
type Factory struct {
	IO  *IOStreams
	Env []string // KEY=value, as os.Environ
	Now func() time.Time

	pace     time.Duration          // of the spinner
	every    time.Duration          // between two looks at a deploy's progress
	session  *settings.Session      // whose controller is asked
	mismatch atomic.Pointer[string] // the API version of a controller that has another
}

// NewFactory makes a Factory.
func NewFactory(io *IOStreams, env []string) *Factory {
	return &Factory{IO: io, Env: env, Now: time.Now, pace: spinInterval, every: progressInterval}
}

// Getenv is a variable of the environment. Of two the last counts.
func (f *Factory) Getenv(name string) string {
	for i := len(f.Env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(f.Env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// Git is the repository of the working directory.
func (f *Factory) Git() settings.Git { return settings.Git{Env: f.Env} }

// SessionPath is where the session is kept.
func (f *Factory) SessionPath() (string, error) { return settings.Path(f.Getenv) }

// Session is the login that commands act for.
func (f *Factory) Session() (*settings.Session, error) {
	path, err := f.SessionPath()
	if err != nil {
		return nil, err
	}
	return settings.Load(path)
}

// Save keeps a session for the commands to come.
func (f *Factory) Save(s *settings.Session) error {
	path, err := f.SessionPath()
	if err != nil {
		return err
	}
	return s.Save(path)
}

// Client speaks to a session's controller with the session's token.
func (f *Factory) Client(s *settings.Session) (*controller.Client, error) {
	o := controller.Options{
		URL: s.Controller, Token: s.Token, Insecure: !s.SSLVerify,
		OnVersion: func(server string) { f.mismatch.Store(&server) },
	}
	if s.CAFile != "" {
		pool, err := trust(s.CAFile)
		if err != nil {
			return nil, err
		}
		o.RootCAs = pool
	}
	return controller.New(o)
}

// trust is the system's certificates and those in a file.
func trust(caFile string) (*x509.CertPool, error) {
	pem, err := readText(caFile)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return pool, nil
}

// warnVersion tells, once and where no script reads it, that the controller
// has another API.
func (f *Factory) warnVersion() {
	server := f.mismatch.Load()
	if server == nil {
		return
	}
	f.complain(`!    WARNING: Client and server API versions do not match. Please consider upgrading.
!    Client version: %s
!    Server version: %s
`, version.API, *server)
}

// account is what commands about the user or the platform need.
type account struct {
	*settings.Session
	api *controller.Client
}

func (f *Factory) account() (account, error) {
	session, err := f.Session()
	if err != nil {
		return account{}, err
	}
	f.session = session
	client, err := f.Client(session)
	return account{session, client}, err
}

// size is the length of lists: what -l says, else the session's.
func (a account) size(limit *int) int {
	if limit != nil {
		return *limit
	}
	return a.ResponseLimit
}

// target is what commands about an app need.
type target struct {
	account
	app      string
	detected bool // named neither by -a nor by DEIS_APP
}

func (f *Factory) target(ctx context.Context, app string) (target, error) {
	a, err := f.account()
	if err != nil {
		return target{}, err
	}
	app, detected, err := f.appOf(ctx, a.Session, app)
	if err != nil {
		return target{}, err
	}
	return target{account: a, app: app, detected: detected}, nil
}

// appOf is the app that a call is about, which -a may name.
func (f *Factory) appOf(ctx context.Context, s *settings.Session, named string) (app string, detected bool, err error) {
	if app = named; app == "" {
		app = f.Getenv("DEIS_APP") // for CI, where there may be no remote
	}
	if detected = app == ""; detected {
		if app, err = s.DetectApp(ctx, f.Git()); err != nil {
			return "", false, err
		}
	}
	if strings.ContainsFunc(app, unicode.IsControl) || !utf8.ValidString(app) {
		return "", false, fmt.Errorf("%q is not the name of an app", app)
	}
	return app, detected, nil
}

// printf writes to the command's output.
func (f *Factory) printf(format string, args ...any) { fmt.Fprintf(f.IO.Out, format, args...) }
