package ldap

import (
	"context"
	"net/netip"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/internal/pgtest"
)

// TestLogin is the whole of it: a real directory and real records.
func TestLogin(t *testing.T) {
	s := start(t)
	place, err := postgres.Parse(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Connect(t.Context(), quiet, func(context.Context) (postgres.Config, error) { return place, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	set := s.settings("ldap+tls://" + s.plain)
	c := deis.New(deis.Needs{Log: quiet, Records: db, Directory: New(quiet, func() Settings { return set })})
	from := netip.MustParseAddr("198.51.100.7")
	login := func(username, password string) (deis.User, error) {
		token, err := c.Login(t.Context(), from, username, password)
		if err != nil {
			return deis.User{}, err
		}
		return c.Authenticate(t.Context(), token)
	}
	u, err := login("Ann", "secret")
	if err != nil || u.Username != "ann" || u.Email != "ann@example.org" || u.FirstName != "Ann" || u.LastName != "Other" || u.Superuser {
		t.Errorf("%+v %v", u, err)
	}
	for _, x := range [][2]string{{"ann", "wrong"}, {"ann", ""}, {"*", "secret"}, {"twin", "twins"}, {"nobody", "x"}} {
		if _, err := login(x[0], x[1]); deis.KindOf(err) != deis.Invalid {
			t.Errorf("%s: %v", x[0], err)
		}
	}
	local := "local"
	if err := c.ChangePassword(t.Context(), deis.User{Username: "root", Superuser: true}, deis.PasswordChange{From: from, Username: "ann", NewPassword: local}); err != nil {
		t.Fatal(err)
	}
	s.end()
	if again, err := login("ann", local); err != nil || again.ID != u.ID {
		t.Errorf("%+v %v", again, err)
	}
	if _, err := login("ann", "secret"); deis.KindOf(err) != deis.Unavailable {
		t.Error(err)
	}
	s.begin()
	if again, err := login("ann", "secret"); err != nil || again.ID != u.ID {
		t.Errorf("%+v %v", again, err)
	}
}
