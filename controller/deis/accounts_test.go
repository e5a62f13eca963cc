package deis_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/deis/deis/controller/deis"
)

var (
	home  = netip.MustParseAddr("198.51.100.7")
	wrong = map[string][]string{"non_field_errors": {"Unable to log in with provided credentials."}}
)

// directory knows one person, as long as it is not away.
type directory struct {
	password string // of Ann, whose name it knows in any case
	person   deis.Person
	err      error
	asked    int
}

func (d *directory) Authenticate(_ context.Context, username, password string) (deis.Person, error) {
	d.asked++
	switch {
	case d.err != nil:
		return deis.Person{}, d.err
	case !strings.EqualFold(username, "ann") || password != d.password:
		return deis.Person{}, deis.ErrNotFound
	}
	return d.person, nil
}

// moded are settings with a registrationMode.
type moded struct {
	settings
	mode string
}

func (m moded) RegistrationMode() string { return m.mode }

// fields fails the test unless err says just this of fields.
func (p *platform) fields(err error, want map[string][]string) {
	p.Helper()
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != deis.Invalid || fmt.Sprint(e.Fields) != fmt.Sprint(want) {
		p.Errorf("got %v, want %v", err, want)
	}
}

func (p *platform) register(c *deis.Controller, name, password string) deis.User {
	p.Helper()
	u, err := c.Register(p.Context(), nil, deis.Registration{Username: &name, Password: &password})
	p.must(err)
	return u
}

// login logs in and gives the user of the token.
func (p *platform) login(c *deis.Controller, name, password string) deis.User {
	p.Helper()
	token, err := c.Login(p.Context(), home, name, password)
	p.must(err)
	u, err := c.Authenticate(p.Context(), token)
	p.must(err)
	return u
}

func TestRegistrationModes(t *testing.T) {
	p := newPlatform(t)
	bob, err := p.db.CreateUser(t.Context(), deis.User{Username: "bob"}, "hash")
	p.must(err)
	for i, x := range []struct {
		mode string
		by   *deis.User
		kind deis.Kind
		text string
	}{
		{"enabled", nil, deis.Internal, ""},
		{"enabled", &bob, deis.Internal, ""},
		{"disabled", nil, deis.Forbidden, "Registration is disabled"},
		{"disabled", &p.by, deis.Forbidden, "Registration is disabled"},
		{"admin_only", nil, deis.Forbidden, "Authentication credentials were not provided."},
		{"admin_only", &bob, deis.Forbidden, "You do not have permission to perform this action."},
		{"admin_only", &p.by, deis.Internal, ""},
		{"off", &p.by, deis.Unavailable, `registrationMode "off" is neither enabled, disabled nor admin_only.`},
	} {
		needs := p.needs()
		needs.Settings = moded{mode: x.mode}
		name, password := fmt.Sprint("user", i), "secret"
		in := deis.Registration{Username: &name, Password: &password}
		_, err := deis.New(needs).Register(t.Context(), x.by, in)
		if x.text == "" {
			p.must(err)
			continue
		}
		p.kind(err, x.kind, x.text)
		// Who may not register is not told what else is wrong.
		_, err = deis.New(needs).Register(t.Context(), x.by, deis.Registration{})
		p.kind(err, x.kind, x.text)
		_, err = p.db.User(t.Context(), name)
		p.kind(err, deis.NotFound)
	}
}

func TestRegistrationFields(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	text := func(s string) *string { return &s }
	long := strings.Repeat("ü", 129)
	const required, blank = "This field is required.", "This field may not be blank."
	atMost := func(n int) []string {
		return []string{fmt.Sprintf("Ensure this field has no more than %d characters.", n)}
	}
	for _, x := range []struct {
		in   deis.Registration
		want map[string][]string
	}{
		{deis.Registration{}, map[string][]string{"username": {required}, "password": {required}}},
		{deis.Registration{Username: text(""), Password: text("")}, map[string][]string{"username": {blank}, "password": {blank}}},
		{deis.Registration{Username: text("a b"), Email: "x"}, map[string][]string{"username": {"Enter a valid username."}, "password": {required}, "email": {"Enter a valid email address."}}},
		{deis.Registration{Username: &long, Password: &long, Email: long, FirstName: long, LastName: long},
			map[string][]string{"username": atMost(30), "password": atMost(128), "email": atMost(75), "first_name": atMost(30), "last_name": atMost(30)}},
		{deis.Registration{Username: text("ann"), Password: text("secret")}, map[string][]string{"username": {"This field must be unique."}}},
	} {
		_, err := c.Register(t.Context(), nil, x.in)
		p.fields(err, x.want)
	}
	// Names are told apart by case, and an email is not needed.
	if u := p.register(c, "Ann", "secret"); u.Superuser || !u.Active || u.Email != "" {
		t.Errorf("%+v", u)
	}
}

func TestLogin(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	before := p.register(c, "bob", "secret")
	if u := p.login(c, "bob", "secret"); u != before {
		t.Errorf("%+v, registered %+v", u, before) // not even last_login, as in Deis v1
	}
	for name, password := range map[string]string{"bob": "Secret", "Bob": "secret", "nobody": "secret", "": "", "a b": "c", "bob\x00": "secret"} {
		_, err := c.Login(t.Context(), home, name, password)
		if name == "bob\x00" {
			p.kind(err, deis.Invalid)
		} else {
			p.fields(err, wrong)
		}
	}
	p.exec(`UPDATE users SET active = false WHERE username = 'bob'`)
	_, err := c.Login(t.Context(), home, "bob", "secret")
	p.fields(err, map[string][]string{"non_field_errors": {"User account is disabled."}})
	_, err = c.Login(t.Context(), home, "bob", "wrong")
	p.fields(err, wrong)
}

func TestLoginsAreLimited(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	bob, al := p.register(c, "bob", "secret"), p.register(c, "al", "secret")
	token, err := c.Login(t.Context(), home, "bob", "secret")
	p.must(err)
	for _, name := range []string{"bob", "nobody"} { // unknown names are not told from known ones
		n, from := 0, home
		for err = error(nil); deis.KindOf(err) != deis.TooMany && n < 50; n++ {
			from = from.Next()
			if _, err = c.Login(t.Context(), from, name, "wrong"); err == nil {
				t.Fatal("logged in")
			}
		}
		if n != 11 {
			t.Errorf("%s: the attempt after %d is refused", name, n-1)
		}
		p.kind(err, deis.TooMany, "Too many wrong passwords. Try again in ")
	}
	// Neither does the right password help, nor a login as somebody else, nor
	// is the present one's check a way around.
	p.login(c, "al", "secret")
	_, err = c.Login(t.Context(), home, "bob", "secret")
	p.kind(err, deis.TooMany)
	right := "secret"
	err = c.ChangePassword(t.Context(), bob, deis.PasswordChange{From: home, Password: &right, NewPassword: "new"})
	p.kind(err, deis.TooMany)
	if u, err := c.Authenticate(t.Context(), token); err != nil || u.Username != "bob" {
		t.Error("tokens go on:", u, err)
	}
	n := 0
	bad := "bad"
	for err = error(nil); deis.KindOf(err) != deis.TooMany && n < 50; n++ {
		err = c.ChangePassword(t.Context(), al, deis.PasswordChange{From: home, Password: &bad, NewPassword: "new"})
	}
	if n != 11 {
		t.Errorf("%d guesses of a present password", n-1)
	}
	_, err = c.Login(t.Context(), home, "al", "secret")
	p.kind(err, deis.TooMany)
}

func TestChangePassword(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	bob := p.register(c, "bob", "secret")
	right, bad, long := "secret", "bad", strings.Repeat("x", 129)
	for _, x := range []struct {
		by   deis.User
		in   deis.PasswordChange
		kind deis.Kind
		text string
	}{
		{bob, deis.PasswordChange{Password: &bad, NewPassword: "new"}, deis.Invalid, "Current password does not match"},
		{bob, deis.PasswordChange{NewPassword: "new"}, deis.Invalid, "map[password:[This field is required.]]"},
		{bob, deis.PasswordChange{Password: &right, NewPassword: long}, deis.Invalid, "no more than 128"},
		{bob, deis.PasswordChange{Username: "ann", Password: &right, NewPassword: "new"}, deis.Forbidden, "You do not have permission"},
		{p.by, deis.PasswordChange{Username: "nobody", NewPassword: "new"}, deis.NotFound, "Not found"},
		{p.by, deis.PasswordChange{Username: "bob", Password: &bad, NewPassword: "new"}, deis.Invalid, "Current password does not match"},
	} {
		x.in.From = home
		p.kind(c.ChangePassword(t.Context(), x.by, x.in), x.kind, x.text)
	}
	p.login(c, "bob", "secret")
	token, err := c.Login(t.Context(), home, "bob", "secret")
	p.must(err)
	p.must(c.ChangePassword(t.Context(), bob, deis.PasswordChange{From: home, Password: &right, NewPassword: "second"}))
	p.login(c, "bob", "second")
	if _, err := c.Authenticate(t.Context(), token); err != nil {
		t.Error("the token is void:", err)
	}
	p.must(c.ChangePassword(t.Context(), p.by, deis.PasswordChange{From: home, Username: "bob", NewPassword: "third"}))
	p.login(c, "bob", "third")
	p.must(c.ChangePassword(t.Context(), p.by, deis.PasswordChange{From: home, NewPassword: "admin"})) // hers, without the present one
	p.login(c, "ann", "admin")
}

func TestRegenerateTokens(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	bob, _ := p.register(c, "bob", "secret"), p.register(c, "al", "secret")
	login := func(name string) string {
		token, err := c.Login(t.Context(), home, name, "secret")
		p.must(err)
		return token
	}
	good := func(token string, want bool) {
		t.Helper()
		_, err := c.Authenticate(t.Context(), token)
		if (err == nil) != want {
			t.Errorf("good: %v, want %v", err, want)
		}
		if !want {
			p.kind(err, deis.Unauthorized, "Invalid token")
		}
	}
	first, second, other := login("bob"), login("bob"), login("al")
	made, err := c.RegenerateToken(t.Context(), bob, "", false)
	p.must(err)
	good(first, false)
	good(second, false)
	good(other, true)
	good(made, true)
	for _, by := range []struct {
		name string
		all  bool
	}{{"bob", false}, {"al", false}, {"", true}} { // even one's own name is for admins
		_, err := c.RegenerateToken(t.Context(), bob, by.name, by.all)
		p.kind(err, deis.Forbidden)
	}
	_, err = c.RegenerateToken(t.Context(), p.by, "nobody", false)
	p.kind(err, deis.NotFound)
	als, err := c.RegenerateToken(t.Context(), p.by, "al", false)
	p.must(err)
	good(other, false)
	good(als, true)
	mine, err := c.RegenerateToken(t.Context(), p.by, "", false)
	p.must(err)
	if none, err := c.RegenerateToken(t.Context(), p.by, "", true); none != "" || err != nil {
		t.Error(none, err)
	}
	for _, token := range []string{made, als, mine} {
		good(token, false)
	}
}

func TestAuthenticate(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.register(c, "bob", "secret")
	token, err := c.Login(t.Context(), home, "bob", "secret")
	p.must(err)
	if len(token) != 40 || strings.Trim(token, "0123456789abcdef") != "" {
		t.Error(token)
	}
	for _, bad := range []string{"", token[1:], strings.ToUpper(token) + "0", "x"} {
		_, err := c.Authenticate(t.Context(), bad)
		p.kind(err, deis.Unauthorized, "Invalid token")
	}
	p.exec(`UPDATE users SET active = false WHERE username = 'bob'`)
	_, err = c.Authenticate(t.Context(), token)
	p.kind(err, deis.Unauthorized, "User inactive or deleted")

	p.must(c.AuthenticateBuilder("key"))
	for _, bad := range []string{"", "ke", "keys", "Key"} {
		p.kind(c.AuthenticateBuilder(bad), deis.Unauthorized, "Authentication credentials were not provided.")
	}
	needs := p.needs()
	needs.BuilderKey = func() string { return "" }
	p.kind(deis.New(needs).AuthenticateBuilder(""), deis.Unauthorized)
}

func TestCancelUser(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	bob, al := p.register(c, "bob", "secret"), p.register(c, "al", "secret")
	p.kind(c.CancelUser(t.Context(), bob, "al"), deis.Forbidden, "You do not have permission")
	p.kind(c.CancelUser(t.Context(), bob, "nobody"), deis.Forbidden)
	p.kind(c.CancelUser(t.Context(), p.by, "nobody"), deis.NotFound, "Not found")
	id := "demo"
	_, err := c.CreateApp(t.Context(), bob, deis.NewApp{ID: &id})
	p.must(err)
	const owns = "bob still has applications assigned. Delete or transfer ownership"
	p.kind(c.CancelUser(t.Context(), bob, ""), deis.Conflict, owns)
	p.kind(c.CancelUser(t.Context(), p.by, "bob"), deis.Conflict, owns)
	p.must(c.CancelUser(t.Context(), al, "al"))
	p.must(c.TransferApp(t.Context(), bob, "demo", "ann"))
	p.must(c.CancelUser(t.Context(), p.by, "bob"))
	for _, name := range []string{"al", "bob"} {
		_, err := c.Login(t.Context(), home, name, "secret")
		p.fields(err, wrong)
	}
}
