package postgres

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

func TestUsers(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	made := ok(db.CreateUser(ctx, deis.User{Username: "bob", Email: "b@x.org", FirstName: "B", LastName: "O"}, "h1"))(t)
	if !made.Superuser || !made.Active || made.ID == 0 || made.Joined.IsZero() || made.LastLogin.IsZero() {
		t.Errorf("first user: %+v", made)
	}
	if got := ok(db.User(ctx, "bob"))(t); got != made {
		t.Errorf("got %+v, made %+v", got, made)
	}
	_, err := db.CreateUser(ctx, deis.User{Username: "bob"}, "h")
	notUnique(t, err, "username")
	if got := ok(db.CreateUser(ctx, deis.User{Username: "Bob"}, "h2"))(t); got.Superuser {
		t.Error("second user is a superuser")
	}
	users(t, db, "al")
	all, n, err := db.Users(ctx, false, deis.Page{})
	done(t, err)
	if got := names(all, func(u deis.User) string { return u.Username }); got != "[Bob al bob]" || n != 3 {
		t.Error(got, n)
	}
	if all, n, err := db.Users(ctx, true, deis.Page{}); err != nil || n != 1 || all[0].Username != "bob" {
		t.Error(all, n, err)
	}

	done(t, db.SetPasswordHash(ctx, "bob", "h9"))
	if h := ok(db.PasswordHash(ctx, "bob"))(t); h != "h9" {
		t.Error(h)
	}
	is(t, db.SetPasswordHash(ctx, "nobody", "h"), deis.NotFound)
	_, err = db.PasswordHash(ctx, "nobody")
	is(t, err, deis.NotFound)
	_, err = db.User(ctx, "nobody")
	is(t, err, deis.NotFound)
}

func TestThereIsAlwaysASuperuser(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "al")
	is(t, db.SetSuperuser(ctx, "bob", false), deis.Conflict)
	is(t, db.SetSuperuser(ctx, "nobody", true), deis.NotFound)
	is(t, db.DeleteUser(ctx, "bob"), deis.Conflict)
	done(t, db.SetSuperuser(ctx, "al", false)) // is none
	done(t, db.SetSuperuser(ctx, "al", true))
	done(t, db.SetSuperuser(ctx, "bob", false))
	if ok(db.User(ctx, "bob"))(t).Superuser || !ok(db.User(ctx, "al"))(t).Superuser {
		t.Error("not changed")
	}
	is(t, db.DeleteUser(ctx, "al"), deis.Conflict)
	done(t, db.DeleteUser(ctx, "bob"))
	done(t, db.DeleteUser(ctx, "al")) // the last of all users
	users(t, db, "eve")
	if !ok(db.User(ctx, "eve"))(t).Superuser {
		t.Error("an empty platform must have a first user")
	}
}

func TestOneOfManyFirstUsersBecomesSuperuser(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := db.CreateUser(ctx, deis.User{Username: fmt.Sprint("u", i)}, "h"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, n, err := db.Users(ctx, true, deis.Page{}); n != 1 || err != nil {
		t.Error(n, err)
	}
	// Two superusers that demote each other at once: one of them stays.
	done(t, db.SetSuperuser(ctx, "u1", true))
	done(t, db.SetSuperuser(ctx, "u2", true))
	for i := range 12 {
		wg.Go(func() { _ = db.SetSuperuser(ctx, fmt.Sprint("u", i), false) })
	}
	wg.Wait()
	if _, n, err := db.Users(ctx, true, deis.Page{}); n != 1 || err != nil {
		t.Error(n, err)
	}
}

func TestUserOfPerson(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	made := ok(db.UserOfPerson(ctx, deis.Person{Username: "Ann", Email: "a@x.org", FirstName: "A", LastName: "O"}, "!"))(t)
	if made.Username != "ann" || made.Email != "a@x.org" || made.FirstName != "A" || made.LastName != "O" || made.Superuser || !made.Active {
		t.Errorf("%+v", made)
	}
	if h := ok(db.PasswordHash(ctx, "ann"))(t); h != "!" {
		t.Error(h)
	}
	// The first of all is no superuser: that is whoever registers first.
	users(t, db, "ANN", "Bob", "bob")
	done(t, db.SetPasswordHash(ctx, "ann", "h"))
	if got := ok(db.UserOfPerson(ctx, deis.Person{Username: "ANN", Email: "b@x.org"}, "!"))(t); got.ID != made.ID || got.Email != "b@x.org" || got.FirstName != "A" {
		t.Errorf("%+v", got)
	}
	if h := ok(db.PasswordHash(ctx, "ann"))(t); h != "h" {
		t.Error("the local password is gone")
	}
	if u := ok(db.User(ctx, "ANN"))(t); !u.Superuser || u.Email != "" {
		t.Errorf("%+v", u)
	}
	if got := ok(db.UserOfPerson(ctx, deis.Person{Username: "bob"}, "!"))(t); got.Username != "Bob" {
		t.Errorf("%+v, not the oldest", got)
	}
	if _, err := db.UserOfPerson(ctx, deis.Person{Username: "x\x00"}, "!"); deis.KindOf(err) != deis.Invalid {
		t.Error(err)
	}
}

func TestUserOfPersonAtOnce(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if u, err := db.UserOfPerson(ctx, deis.Person{Username: []string{"ann", "Ann"}[i%2]}, "!"); err != nil || u.Username != "ann" {
				t.Error(u, err)
			}
		})
	}
	wg.Wait()
	if _, n, err := db.Users(ctx, false, deis.Page{}); n != 1 || err != nil {
		t.Error(n, err)
	}
	done(t, db.DeleteUser(ctx, "ann")) // no superuser was there before, and none is needed after
	users(t, db, "bob")
	ok(db.UserOfPerson(ctx, deis.Person{Username: "ann"}, "!"))(t)
	is(t, db.DeleteUser(ctx, "bob"), deis.Conflict)
}

func TestDeleteUserLeavesOtherPeoplesAppsWhole(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "owner", "bob")
	app(t, db, "demo", "owner")
	app(t, db, "mine", "bob")
	err := db.DeleteUser(ctx, "bob")
	is(t, err, deis.Conflict)
	if want := "bob still has applications assigned. Delete or transfer ownership"; err.Error() != want {
		t.Error(err)
	}
	is(t, db.DeleteUser(ctx, "nobody"), deis.NotFound)
	done(t, db.SetOwner(ctx, "mine", "owner"))

	r := release(t, db, "demo", "bob")
	done(t, db.CommitRelease(ctx, r.UUID))
	done(t, db.Grant(ctx, "demo", "bob"))
	ok(db.CreateDomain(ctx, deis.Domain{App: "demo", Owner: "bob", Domain: "x.org"}))(t)
	ok(db.CreatePush(ctx, deis.Push{App: "demo", Owner: "bob"}))(t)
	ok(db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "k", Public: "p", Fingerprint: "f"}))(t)
	ok(db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: "x.org"}, deis.Pair{}))(t)
	ok(db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: "y.org"}, deis.Pair{}))(t)
	done(t, db.CreateToken(ctx, "bob", []byte("hash")))
	ok(db.CreateContainers(ctx, []deis.Container{{App: "demo", Owner: "bob", Version: 2, Type: "web", Num: 1, Phase: deis.Serving}}))(t)

	done(t, db.DeleteUser(ctx, "bob"))
	latest := ok(db.LatestRelease(ctx, "demo"))(t)
	if latest.Version != 2 || latest.Owner != "owner" {
		t.Errorf("%+v", latest)
	}
	owners := []string{
		ok(db.Build(ctx, "demo", latest.Build))(t).Owner,
		ok(db.Config(ctx, "demo", latest.Config))(t).Owner,
		ok(db.Domain(ctx, "x.org"))(t).Owner,
		ok(db.Cert(ctx, "x.org"))(t).Owner,
		ok(db.Containers(ctx, "demo"))(t)[0].Owner,
	}
	for i, o := range owners {
		if o != "owner" {
			t.Error(i, o)
		}
	}
	if got := ok(db.Grantees(ctx, "demo"))(t); len(got) != 0 {
		t.Error(got)
	}
	_, err = db.Cert(ctx, "y.org")
	is(t, err, deis.NotFound)
	_, err = db.UserByToken(ctx, []byte("hash"))
	is(t, err, deis.NotFound)
	if _, n, err := db.Keys(ctx, "bob", deis.Page{}); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestTokens(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "al")
	hash := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 32) }
	done(t, db.CreateToken(ctx, "al", hash(200)))
	for i := range 52 {
		done(t, db.CreateToken(ctx, "bob", hash(i)))
	}
	for i, want := range map[int]bool{0: false, 1: false, 2: true, 51: true} {
		u, err := db.UserByToken(ctx, hash(i))
		if (err == nil) != want || want && u.Username != "bob" {
			t.Error(i, u.Username, err)
		}
	}
	done(t, db.DeleteTokens(ctx, "bob"))
	_, err := db.UserByToken(ctx, hash(51))
	is(t, err, deis.NotFound)
	if u := ok(db.UserByToken(ctx, hash(200)))(t); u.Username != "al" {
		t.Error(u)
	}
	done(t, db.DeleteTokens(ctx, ""))
	_, err = db.UserByToken(ctx, hash(200))
	is(t, err, deis.NotFound)
	is(t, db.CreateToken(ctx, "nobody", hash(1)), deis.NotFound)
}

func TestKeys(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "al")
	k := ok(db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "bob@home", Public: "ssh-rsa AAAA bob", Fingerprint: "aa:bb"}))(t)
	if k.UUID == "" || k.Created.IsZero() {
		t.Errorf("%+v", k)
	}
	if got := ok(db.Key(ctx, "bob", "bob@home"))(t); got != k {
		t.Errorf("%+v", got)
	}
	_, err := db.CreateKey(ctx, deis.Key{Owner: "al", ID: "x", Public: "ssh-rsa AAAA al", Fingerprint: "aa:bb"})
	notUnique(t, err, "public") // one key, one user
	_, err = db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "bob@home", Public: "ssh-rsa BBBB", Fingerprint: "cc"})
	notUnique(t, err, "id")
	ok(db.CreateKey(ctx, deis.Key{Owner: "al", ID: "bob@home", Public: "ssh-rsa CCCC", Fingerprint: "dd"}))(t)
	ok(db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "a", Public: "ssh-rsa BBBB", Fingerprint: "cc"}))(t)
	_, err = db.CreateKey(ctx, deis.Key{Owner: "nobody", ID: "a", Public: "ssh-rsa X", Fingerprint: "ee"})
	is(t, err, deis.NotFound)

	all, n, err := db.Keys(ctx, "bob", deis.Page{})
	if got := names(all, func(k deis.Key) string { return k.ID }); got != "[bob@home a]" || n != 2 || err != nil {
		t.Error(got, n, err)
	}
	_, err = db.DeleteKey(ctx, "al", "a")
	is(t, err, deis.NotFound)
	if gone := ok(db.DeleteKey(ctx, "bob", "a"))(t); gone.Owner != "bob" || gone.ID != "a" {
		t.Errorf("%+v", gone)
	}
	_, err = db.Key(ctx, "bob", "a")
	is(t, err, deis.NotFound)
}

// A login by the directory looks at one of many users, not at all of them.
func TestPersonsAreFoundByAnIndex(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	done(t, db.exec(ctx, `INSERT INTO users (username, email, first_name, last_name, password_hash, superuser)
		SELECT 'User' || n, '', '', '', 'h', false FROM generate_series(1, 10000) n`, nil))
	done(t, db.exec(ctx, `ANALYZE users`, nil))
	for name, statement := range map[string]string{"create": createPerson, "update": updatePerson} {
		plan := strings.Join(ok(all(ctx, db.records, pgx.RowTo[string], `EXPLAIN `+statement, pgx.NamedArgs{
			"username": "uSER77", "email": "", "first_name": "", "last_name": "", "password_hash": "h",
		}))(t), "\n")
		if !strings.Contains(plan, "users_in_any_case") || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
	if u := ok(db.UserOfPerson(ctx, deis.Person{Username: "uSER77", Email: "u@x.org"}, "h"))(t); u.Username != "User77" || u.Email != "u@x.org" {
		t.Errorf("%+v", u)
	}
}
