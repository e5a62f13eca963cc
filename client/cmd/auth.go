package cmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/deis/deis/client/controller"
	"github.com/deis/deis/client/settings"
)

func authVerbs(f *Factory) []*verb {
	return []*verb{
		newAuthRegister(f, nil), newAuthLogin(f, nil), newAuthLogout(f, nil), newAuthPasswd(f, nil),
		newAuthWhoami(f, nil), newAuthCancel(f, nil), newAuthRegenerate(f, nil),
	}
}

// connectOptions are how to reach a controller; register and login keep them
// in the session.
type connectOptions struct {
	Controller string
	SSLVerify  string
	CAFile     string
	SSHPort    *int
}

func (c *connectOptions) flags(v *verb) {
	c.SSLVerify = "true"
	v.required(&c.Controller, "<controller>", "the controller's address, such as https://deis.example.com or deis.example.com:8000")
	v.option(&c.SSLVerify, "ssl-verify", "", "BOOL", "false to accept any certificate of the controller's; true by default")
	v.option(&c.CAFile, "ca-file", "", "FILE", "a file with certificates (PEM) to trust beside the system's")
	v.newer()
	v.integer(&c.SSHPort, "ssh-port", "", "N", "the port that 'git push' goes to; 2222 by default")
	v.newer()
	v.checks = append(v.checks, func() error {
		switch {
		case c.SSLVerify != "true" && c.SSLVerify != "false":
			return v.refuse("--ssl-verify is true or false")
		case c.SSHPort != nil && (*c.SSHPort < 1 || *c.SSHPort > 65535):
			return v.refuse("--ssh-port is a number between 1 and 65535")
		}
		return nil
	})
}

// connect finds the controller and makes the session for it, nobody logged in
// yet. A controller that redirects is kept at the address it redirects to.
func (c *connectOptions) connect(ctx context.Context, f *Factory) (*settings.Session, error) {
	address, err := settings.ParseController(c.Controller)
	if err != nil {
		return nil, err
	}
	if _, err := f.SessionPath(); err != nil {
		return nil, err // nobody is logged in who would not stay so
	}
	session := &settings.Session{Controller: address, SSLVerify: c.SSLVerify == "true"}
	if c.SSHPort != nil && *c.SSHPort != settings.DefaultSSHPort {
		session.SSHPort = *c.SSHPort
	}
	if c.CAFile != "" {
		if session.CAFile, err = filepath.Abs(c.CAFile); err != nil {
			return nil, err
		}
	}
	return session, probe(ctx, f, session)
}

// probe asks whether a controller is there, and keeps the address it has.
func probe(ctx context.Context, f *Factory, s *settings.Session) error {
	client, err := f.Client(s)
	if err != nil {
		return err
	}
	notice := s.Controller + "/v1/ does not appear to be a valid Deis controller.\n" +
		"Check that this is its address and that it is running,\n" +
		"and that the version of this client suits it."
	found, err := client.Probe(ctx)
	switch {
	case errors.Is(err, controller.ErrNotController):
		return sentence(notice)
	case err != nil:
		if ctx.Err() == nil {
			f.printf("%s\n", notice)
		}
		return err
	}
	s.Controller = found
	return nil
}

// login logs in at the session's controller and keeps the session.
func login(ctx context.Context, f *Factory, s *settings.Session, username, password string) error {
	if err := f.ask(ctx, &username, "username: "); err != nil {
		return err
	}
	if err := f.askPassword(ctx, &password, "password: "); err != nil {
		return err
	}
	anonymous := *s
	anonymous.Token = "" // a stale token would spoil the login
	client, err := f.Client(&anonymous)
	if err != nil {
		return err
	}
	token, err := client.Login(ctx, username, password)
	if err != nil {
		return err
	}
	s.Username, s.Token = username, token
	if err := f.Save(s); err != nil {
		return fmt.Errorf("the login succeeded, but the session cannot be kept: %w", err)
	}
	f.printf("Logged in as %s\n", username)
	return nil
}

// ask reads a line unless the answer is known.
func (f *Factory) ask(ctx context.Context, answer *string, prompt string) error {
	if *answer != "" {
		return nil
	}
	line, err := f.IO.ReadLine(ctx, prompt)
	*answer = strings.TrimSpace(line)
	return err
}

// askPassword reads a password unless it is known.
func (f *Factory) askPassword(ctx context.Context, answer *string, prompt string) (err error) {
	if *answer == "" {
		*answer, err = f.IO.ReadPassword(ctx, prompt)
	}
	return err
}

// askNewPassword reads a password twice unless it is known.
func (f *Factory) askNewPassword(ctx context.Context, answer *string, prompt, confirm, mismatch string) error {
	if *answer != "" {
		return nil
	}
	var again string
	if err := f.askPassword(ctx, answer, prompt); err != nil {
		return err
	}
	if err := f.askPassword(ctx, &again, confirm); err != nil {
		return err
	}
	if again != *answer {
		return sentence(mismatch)
	}
	return nil
}

type authRegisterOptions struct {
	*Factory
	connectOptions
	Username, Password, Email string
}

func newAuthRegister(f *Factory, runF func(context.Context, *authRegisterOptions) error) *verb {
	o := &authRegisterOptions{Factory: f}
	v := newVerb("auth:register", "create an account with a controller",
		"Creates an account with a controller and logs in. What is not given is asked for.")
	o.connectOptions.flags(v)
	v.option(&o.Username, "username", "", "USERNAME", "the name of the new account")
	v.option(&o.Password, "password", "", "PASSWORD", "its password")
	v.option(&o.Email, "email", "", "EMAIL", "its email address")
	return action(v, o, runF, runAuthRegister)
}

func runAuthRegister(ctx context.Context, o *authRegisterOptions) error {
	session, err := o.connect(ctx, o.Factory)
	if err != nil {
		return err
	}
	if err := o.ask(ctx, &o.Username, "username: "); err != nil {
		return err
	}
	if err := o.askNewPassword(ctx, &o.Password, "password: ", "password (confirm): ", "Password mismatch, aborting registration."); err != nil {
		return err
	}
	if err := o.ask(ctx, &o.Email, "email: "); err != nil {
		return err
	}
	// An administrator may register others where nobody else may; the token is
	// for that controller only.
	if old, err := o.Session(); err == nil && old.Controller == session.Controller {
		session.Token = old.Token
	}
	client, err := o.Client(session)
	if err != nil {
		return err
	}
	err = client.Register(ctx, controller.Registration{Username: o.Username, Password: o.Password, Email: o.Email})
	if err != nil {
		return &prefixed{"Registration failed: ", err}
	}
	o.printf("Registered %s\n", o.Username)
	return login(ctx, o.Factory, session, o.Username, o.Password)
}

type authLoginOptions struct {
	*Factory
	connectOptions
	Username, Password string
	PasswordStdin      bool
}

func newAuthLogin(f *Factory, runF func(context.Context, *authLoginOptions) error) *verb {
	o := &authLoginOptions{Factory: f}
	v := newVerb("auth:login", "log in to a controller",
		"Logs in to a controller. What is not given is asked for.")
	o.connectOptions.flags(v)
	v.option(&o.Username, "username", "", "USERNAME", "the name of the account")
	v.option(&o.Password, "password", "", "PASSWORD", "its password")
	v.passwordStdin(&o.PasswordStdin, &o.Username)
	return action(v, o, runF, runAuthLogin)
}

func runAuthLogin(ctx context.Context, o *authLoginOptions) error {
	if o.PasswordStdin {
		var err error
		if o.Password, err = o.IO.ReadSecret(ctx); err != nil {
			return err
		}
	}
	session, err := o.connect(ctx, o.Factory)
	if err != nil {
		return err
	}
	return login(ctx, o.Factory, session, o.Username, o.Password)
}

type authLogoutOptions struct{ *Factory }

func newAuthLogout(f *Factory, runF func(context.Context, *authLogoutOptions) error) *verb {
	v := newVerb("auth:logout", "log out of the controller",
		"Logs out: forgets the session on this machine. The token itself stays valid.")
	return action(v, &authLogoutOptions{f}, runF, runAuthLogout)
}

func runAuthLogout(_ context.Context, o *authLogoutOptions) error {
	path, err := o.SessionPath()
	if err != nil {
		return err
	}
	if err := settings.Delete(path); err != nil {
		return err
	}
	o.printf("Logged out\n")
	return nil
}

type authPasswdOptions struct {
	*Factory
	Username, Password, NewPassword string
}

func newAuthPasswd(f *Factory, runF func(context.Context, *authPasswdOptions) error) *verb {
	o := &authPasswdOptions{Factory: f}
	v := newVerb("auth:passwd", "change a password",
		"Changes the password of the account, or, for an administrator, of another. What is not given is asked for.")
	v.option(&o.Password, "password", "", "PASSWORD", "the password as it is")
	v.option(&o.NewPassword, "new-password", "", "PASSWORD", "the password as it shall be")
	v.option(&o.Username, "username", "", "USERNAME", "another account")
	return action(v, o, runF, runAuthPasswd)
}

func runAuthPasswd(ctx context.Context, o *authPasswdOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	if o.Username == "" {
		if err := o.askPassword(ctx, &o.Password, "current password: "); err != nil {
			return err
		}
	}
	if err := o.askNewPassword(ctx, &o.NewPassword, "new password: ", "new password (confirm): ", "Password mismatch, not changing."); err != nil {
		return err
	}
	err = a.api.SetPassword(ctx, controller.Passwd{Username: o.Username, Password: o.Password, NewPassword: o.NewPassword})
	if err != nil {
		return &prefixed{"Password change failed: ", err}
	}
	o.printf("Password change succeeded.\n")
	return nil
}

type authWhoamiOptions struct {
	*Factory
	Output string
}

// identity is a session as auth:whoami shows it in JSON: without the token.
type identity struct {
	Username   string `json:"username"`
	Controller string `json:"controller"`
}

func newAuthWhoami(f *Factory, runF func(context.Context, *authWhoamiOptions) error) *verb {
	o := &authWhoamiOptions{Factory: f}
	v := newVerb("auth:whoami", "print who is logged in", "Prints who is logged in, and where.")
	v.printed(&o.Output)
	return action(v, o, runF, runAuthWhoami)
}

func runAuthWhoami(_ context.Context, o *authWhoamiOptions) error {
	s, err := o.Session()
	if err != nil {
		return err
	}
	return o.show(o.Output, identity{s.Username, s.Controller}, func() {
		o.printf("You are %s at %s\n", s.Username, s.Controller)
	})
}

type authCancelOptions struct {
	*Factory
	Username, Password string
	Yes                bool
}

func newAuthCancel(f *Factory, runF func(context.Context, *authCancelOptions) error) *verb {
	o := &authCancelOptions{Factory: f}
	v := newVerb("auth:cancel", "remove an account",
		"Removes the account, after another login, or, for an administrator, another account.")
	v.option(&o.Username, "username", "", "USERNAME", "another account")
	v.option(&o.Password, "password", "", "PASSWORD", "the password to log in with")
	v.boolean(&o.Yes, "yes", "", "do not ask")
	return action(v, o, runF, runAuthCancel)
}

func runAuthCancel(ctx context.Context, o *authCancelOptions) error {
	session, err := o.Session()
	if err != nil {
		return err
	}
	if o.Username == "" || o.Password != "" {
		o.printf("Please log in again in order to cancel this account\n")
		if err := login(ctx, o.Factory, session, o.Username, o.Password); err != nil {
			return err
		}
	}
	whom := o.Username
	if whom == "" {
		whom = session.Username
	}
	if !o.Yes {
		answer, err := o.IO.ReadLine(ctx, fmt.Sprintf("cancel account %s at %s? (y/N): ", whom, session.Controller))
		if err != nil {
			return err
		}
		if !yes(answer) {
			fmt.Fprintln(o.IO.Err, "Account not changed")
			return nil
		}
	}
	o.session = session
	client, err := o.Client(session)
	if err != nil {
		return err
	}
	if err := client.CancelUser(ctx, o.Username); err != nil {
		return err
	}
	if whom == session.Username {
		path, err := o.SessionPath()
		if err != nil {
			return err
		}
		if err := settings.Delete(path); err != nil {
			return err
		}
	}
	o.printf("Account cancelled\n")
	return nil
}

// yes tells an answer that agrees.
func yes(answer string) bool {
	answer = strings.TrimSpace(answer)
	return answer == "y" || answer == "Y"
}

type authRegenerateOptions struct {
	*Factory
	Username string
	All      bool
}

func newAuthRegenerate(f *Factory, runF func(context.Context, *authRegenerateOptions) error) *verb {
	o := &authRegenerateOptions{Factory: f}
	v := newVerb("auth:regenerate", "replace tokens",
		"Replaces the account's token, or, for an administrator, that of another or all. Whoever holds the old one must log in again.")
	v.option(&o.Username, "username", "u", "USERNAME", "another account")
	v.boolean(&o.All, "all", "", "all accounts")
	return action(v, o, runF, runAuthRegenerate)
}

func runAuthRegenerate(ctx context.Context, o *authRegenerateOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	switch {
	case o.All:
		err = a.api.RegenerateAll(ctx)
	case o.Username != "":
		err = a.api.RegenerateUser(ctx, o.Username)
	default:
		err = o.regenerate(ctx, a)
	}
	if err != nil {
		return err
	}
	o.printf("Token Regenerated\n")
	return nil
}

// regenerate replaces the account's token, if the new one can be kept.
func (o *authRegenerateOptions) regenerate(ctx context.Context, a account) error {
	if err := o.Save(a.Session); err != nil {
		return fmt.Errorf("the token stays as it is, since a new one could not be kept: %w", err)
	}
	token, err := a.api.Regenerate(ctx)
	if err != nil {
		return err
	}
	a.Token = token
	if err := o.Save(a.Session); err != nil {
		return fmt.Errorf("the token was replaced, but the session cannot be kept, so log in again: %w", err)
	}
	return nil
}
