package deis

import (
	"context"
	"crypto/subtle"
	"net/mail"
	"net/netip"
	"regexp"
	"unicode/utf8"
)

// Registration is what a new user tells. Username and Password are nil if they
// were left out.
type Registration struct {
	Username  *string
	Password  *string
	Email     string
	FirstName string
	LastName  string
}

const (
	maxUsername = 30
	maxPassword = 128
	maxEmail    = 75
	maxName     = 30 // first or last
)

var usernamePattern = regexp.MustCompile(`^[A-Za-z0-9_.@+-]+$`)

// validUsername says whether an account could have the name.
func validUsername(name string) bool {
	return len(name) <= maxUsername && usernamePattern.MatchString(name)
}

func (r Registration) validate() error {
	fields := map[string][]string{}
	check := func(name string, value *string, blankOK bool, limit int) {
		switch {
		case value == nil:
			fields[name] = []string{textRequired}
		case *value == "" && !blankOK:
			fields[name] = []string{textBlank}
		case utf8.RuneCountInString(*value) > limit:
			fields[name] = []string{tooLong(limit)}
		}
	}
	check("username", r.Username, false, maxUsername)
	check("password", r.Password, false, maxPassword)
	check("email", &r.Email, true, maxEmail)
	check("first_name", &r.FirstName, true, maxName)
	check("last_name", &r.LastName, true, maxName)
	if fields["username"] == nil && !usernamePattern.MatchString(*r.Username) {
		fields["username"] = []string{"Enter a valid username."}
	}
	if r.Email != "" && fields["email"] == nil {
		if a, err := mail.ParseAddress(r.Email); err != nil || a.Address != r.Email {
			fields["email"] = []string{"Enter a valid email address."}
		}
	}
	if len(fields) > 0 {
		return &Error{Kind: Invalid, Fields: fields}
	}
	return nil
}

// Register makes an account. The very first becomes a superuser. by is who
// asks, nil if nobody is logged in.
func (c *Controller) Register(ctx context.Context, by *User, in Registration) (User, error) {
	switch mode := c.Settings.RegistrationMode(); mode {
	case "enabled":
	case "disabled":
		return User{}, Errorf(Forbidden, "Registration is disabled")
	case "admin_only":
		if by == nil {
			return User{}, Errorf(Forbidden, "Authentication credentials were not provided.")
		}
		if err := requireAdmin(*by); err != nil {
			return User{}, err
		}
	default:
		return User{}, Errorf(Unavailable, "registrationMode %q is neither enabled, disabled nor admin_only.", mode)
	}
	if err := in.validate(); err != nil {
		return User{}, err
	}
	hash, err := hashPassword(ctx, *in.Password)
	if err != nil {
		return User{}, err
	}
	return c.Records.CreateUser(ctx, User{
		Username: *in.Username, Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Active: true,
	}, hash)
}

func (c *Controller) issueToken(ctx context.Context, tx Tx, username string) (string, error) {
	token, hash := newToken()
	if err := tx.CreateToken(ctx, username, hash); err != nil {
		return "", err
	}
	return token, nil
}

// Authenticate finds the user that a token belongs to.
func (c *Controller) Authenticate(ctx context.Context, token string) (User, error) {
	user, err := c.Records.UserByToken(ctx, hashToken(token))
	switch {
	case KindOf(err) == NotFound:
		return User{}, Errorf(Unauthorized, "Invalid token")
	case err != nil:
		return User{}, err
	case !user.Active:
		return User{}, Errorf(Unauthorized, "User inactive or deleted")
	}
	return user, nil
}

// AuthenticateBuilder checks the key that only the builder knows.
func (c *Controller) AuthenticateBuilder(key string) error {
	want := c.BuilderKey()
	// Of hashes, since a comparison tells lengths by its time.
	if want == "" || subtle.ConstantTimeCompare(hashToken(key), hashToken(want)) != 1 {
		return Errorf(Unauthorized, "Authentication credentials were not provided.")
	}
	return nil
}

// PasswordChange is who changes whose password. Username is empty for one's
// own; Password, the present one, may be nil for superusers only. From is where
// the request comes from.
type PasswordChange struct {
	From        netip.Addr
	Username    string
	Password    *string
	NewPassword string
}

// ChangePassword sets a user's password. Tokens stay good, as in Deis v1. A
// wrong present password counts as a wrong one of a login. Who has no password
// here, but in the directory, gets one from superusers only.
func (c *Controller) ChangePassword(ctx context.Context, by User, in PasswordChange) error {
	name := in.Username
	if name == "" {
		name = by.Username
	}
	if name != by.Username {
		if err := requireAdmin(by); err != nil {
			return err
		}
	}
	switch {
	case in.NewPassword == "":
		return Field("new_password", textRequired)
	case utf8.RuneCountInString(in.NewPassword) > maxPassword:
		return Field("new_password", "%s", tooLong(maxPassword))
	}
	hash, err := c.Records.PasswordHash(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case hash == unusable && !by.Superuser:
		return Errorf(Invalid, "The password of %s is kept in the directory (LDAP) and can only be changed there.", name)
	case in.Password == nil && !by.Superuser:
		return Field("password", textRequired)
	case in.Password != nil:
		if err := c.checkPresent(ctx, in.From, name, hash, *in.Password); err != nil {
			return err
		}
	}
	hash, err = hashPassword(ctx, in.NewPassword)
	if err != nil {
		return err
	}
	return c.Records.SetPasswordHash(ctx, name, hash)
}

// checkPresent checks the password that is to be changed.
func (c *Controller) checkPresent(ctx context.Context, from netip.Addr, name, hash, password string) error {
	end, err := c.attempts.begin(name, from)
	if err != nil {
		return err
	}
	ok, err := checkPassword(ctx, hash, password)
	end(err == nil && !ok)
	if err == nil && !ok {
		err = Errorf(Invalid, "Current password does not match")
	}
	return err
}

// CancelUser deletes an account that owns no app: one's own if username is
// empty, another one's for superusers.
func (c *Controller) CancelUser(ctx context.Context, by User, username string) error {
	if username == "" {
		username = by.Username
	}
	if username != by.Username {
		if err := requireAdmin(by); err != nil {
			return err
		}
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	if err := c.Records.DeleteUser(ctx, username); err != nil {
		return err
	}
	return c.Mirror.Update(ctx)
}

// RegenerateToken makes all tokens of a user void and gives a new one: one's
// own if username is empty. With all it makes everyone's void and gives none.
func (c *Controller) RegenerateToken(ctx context.Context, by User, username string, all bool) (token string, err error) {
	if all || username != "" {
		if err := requireAdmin(by); err != nil {
			return "", err
		}
	}
	if all {
		return "", c.Records.DeleteTokens(ctx, "")
	}
	if username == "" {
		username = by.Username
	}
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if _, err := tx.User(ctx, username); err != nil {
			return err
		}
		if err := tx.DeleteTokens(ctx, username); err != nil {
			return err
		}
		token, err = c.issueToken(ctx, tx, username)
		return err
	})
	return token, err
}

// Users lists all accounts, for superusers.
func (c *Controller) Users(ctx context.Context, by User, p Page) ([]User, int, error) {
	if err := requireAdmin(by); err != nil {
		return nil, 0, err
	}
	return c.Records.Users(ctx, false, p)
}

// Admins lists the superusers, for superusers.
func (c *Controller) Admins(ctx context.Context, by User, p Page) ([]User, int, error) {
	if err := requireAdmin(by); err != nil {
		return nil, 0, err
	}
	return c.Records.Users(ctx, true, p)
}

// SetAdmin makes a user a superuser or takes that away, but not from the last.
func (c *Controller) SetAdmin(ctx context.Context, by User, username string, admin bool) error {
	if err := requireAdmin(by); err != nil {
		return err
	}
	return c.Records.SetSuperuser(ctx, username, admin)
}
