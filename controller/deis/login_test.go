package deis_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/deis/deis/controller/deis"
)

// known is a platform with a directory that knows Ann, who is nobody here yet.
func known(t *testing.T) (*platform, *deis.Controller, *directory) {
	t.Helper()
	p := newPlatform(t)
	p.exec(`UPDATE users SET username = 'root'`)
	p.by.Username = "root"
	d := &directory{password: "theirs", person: deis.Person{Email: "ann@example.com", FirstName: "Ann", LastName: "Other"}}
	needs := p.needs()
	needs.Directory = d
	return p, deis.New(needs), d
}

func TestDirectoryMakesUsers(t *testing.T) {
	p, c, d := known(t)
	u := p.login(c, "ANN", "theirs")
	if u.Username != "ann" || u.Email != "ann@example.com" || u.FirstName != "Ann" || u.LastName != "Other" || !u.Active || u.Superuser {
		t.Errorf("%+v", u)
	}
	// What it says is copied each time; what it does not say stays.
	d.person = deis.Person{LastName: "Wed"}
	if again := p.login(c, "ann", "theirs"); again.ID != u.ID || again.LastName != "Wed" || again.FirstName != "Ann" || again.Email != "ann@example.com" {
		t.Errorf("%+v", again)
	}
	for _, password := range []string{"", "wrong", "!"} {
		_, err := c.Login(t.Context(), home, "ann", password)
		p.fields(err, wrong)
	}
	d.person = deis.Person{FirstName: " A\x00\xff" + strings.Repeat("ü", 40), Email: strings.Repeat("e", 76)}
	if u := p.login(c, "ann", "theirs"); u.FirstName != "A"+strings.Repeat("ü", 29) || u.Email != "ann@example.com" || u.LastName != "Wed" {
		t.Errorf("%+v", u)
	}
	p.must(c.SetAdmin(t.Context(), p.by, "ann", true))
	if u := p.login(c, "ann", "theirs"); !u.Superuser {
		t.Error("no longer an admin")
	}
}

// TestDirectoryMakesNoAdmin: not even as the first user of all.
func TestDirectoryMakesNoAdmin(t *testing.T) {
	p, c, _ := known(t)
	p.exec(`DELETE FROM users`)
	ann := p.login(c, "ann", "theirs")
	if ann.Superuser {
		t.Errorf("%+v", ann)
	}
	p.must(c.CancelUser(t.Context(), ann, "")) // who is not the last admin either
	p.login(c, "ann", "theirs")
	if u := p.register(c, "bob", "secret"); !u.Superuser {
		t.Errorf("the first who registers is none: %+v", u)
	}
}

func TestDirectoryAndLocalAccounts(t *testing.T) {
	p, c, d := known(t)
	local := p.register(c, "Ann", "mine")
	p.register(c, "ann", "younger")
	if u := p.login(c, "ann", "theirs"); u.ID != local.ID || u.Username != "Ann" || u.LastName != "Other" {
		t.Errorf("%+v", u)
	}
	// A wrong password there may be right here, as in Deis v1.
	if u := p.login(c, "Ann", "mine"); u.ID != local.ID {
		t.Errorf("%+v", u)
	}
	p.register(c, "bob", "secret")
	if u := p.login(c, "bob", "secret"); u.Username != "bob" {
		t.Errorf("%+v", u)
	}
	p.exec(`UPDATE users SET active = false WHERE username = 'Ann'`)
	_, err := c.Login(t.Context(), home, "ann", "theirs")
	p.fields(err, map[string][]string{"non_field_errors": {"User account is disabled."}})

	asked := d.asked
	for _, x := range [][2]string{{"ann", ""}, {"*", "theirs"}, {"a b", "theirs"}, {"", "theirs"}, {"ann\x00", "theirs"}, {"ann-is-a-name-of-31-characters-", "theirs"}} {
		if _, err := c.Login(t.Context(), home, x[0], x[1]); err == nil {
			t.Errorf("%q logs in", x)
		}
	}
	if d.asked != asked {
		t.Error("the directory is asked for what cannot be")
	}
}

func TestDirectoryAway(t *testing.T) {
	p, c, d := known(t)
	p.login(c, "ann", "theirs")
	p.register(c, "bob", "secret")
	d.err = errors.New("no route")
	p.login(c, "bob", "secret")
	const away = "The directory of users (LDAP) does not answer, and the password is not that of a local account."
	n := 0
	var err error
	for ; deis.KindOf(err) != deis.TooMany && n < 50; n++ {
		if _, err = c.Login(t.Context(), home, "ann", "theirs"); err == nil || n < 10 && (deis.KindOf(err) != deis.Unavailable || err.Error() != away) {
			t.Error(err)
		}
	}
	if n != 11 {
		t.Errorf("%d guesses at local passwords meanwhile", n-1)
	}
	d.err = nil
	p.login(c, "bob", "secret")
}

// TestPasswordsOfTheDirectory: who is known by the directory alone cannot get
// a second way in, which would outlast the first, but from an admin.
func TestPasswordsOfTheDirectory(t *testing.T) {
	p, c, _ := known(t)
	ann := p.login(c, "ann", "theirs")
	const there = "The password of ann is kept in the directory (LDAP) and can only be changed there."
	for _, present := range []*string{nil, new(string), &[]string{"theirs"}[0], &[]string{"!"}[0]} {
		err := c.ChangePassword(t.Context(), ann, deis.PasswordChange{From: home, Password: present, NewPassword: "mine"})
		p.kind(err, deis.Invalid, there)
	}
	p.must(c.ChangePassword(t.Context(), p.by, deis.PasswordChange{From: home, Username: "ann", NewPassword: "mine"}))
	p.login(c, "ann", "mine")
	p.login(c, "ann", "theirs")
}
