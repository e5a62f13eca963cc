package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

func TestState(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob", "gone")
	config := func(app string, pending bool, values map[string]string) {
		t.Helper()
		c := ok(db.CreateConfig(ctx, deis.Config{App: app, Owner: "bob", Values: values}))(t)
		ok(db.CreateRelease(ctx, deis.Release{App: app, Owner: "bob", Config: c.UUID, Pending: pending}))(t)
	}
	for _, id := range []string{"a", "b", "dead"} {
		app(t, db, id, "bob")
		ok(db.CreateDomain(ctx, deis.Domain{App: id, Owner: "bob", Domain: id + ".org"}))(t)
	}
	config("a", false, map[string]string{"DEIS_WHITELIST": "old", "SECRET": "x"})
	config("a", false, map[string]string{"DEIS_WHITELIST": "1.2.3.4", "healthcheck_url": "/h", "SECRET": "x"})
	config("a", true, map[string]string{"DEIS_WHITELIST": "not yet"})
	config("b", false, map[string]string{"SECRET": "x"})
	config("dead", false, map[string]string{"DEIS_WHITELIST": "x"})
	done(t, db.MarkDestroyed(ctx, "dead"))
	ok(db.CreateKey(ctx, deis.Key{Owner: "bob", ID: "k", Public: "ssh-rsa A", Fingerprint: "aa"}))(t)
	ok(db.CreateKey(ctx, deis.Key{Owner: "gone", ID: "k", Public: "ssh-rsa B", Fingerprint: "bb"}))(t)
	done(t, db.exec(ctx, `UPDATE users SET active = false WHERE username = 'gone'`, nil))
	ok(db.CreateCert(ctx, deis.Cert{Owner: "bob", CommonName: "a.org"}, deis.Pair{Chain: "C", Key: "K"}))(t)

	apps, domains, keys, certs, configs, err := db.State(ctx, []string{"deis_whitelist", "healthcheck_url"})
	done(t, err)
	if fmt.Sprint(apps) != "[a b]" {
		t.Error(apps)
	}
	if got := names(domains, func(d deis.Domain) string { return d.App + "=" + d.Domain }); got != "[a=a.org b=b.org]" {
		t.Error(got)
	}
	if got := names(keys, func(k deis.Key) string { return k.Owner + k.Fingerprint + k.Public }); got != "[bobaassh-rsa A]" {
		t.Error(got)
	}
	if len(certs) != 1 || certs[0] != (deis.Pair{CommonName: "a.org", Chain: "C", Key: "K"}) {
		t.Error(certs)
	}
	if len(configs) != 1 || configs[0].App != "a" || fmt.Sprint(configs[0].Values) != "map[DEIS_WHITELIST:1.2.3.4 healthcheck_url:/h]" {
		t.Errorf("%+v", configs)
	}
	// Of what is named there is that alone, of what is not there nothing.
	for _, of := range []struct {
		parts []deis.Part
		want  string
	}{
		{[]deis.Part{{Kind: deis.PartApp, Name: "b"}, {Kind: deis.PartApp, Name: "dead"}}, "[b] [] [] [] []"},
		{[]deis.Part{{Kind: deis.PartDomain, Name: "a.org"}, {Kind: deis.PartDomain, Name: "dead.org"}}, "[] [a.org] [] [] []"},
		{[]deis.Part{{Kind: deis.PartKey, Owner: "bob", Name: "aa"}, {Kind: deis.PartKey, Owner: "gone", Name: "bb"}}, "[] [] [aa] [] []"},
		{[]deis.Part{{Kind: deis.PartCert, Name: "a.org"}, {Kind: deis.PartCert, Name: "none.org"}}, "[] [] [] [a.org] []"},
		{[]deis.Part{{Kind: deis.PartConfig, Name: "a"}, {Kind: deis.PartConfig, Name: "b"}}, "[] [] [] [] [a]"},
		{[]deis.Part{{Kind: deis.PartConfig, Name: "b"}, {Kind: deis.PartApp, Name: "a"}, {Kind: deis.PartCert, Name: "a.org"}}, "[a] [] [] [a.org] []"},
	} {
		apps, domains, keys, certs, configs, err := db.State(ctx, []string{"deis_whitelist", "healthcheck_url"}, of.parts...)
		done(t, err)
		got := fmt.Sprint(apps, names(domains, func(d deis.Domain) string { return d.Domain }), names(keys, func(k deis.Key) string { return k.Fingerprint }),
			names(certs, func(c deis.Pair) string { return c.CommonName }), names(configs, func(c deis.Config) string { return c.App }))
		if strings.ReplaceAll(got, "][", "] [") != of.want {
			t.Errorf("%+v: %s", of.parts, got)
		}
	}
}

func TestStateOfALargePlatform(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	for _, sql := range []string{
		`INSERT INTO apps (uuid, id, owner, structure) SELECT gen_random_uuid(), 'app-' || i, 'bob', '{}' FROM generate_series(1, 1000) i`,
		`INSERT INTO configs (uuid, app, owner, "values", memory, cpu, tags)
			SELECT gen_random_uuid(), id, 'bob', '{"DEIS_WHITELIST": "1.2.3.4", "A": "` + fmt.Sprintf("%1000s", "x") + `"}', '{}', '{}', '{}' FROM apps`,
		`INSERT INTO releases (uuid, app, owner, version, summary, config, image, pending, push)
			SELECT gen_random_uuid(), app, 'bob', v, '', uuid, '', false, '' FROM configs, generate_series(1, 20) v`,
		`INSERT INTO keys (uuid, owner, id, public, fingerprint)
			SELECT gen_random_uuid(), 'bob', i::text, repeat('k', 380), md5(i::text) FROM generate_series(1, 10000) i`,
		`ANALYZE apps, configs, releases, keys`,
	} {
		done(t, db.exec(ctx, sql, nil))
	}
	started := time.Now()
	apps, _, keys, _, configs, err := db.State(ctx, []string{"deis_whitelist"})
	done(t, err)
	t.Logf("read in %v", time.Since(started))
	if len(apps) != 1000 || len(keys) != 10000 || len(configs) != 1000 {
		t.Error(len(apps), len(keys), len(configs))
	}
}
