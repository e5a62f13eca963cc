package postgres

import (
	"fmt"
	"testing"

	"github.com/deis/deis/controller/deis"
)

func appID(a deis.App) string { return a.ID }

func TestApps(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "al", "eve")
	made := ok(db.CreateApp(ctx, deis.App{ID: "zoo", Owner: "bob", Structure: map[string]int{"web": 2}}))(t)
	if made.UUID == "" || made.Structure["web"] != 2 || made.Created.IsZero() || made.Created.Location().String() != "UTC" {
		t.Errorf("%+v", made)
	}
	if got := ok(db.App(ctx, "zoo"))(t); fmt.Sprint(got) != fmt.Sprint(made) {
		t.Errorf("got %+v, made %+v", got, made)
	}
	_, err := db.CreateApp(ctx, deis.App{ID: "zoo", Owner: "al"})
	notUnique(t, err, "id")
	_, err = db.CreateApp(ctx, deis.App{ID: "x", Owner: "nobody"})
	is(t, err, deis.NotFound)
	if a := ok(db.CreateApp(ctx, deis.App{ID: "ant", Owner: "al"}))(t); a.Structure == nil {
		t.Error("structure is nil")
	}
	ok(db.CreateApp(ctx, deis.App{ID: "bee", Owner: "bob"}))(t)
	done(t, db.Grant(ctx, "zoo", "al"))

	for user, want := range map[string]string{"": "[zoo ant bee]", "bob": "[zoo bee]", "al": "[zoo ant]", "eve": "[]"} {
		apps, n, err := db.Apps(ctx, user, deis.Page{})
		if got := names(apps, appID); got != want || n != len(apps) || err != nil {
			t.Errorf("%q: %s %d %v, want %s", user, got, n, err, want)
		}
	}
	done(t, db.SetOwner(ctx, "bee", "eve"))
	done(t, db.SetStructure(ctx, "bee", map[string]int{"web": 1, "worker": 3}))
	if a := ok(db.App(ctx, "bee"))(t); a.Owner != "eve" || a.Structure["worker"] != 3 || a.Updated.Before(a.Created) {
		t.Errorf("%+v", a)
	}
	is(t, db.SetOwner(ctx, "bee", "nobody"), deis.NotFound)
	is(t, db.SetOwner(ctx, "none", "bob"), deis.NotFound)
	is(t, db.SetStructure(ctx, "none", nil), deis.NotFound)
	_, err = db.App(ctx, "none")
	is(t, err, deis.NotFound)
}

func TestDestroyedAppIsHiddenAndHoldsItsID(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	app(t, db, "other", "bob")
	r := release(t, db, "demo", "bob")
	done(t, db.CommitRelease(ctx, r.UUID))
	release(t, db, "demo", "bob")
	ok(db.CreateDomain(ctx, deis.Domain{App: "demo", Owner: "bob", Domain: "x.org"}))(t)
	ok(db.CreatePush(ctx, deis.Push{App: "demo", Owner: "bob"}))(t)
	ok(db.CreateContainers(ctx, []deis.Container{{App: "demo", Owner: "bob", Version: 2, Type: "web", Num: 1, Phase: deis.Serving}}))(t)
	done(t, db.Grant(ctx, "demo", "bob"))

	done(t, db.MarkDestroyed(ctx, "demo"))
	done(t, db.MarkDestroyed(ctx, "demo"))
	is(t, db.MarkDestroyed(ctx, "none"), deis.NotFound)
	_, err := db.App(ctx, "demo")
	is(t, err, deis.NotFound)
	for _, user := range []string{"", "bob"} {
		if apps, n, err := db.Apps(ctx, user, deis.Page{}); names(apps, appID) != "[other]" || n != 1 || err != nil {
			t.Error(user, apps, n, err)
		}
	}
	if got := names(ok(db.DestroyedApps(ctx))(t), appID); got != "[demo]" {
		t.Error(got)
	}
	_, err = db.CreateApp(ctx, deis.App{ID: "demo", Owner: "bob"})
	notUnique(t, err, "id")
	_, err = db.CreateRelease(ctx, deis.Release{App: "demo", Owner: "bob", Config: r.Config})
	is(t, err, deis.NotFound)
	if cs := ok(db.Containers(ctx, "demo"))(t); len(cs) != 1 {
		t.Error("containers of a destroyed app must be found: they are still to be stopped")
	}
	is(t, db.DeleteUser(ctx, "bob"), deis.Conflict)

	done(t, db.DeleteApp(ctx, "demo"))
	is(t, db.DeleteApp(ctx, "demo"), deis.NotFound)
	for _, table := range []string{"apps", "grants", "domains", "credentials", "pushes", "configs", "builds", "releases", "containers"} {
		column := "app"
		if table == "apps" {
			column = "id"
		}
		n := ok(value[int](ctx, db.records, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s = 'demo'", table, column), nil))(t)
		if n != 0 {
			t.Errorf("%s: %d rows are left", table, n)
		}
	}
	app(t, db, "demo", "bob")
}

func TestGrants(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "eve", "al")
	app(t, db, "demo", "bob")
	done(t, db.Grant(ctx, "demo", "eve"))
	done(t, db.Grant(ctx, "demo", "al"))
	done(t, db.Grant(ctx, "demo", "eve"))
	if got := fmt.Sprint(ok(db.Grantees(ctx, "demo"))(t)); got != "[eve al]" {
		t.Error(got)
	}
	if !ok(db.Granted(ctx, "demo", "al"))(t) || ok(db.Granted(ctx, "demo", "bob"))(t) {
		t.Error("granted")
	}
	done(t, db.Revoke(ctx, "demo", "al"))
	is(t, db.Revoke(ctx, "demo", "al"), deis.NotFound)
	if ok(db.Granted(ctx, "demo", "al"))(t) {
		t.Error("revoked, yet granted")
	}
	is(t, db.Grant(ctx, "demo", "nobody"), deis.NotFound)
	is(t, db.Grant(ctx, "none", "al"), deis.NotFound)
}

func TestDomains(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	app(t, db, "other", "bob")
	d := ok(db.CreateDomain(ctx, deis.Domain{App: "demo", Owner: "bob", Domain: "www.x.org"}))(t)
	if d.App != "demo" || d.Owner != "bob" || d.Created.IsZero() {
		t.Errorf("%+v", d)
	}
	_, err := db.CreateDomain(ctx, deis.Domain{App: "other", Owner: "bob", Domain: "WWW.x.org"})
	notUnique(t, err, "domain")
	ok(db.CreateDomain(ctx, deis.Domain{App: "demo", Owner: "bob", Domain: "a.org"}))(t)
	if got := ok(db.Domain(ctx, "www.X.org"))(t); got != d {
		t.Errorf("%+v", got)
	}
	all, n, err := db.Domains(ctx, "demo", deis.Page{})
	if got := names(all, func(d deis.Domain) string { return d.Domain }); got != "[www.x.org a.org]" || n != 2 || err != nil {
		t.Error(got, n, err)
	}
	is(t, db.DeleteDomain(ctx, "other", "a.org"), deis.NotFound)
	done(t, db.DeleteDomain(ctx, "demo", "A.org"))
	_, err = db.Domain(ctx, "a.org")
	is(t, err, deis.NotFound)
	_, err = db.CreateDomain(ctx, deis.Domain{App: "none", Owner: "bob", Domain: "b.org"})
	is(t, err, deis.NotFound)
}

func TestPushesAreKeptButNotForEver(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	in := deis.Push{App: "demo", Owner: "bob", SHA: "abc", Fingerprint: "aa", ReceiveUser: "bob", ReceiveRepo: "demo",
		SSHConnection: "1 2", SSHOriginalCommand: "git-receive-pack 'demo.git'"}
	got := ok(db.CreatePush(ctx, in))(t)
	in.UUID, in.Created, in.Updated = got.UUID, got.Created, got.Updated
	if got != in || got.UUID == "" {
		t.Errorf("%+v", got)
	}
	done(t, db.exec(ctx, `INSERT INTO pushes (uuid, app, owner, sha, fingerprint, receive_user, receive_repo, ssh_connection, ssh_original_command)
		SELECT gen_random_uuid(), 'demo', 'bob', '', '', '', '', '', '' FROM generate_series(1, 1500)`, nil))
	last := ok(db.CreatePush(ctx, in0(in)))(t)
	if n := ok(value[int](ctx, db.records, `SELECT count(*) FROM pushes`, nil))(t); n != 1000 {
		t.Error(n)
	}
	if n := ok(value[int](ctx, db.records, `SELECT count(*) FROM pushes WHERE uuid = '`+last.UUID+`'`, nil))(t); n != 1 {
		t.Error("the newest is gone")
	}
	_, err := db.CreatePush(ctx, deis.Push{App: "none", Owner: "bob"})
	is(t, err, deis.NotFound)
}

// in0 is a push that was not stored yet.
func in0(p deis.Push) deis.Push {
	p.UUID = ""
	return p
}
