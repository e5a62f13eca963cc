package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/pgtest"
)

func certName(c deis.Cert) string { return c.CommonName }

func TestCerts(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "al")
	expires := time.Date(2016, 3, 5, 17, 14, 27, 0, time.UTC)
	c := ok(db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: "x.org", Expires: expires}, deis.Pair{Chain: "C", Key: "K"}))(t)
	if c.ID == 0 || c.Owner != "bob" || c.CommonName != "x.org" || !c.Expires.Equal(expires) || c.Created.IsZero() || c.Updated.IsZero() {
		t.Errorf("%+v", c)
	}
	if got := ok(db.Cert(ctx, "x.org"))(t); got != c {
		t.Errorf("%+v", got)
	}
	for _, owner := range []string{"bob", "al"} {
		_, err := db.CreateCert(ctx, deis.Cert{Owner: owner, CommonName: "x.org"}, deis.Pair{})
		notUnique(t, err, "common_name")
	}
	_, err := db.CreateCert(ctx, deis.Cert{Owner: "nobody", CommonName: "y.org"}, deis.Pair{})
	is(t, err, deis.NotFound)
	for _, name := range []string{"", "*.x.org", "X.org", "a/b", "..", "x..org", "x.org\n"} { // whatever the rules let through
		if _, err := db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: name}, deis.Pair{}); err == nil {
			t.Errorf("%q would become part of an etcd key", name)
		}
	}
	ok(db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: "a.org"}, deis.Pair{}))(t)
	ok(db.CreateCert(ctx, deis.Cert{Owner: "al", CommonName: "b.org"}, deis.Pair{}))(t)
	all, n, err := db.Certs(ctx, "bob", deis.Page{})
	if got := names(all, certName); got != "[x.org a.org]" || n != 2 || err != nil {
		t.Error(got, n, err)
	}
	is(t, db.DeleteCert(ctx, "al", "x.org"), deis.NotFound)
	done(t, db.DeleteCert(ctx, "bob", "x.org"))
	is(t, db.DeleteCert(ctx, "bob", "x.org"), deis.NotFound)
	_, err = db.Cert(ctx, "x.org")
	is(t, err, deis.NotFound)
}

// TestClaimsTakeTurns: who claims a name waits for whoever has, and for nobody
// with another name or an app's lock.
func TestClaimsTakeTurns(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	take(t, db, "x.org") // an app's lock of that name
	second := make(chan error, 1)
	done(t, db.InTx(ctx, func(tx deis.Tx) error {
		done(t, tx.ClaimHost(ctx, "x.org"))
		done(t, tx.ClaimHost(ctx, "x.org"))
		done(t, db.InTx(ctx, func(tx deis.Tx) error { return tx.ClaimHost(ctx, "y.org") }))
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		is(t, db.InTx(ctx, func(tx deis.Tx) error { return tx.ClaimHost(short, "x.org") }), deis.Unavailable)
		go func() { second <- db.InTx(ctx, func(tx deis.Tx) error { return tx.ClaimHost(ctx, "x.org") }) }()
		return nil
	}))
	done(t, <-second)
}

// TestKeysOfBeforeGetSHA256 migrates a database that has keys.
func TestKeysOfBeforeGetSHA256(t *testing.T) {
	ctx, source := t.Context(), place(t, pgtest.New(t))
	settings, err := arrive(ctx, source)
	done(t, err)
	old := stdlib.OpenDB(*settings)
	defer old.Close()
	done(t, goose.SetDialect("postgres"))
	goose.SetBaseFS(migrations)
	goose.SetLogger(goose.NopLogger())
	done(t, goose.UpToContext(ctx, old, "migrations", 5))
	_, err = old.ExecContext(ctx, `INSERT INTO users (username, email, first_name, last_name, password_hash, superuser) VALUES ('bob', '', '', '', '', true)`)
	done(t, err)
	for id, public := range map[string]string{
		"good":  "ssh-ed25519 \t AAAAC3NzaC1lZDI1NTE5AAAAIFgTmTHMnXTjSFIV2FcNX6dEEFhQSd2cZiyaQsHhm2dD me@host",
		"plain": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFgTmTHMnXTjSFIV2FcNX6dEEFhQSd2cZiyaQsHhm2dD",
		"bad":   "ssh-rsa A=== me", "none": "ssh-rsa",
	} {
		_, err = old.ExecContext(ctx, `INSERT INTO keys (uuid, owner, id, public, fingerprint) VALUES (gen_random_uuid(), 'bob', $1, $2, $1)`, id, public)
		done(t, err)
	}
	db := open(t, source)
	for id, want := range map[string]string{
		"good": "SHA256:dqiEj5tvgTHjlkkoh7kKVHWiJ6BbQBfkRB5i3W+bNbY", "plain": "SHA256:dqiEj5tvgTHjlkkoh7kKVHWiJ6BbQBfkRB5i3W+bNbY", "bad": "", "none": "",
	} {
		got, err := value[string](ctx, db.records, `SELECT sha256 FROM keys WHERE id = @id`, pgx.NamedArgs{"id": id})
		if got != want || err != nil {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
}
