package deis_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/deis/deis/controller/deis"
)

// TestMissingIsNotFound: what Deis v1 answered with 500 (spec section 1.4).
func TestMissingIsNotFound(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	p.app(c, "demo", map[string]int{"web": 1})
	for name, call := range map[string]func() error{
		"app":              func() error { _, err := c.App(ctx, p.by, "none"); return err },
		"release":          func() error { _, err := c.Release(ctx, p.by, "demo", 9); return err },
		"rollback":         func() error { _, err := c.Rollback(ctx, p.by, "demo", 9); return err },
		"build":            func() error { _, err := c.Build(ctx, p.by, "demo", "none"); return err },
		"build of another": func() error { _, err := c.Build(ctx, p.by, "demo", "de305d54-75b4-431b-adb2-eb6b9e546014"); return err },
		"container":        func() error { _, err := c.Container(ctx, p.by, "demo", "web", 9); return err },
		"container's type": func() error { _, err := c.Container(ctx, p.by, "demo", "none", 1); return err },
		"domain":           func() error { return c.RemoveDomain(ctx, p.by, "demo", "none.org") },
		"cert":             func() error { _, err := c.Cert(ctx, p.by, "none.org"); return err },
		"cert to remove":   func() error { return c.RemoveCert(ctx, p.by, "none.org") },
		"key":              func() error { _, err := c.Key(ctx, p.by, "none"); return err },
		"key to remove":    func() error { return c.RemoveKey(ctx, p.by, "none") },
		"owner":            func() error { return c.TransferApp(ctx, p.by, "demo", "none") },
		"user to share":    func() error { return c.Share(ctx, p.by, "demo", "none") },
		"user to unshare":  func() error { return c.Unshare(ctx, p.by, "demo", "none") },
		"admin":            func() error { return c.SetAdmin(ctx, p.by, "none", true) },
		"user to cancel":   func() error { return c.CancelUser(ctx, p.by, "none") },
		"user's password": func() error {
			return c.ChangePassword(ctx, p.by, deis.PasswordChange{Username: "none", NewPassword: "x"})
		},
		"user's token": func() error { _, err := c.RegenerateToken(ctx, p.by, "none", false); return err },
		"pushing user": func() error { _, err := c.ConfigHook(ctx, "none", "demo"); return err },
		"pushed app":   func() error { _, err := c.ConfigHook(ctx, "ann", "none"); return err },
	} {
		if err := call(); deis.KindOf(err) != deis.NotFound || err.Error() != "Not found" {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.consistent("demo", 2, map[string]int{"web": 1})
}

func TestAppIDs(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	for _, id := range []string{"a", "7", "a-b", "golden-mountain", "deisy", strings.Repeat("a", 63)} {
		if _, err := c.CreateApp(ctx, p.by, deis.NewApp{ID: &id, Structure: map[string]any{"web": json.Number("3")}}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for id, want := range map[string]string{
		"":                      "This field may not be blank.",
		"camelCase":             "App IDs can only contain [a-z0-9-].",
		"a_b":                   "App IDs can only contain [a-z0-9-].",
		"a.b":                   "App IDs can only contain [a-z0-9-].",
		"a\n":                   "App IDs can only contain [a-z0-9-].",
		"ä":                     "App IDs can only contain [a-z0-9-].",
		"-":                     "App IDs must start and end with a letter or a digit.",
		"a-":                    "App IDs must start and end with a letter or a digit.",
		"-a":                    "App IDs must start and end with a letter or a digit.",
		strings.Repeat("a", 64): "Ensure this field has no more than 63 characters.",
		"deis":                  "deis is a reserved name.",
		"deis-controller":       "deis-controller is a reserved name.",
		"localhost":             "localhost is a reserved name.",
		"a-b":                   "This field must be unique.",
	} {
		_, err := c.CreateApp(ctx, p.by, deis.NewApp{ID: &id})
		p.kind(err, deis.Invalid, "map[id:["+want+"]]")
	}
	app, err := c.CreateApp(ctx, p.by, deis.NewApp{})
	p.must(err)
	if len(app.Structure) != 0 || p.latest(app.ID).Summary != "ann created initial release" {
		t.Errorf("%+v", app)
	}
}

func TestRegistrations(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	for _, in := range []deis.Registration{
		{Username: new("b.o+b@x-y_z"), Password: new(" ")},
		{Username: new(strings.Repeat("u", 30)), Password: new(strings.Repeat("ü", 128)), Email: "a@example.com", FirstName: strings.Repeat("ü", 30), LastName: "x"},
	} {
		u, err := c.Register(ctx, nil, in)
		if err != nil || u.Superuser || !u.Active || u.Username != *in.Username || u.Email != in.Email {
			t.Errorf("%+v: %+v, %v", in, u, err)
		}
		if token, err := c.Login(ctx, home, *in.Username, *in.Password); err != nil || len(token) != 40 {
			t.Error(token, err)
		}
	}
	const long30, blank = "Ensure this field has no more than 30 characters.", "This field may not be blank."
	for _, x := range []struct {
		in          deis.Registration
		field, want string
	}{
		{deis.Registration{Username: new(""), Password: new("p")}, "username", blank},
		{deis.Registration{Username: new("u"), Password: new("")}, "password", blank},
		{deis.Registration{Username: new(strings.Repeat("u", 31)), Password: new("p")}, "username", long30},
		{deis.Registration{Username: new("a b"), Password: new("p")}, "username", "Enter a valid username."},
		{deis.Registration{Username: new("a/b"), Password: new("p")}, "username", "Enter a valid username."},
		{deis.Registration{Username: new("a\n"), Password: new("p")}, "username", "Enter a valid username."},
		{deis.Registration{Username: new("ü"), Password: new("p")}, "username", "Enter a valid username."},
		{deis.Registration{Username: new("ann"), Password: new("p")}, "username", "This field must be unique."},
		{deis.Registration{Username: new("u"), Password: new(strings.Repeat("p", 129))}, "password", "Ensure this field has no more than 128 characters."},
		{deis.Registration{Username: new("u"), Password: new("p"), Email: "nobody"}, "email", "Enter a valid email address."},
		{deis.Registration{Username: new("u"), Password: new("p"), Email: "A <a@example.com>"}, "email", "Enter a valid email address."},
		{deis.Registration{Username: new("u"), Password: new("p"), Email: strings.Repeat("a", 70) + "@x.org"}, "email", "Ensure this field has no more than 75 characters."},
		{deis.Registration{Username: new("u"), Password: new("p"), FirstName: strings.Repeat("x", 31)}, "first_name", long30},
		{deis.Registration{Username: new("u"), Password: new("p"), LastName: strings.Repeat("x", 31)}, "last_name", long30},
	} {
		_, err := c.Register(ctx, nil, x.in)
		p.kind(err, deis.Invalid, "map["+x.field+":["+x.want+"]]")
	}
}

// TestAccounts: passwords, tokens and admins, by oneself, by another and by an
// admin; the last admin stays one.
func TestAccounts(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	login := func(name, password string) (string, error) { return c.Login(ctx, home, name, password) }
	for _, name := range []string{"bob", "eve"} {
		_, err := c.Register(ctx, nil, deis.Registration{Username: new(name), Password: new("old")})
		p.must(err)
	}
	bob, err := p.db.User(ctx, "bob")
	p.must(err)
	old, wrong := "old", "wrong"

	p.kind(c.ChangePassword(ctx, bob, deis.PasswordChange{Password: &wrong, NewPassword: "new"}), deis.Invalid, "Current password does not match")
	p.kind(c.ChangePassword(ctx, bob, deis.PasswordChange{NewPassword: "new"}), deis.Invalid, "map[password:[This field is required.]]")
	p.kind(c.ChangePassword(ctx, bob, deis.PasswordChange{Password: &old}), deis.Invalid, "map[new_password:[This field is required.]]")
	p.kind(c.ChangePassword(ctx, bob, deis.PasswordChange{Username: "eve", Password: &old, NewPassword: "new"}), deis.Forbidden)
	p.kind(c.ChangePassword(ctx, p.by, deis.PasswordChange{Username: "bob", Password: &wrong, NewPassword: "new"}), deis.Invalid, "Current password does not match")
	token, err := login("bob", "old")
	p.must(err)
	p.must(c.ChangePassword(ctx, p.by, deis.PasswordChange{Username: "bob", NewPassword: "new"}))
	_, err = login("bob", "old")
	p.kind(err, deis.Invalid, "map[non_field_errors:[Unable to log in with provided credentials.]]")
	_, err = login("nobody", "old")
	p.kind(err, deis.Invalid, "map[non_field_errors:[Unable to log in with provided credentials.]]")
	if u, err := c.Authenticate(ctx, token); err != nil || u.Username != "bob" {
		t.Error("a new password makes tokens void:", err)
	}

	_, err = c.RegenerateToken(ctx, bob, "bob", false)
	p.kind(err, deis.Forbidden)
	_, err = c.RegenerateToken(ctx, bob, "", true)
	p.kind(err, deis.Forbidden)
	eves, err := login("eve", "old")
	p.must(err)
	fresh, err := c.RegenerateToken(ctx, bob, "", false)
	p.must(err)
	_, err = c.Authenticate(ctx, token)
	p.kind(err, deis.Unauthorized, "Invalid token")
	for name, token := range map[string]string{"bob": fresh, "eve": eves} {
		if u, err := c.Authenticate(ctx, token); err != nil || u.Username != name {
			t.Error(u.Username, err)
		}
	}
	_, err = c.RegenerateToken(ctx, p.by, "", true)
	p.must(err)
	for _, token := range []string{fresh, eves, "", "x"} {
		_, err = c.Authenticate(ctx, token)
		p.kind(err, deis.Unauthorized, "Invalid token")
	}

	p.kind(c.SetAdmin(ctx, bob, "bob", true), deis.Forbidden)
	p.kind(c.SetAdmin(ctx, p.by, "ann", false), deis.Conflict, "ann is the only administrator.")
	p.kind(c.CancelUser(ctx, p.by, ""), deis.Conflict, "ann is the only administrator.")
	p.kind(c.CancelUser(ctx, bob, "eve"), deis.Forbidden)
	p.must(c.SetAdmin(ctx, p.by, "bob", true))
	p.must(c.SetAdmin(ctx, p.by, "ann", false))
	admins, n, err := c.Admins(ctx, deis.User{Superuser: true}, deis.Page{})
	if n != 1 || err != nil || admins[0].Username != "bob" {
		t.Error(admins, err)
	}
	_, _, err = c.Users(ctx, deis.User{Username: "eve"}, deis.Page{})
	p.kind(err, deis.Forbidden)
}

// TestCollaborators: what they may, and what not; a share ends with its app.
func TestCollaborators(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	owner, mate, eve := p.user("owner"), p.user("mate"), p.user("eve")
	id := "demo"
	_, err := c.CreateApp(ctx, owner, deis.NewApp{ID: &id})
	p.must(err)
	p.must(c.Share(ctx, owner, "demo", "mate"))
	p.must(c.Share(ctx, owner, "demo", "mate"))
	for by, want := range map[string]string{"owner": "[mate]", "mate": "[mate]", "ann": "[mate]"} {
		u, err := p.db.User(ctx, by)
		p.must(err)
		if got, err := c.Perms(ctx, u, "demo"); err != nil || "["+strings.Join(got, " ")+"]" != want {
			t.Error(by, got, err)
		}
	}
	_, err = c.AddDomain(ctx, mate, "demo", "x.org")
	p.must(err)
	for name, call := range map[string]func(by deis.User) error{
		"remove a domain": func(by deis.User) error { return c.RemoveDomain(ctx, by, "demo", "x.org") },
		"destroy":         func(by deis.User) error { return c.DestroyApp(ctx, by, "demo") },
		"transfer":        func(by deis.User) error { return c.TransferApp(ctx, by, "demo", by.Username) },
		"share":           func(by deis.User) error { return c.Share(ctx, by, "demo", "eve") },
		"unshare others":  func(by deis.User) error { return c.Unshare(ctx, by, "demo", "owner") },
	} {
		for _, by := range []deis.User{mate, eve} {
			if err := call(by); deis.KindOf(err) != deis.Forbidden {
				t.Errorf("%s may %s: %v", by.Username, name, err)
			}
		}
	}
	_, err = c.Perms(ctx, eve, "demo")
	p.kind(err, deis.Forbidden)
	p.kind(c.Unshare(ctx, owner, "demo", "eve"), deis.Forbidden) // who had none
	p.must(c.Unshare(ctx, mate, "demo", "mate"))
	p.kind(c.Unshare(ctx, mate, "demo", "mate"), deis.Forbidden)

	p.must(c.TransferApp(ctx, owner, "demo", ""))
	p.must(c.TransferApp(ctx, owner, "demo", "eve"))
	_, err = c.App(ctx, owner, "demo")
	p.kind(err, deis.Forbidden)
	p.kind(c.CancelUser(ctx, eve, ""), deis.Conflict, "eve still has applications assigned. Delete or transfer ownership")
	p.must(c.CancelUser(ctx, owner, ""))
	for _, line := range []string{"User mate was granted access to demo", "User mate was revoked access to demo", "domain x.org added"} {
		if !p.logs.said("INFO [demo]: " + line) {
			t.Error("not said:", line)
		}
	}
}

// TestBuildsThatAreRefused: none leaves a row.
func TestBuildsThatAreRefused(t *testing.T) {
	p := newPlatform(t)
	c, ctx := p.controller(), t.Context()
	p.app(c, "demo", nil)
	many := map[string]any{}
	for i := range 101 {
		many["t"+strings.Repeat("x", i%50)+string(rune('a'+i/50))] = "x"
	}
	for _, x := range []struct {
		in          deis.NewBuild
		field, want string
	}{
		{deis.NewBuild{}, "image", "This field may not be blank."},
		{deis.NewBuild{Image: strings.Repeat("a", 257)}, "image", "Ensure this field has no more than 256 characters."},
		{deis.NewBuild{Image: "a b"}, "image", "This is not the name of an image."},
		{deis.NewBuild{Image: "a", SHA: strings.Repeat("0", 41)}, "sha", "A sha is at most 40 hexadecimal digits."},
		{deis.NewBuild{Image: "a", SHA: "../x"}, "sha", "A sha is at most 40 hexadecimal digits."},
		{deis.NewBuild{Image: "a", Procfile: map[string]any{"run": "x"}}, "procfile", "The process type run is reserved for `deis run`."},
		{deis.NewBuild{Image: "a", Procfile: map[string]any{"a b": "x"}}, "procfile", `"a b" is not a process type.`},
		{deis.NewBuild{Image: "a", Procfile: map[string]any{"web": nil}}, "procfile", "The command of web is not a text."},
		{deis.NewBuild{Image: "a", Procfile: map[string]any{"web": []any{}}}, "procfile", "The command of web is not a text."},
		{deis.NewBuild{Image: "a", Procfile: many}, "procfile", "A Procfile holds at most 100 process types."},
	} {
		_, _, err := c.CreateBuild(ctx, p.by, "demo", x.in)
		p.kind(err, deis.Invalid, "map["+x.field+":["+x.want+"]]")
	}
	p.consistent("demo", 1, map[string]int{})
	if builds, n, err := c.Builds(ctx, p.by, "demo", deis.Page{}); n != 0 || err != nil {
		t.Error(builds, err)
	}
}
