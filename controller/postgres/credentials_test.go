package postgres

import (
	"testing"

	"github.com/deis/deis/controller/deis"
)

func TestCredentials(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "eve")
	app(t, db, "demo", "bob")
	app(t, db, "other", "bob")
	set := func(app, owner, registry, username, password string) deis.Credential {
		t.Helper()
		return ok(db.SetCredential(ctx, deis.Credential{App: app, Owner: owner, Registry: registry, Username: username}, deis.Secret(password)))(t)
	}
	first := set("demo", "bob", "quay.io", "robot", "one")
	set("demo", "eve", "docker.io", "eve", `it's "£"`+"\n")
	set("other", "bob", "quay.io", "robot2", "two")
	if first.App != "demo" || first.Registry != "quay.io" || first.Username != "robot" || first.Created.IsZero() {
		t.Errorf("%+v", first)
	}
	again := set("demo", "eve", "quay.io", "robot3", "three")
	if again.Username != "robot3" || again.Owner != "eve" || !again.Created.Equal(first.Created) {
		t.Errorf("%+v", again)
	}
	cs, n, err := db.Credentials(ctx, "demo", deis.Page{})
	if got := names(cs, func(c deis.Credential) string { return c.Registry + "=" + c.Username }); got != "[quay.io=robot3 docker.io=eve]" || n != 2 || err != nil {
		t.Error(got, n, err)
	}
	reveal := func(l deis.Login) string { return l.Registry + "=" + l.Username + ":" + l.Password.Reveal() }
	if got := names(ok(db.Logins(ctx, "demo"))(t), reveal); got != "[quay.io=robot3:three docker.io=eve:it's \"£\"\n]" {
		t.Error(got)
	}
	if got := names(ok(db.Logins(ctx, "other"))(t), reveal); got != "[quay.io=robot2:two]" {
		t.Error(got)
	}
	_, err = db.SetCredential(ctx, deis.Credential{App: "none", Owner: "bob", Registry: "quay.io"}, "x")
	is(t, err, deis.NotFound)

	// What a user leaves in other people's apps stays with these.
	done(t, db.DeleteUser(ctx, "eve"))
	cs, _, err = db.Credentials(ctx, "demo", deis.Page{})
	if got := names(cs, func(c deis.Credential) string { return c.Owner }); got != "[bob bob]" || err != nil {
		t.Error(got, err)
	}

	done(t, db.DeleteCredential(ctx, "demo", "quay.io"))
	is(t, db.DeleteCredential(ctx, "demo", "quay.io"), deis.NotFound)
	if got := names(ok(db.Logins(ctx, "other"))(t), reveal); got != "[quay.io=robot2:two]" {
		t.Error("another app's are gone:", got)
	}
}
