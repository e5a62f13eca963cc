package postgres

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/deis/deis/controller/deis"
)

func version(r deis.Release) string { return fmt.Sprint(r.Version) }

func TestConfigsKeepStringsStrings(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	in := deis.Config{
		App: "demo", Owner: "bob",
		Values: map[string]string{"DATE": "2015-01-02", "N": "5000", "U": "Привет \" \\ \n$X", "E": "", "HTML": "<&>", "Z": "a", "a": "b"},
		Memory: map[string]string{"web": "512M"}, CPU: map[string]int{"web": 1024}, Tags: map[string]string{"ssd": "true"},
	}
	made := ok(db.CreateConfig(ctx, in))(t)
	for _, c := range []deis.Config{made, ok(db.Config(ctx, "demo", made.UUID))(t)} {
		if !maps.Equal(c.Values, in.Values) || !maps.Equal(c.Memory, in.Memory) || !maps.Equal(c.CPU, in.CPU) || !maps.Equal(c.Tags, in.Tags) {
			t.Errorf("%+v", c)
		}
	}
	if c := ok(db.CreateConfig(ctx, deis.Config{App: "demo", Owner: "bob"}))(t); c.Values == nil || c.Memory == nil || c.CPU == nil || c.Tags == nil {
		t.Errorf("nil maps: %+v", c)
	}
	_, err := db.CreateConfig(ctx, deis.Config{App: "demo", Owner: "bob", Values: map[string]string{"A": "\x00"}})
	is(t, err, deis.Invalid)
	for _, uuid := range []string{"", "junk", "00000000-0000-0000-0000-000000000000"} {
		_, err = db.Config(ctx, "demo", uuid)
		is(t, err, deis.NotFound)
		_, err = db.Build(ctx, "demo", uuid)
		is(t, err, deis.NotFound)
	}
	app(t, db, "other", "bob")
	_, err = db.Config(ctx, "other", made.UUID) // of another app
	is(t, err, deis.NotFound)
	_, err = db.CreateRelease(ctx, deis.Release{App: "other", Owner: "bob", Config: made.UUID})
	is(t, err, deis.NotFound)
}

func TestBuilds(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	first := app(t, db, "demo", "bob")
	in := deis.Build{App: "demo", Owner: "bob", Image: "demo", SHA: "12345678", Procfile: map[string]string{"web": "run 'me'"}, Dockerfile: "true"}
	made := ok(db.CreateBuild(ctx, in))(t)
	if got := ok(db.Build(ctx, "demo", made.UUID))(t); fmt.Sprint(got) != fmt.Sprint(made) || got.Procfile["web"] != "run 'me'" || got.SHA != in.SHA || got.Dockerfile != "true" {
		t.Errorf("%+v", got)
	}
	listed := func(want int) {
		t.Helper()
		if bs, n, err := db.Builds(ctx, "demo", deis.Page{}); len(bs) != want || n != want || err != nil {
			t.Errorf("%d builds, %d, %v; want %d", len(bs), n, err, want)
		}
	}
	listed(0) // no release has it
	r := ok(db.CreateRelease(ctx, deis.Release{App: "demo", Owner: "bob", Config: first.Config, Build: made.UUID, Pending: true}))(t)
	listed(0) // only a pending one has
	done(t, db.CommitRelease(ctx, r.UUID))
	listed(1)
	// A second release of the same build does not double it; newest come first.
	ok(db.CreateRelease(ctx, deis.Release{App: "demo", Owner: "bob", Config: first.Config, Build: made.UUID}))(t)
	listed(1)
	next := release(t, db, "demo", "bob")
	done(t, db.CommitRelease(ctx, next.UUID))
	if bs, _, err := db.Builds(ctx, "demo", deis.Page{}); err != nil || bs[0].UUID != next.Build || bs[1].UUID != made.UUID {
		t.Error(bs, err)
	}
}

func TestReleases(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	first := app(t, db, "demo", "bob")
	app(t, db, "other", "bob")
	if first.Version != 1 || first.Build != "" || first.Pending || first.Summary != "initial" {
		t.Errorf("%+v", first)
	}
	pending := release(t, db, "demo", "bob")
	if pending.Version != 2 || !pending.Pending || pending.Build == "" {
		t.Errorf("%+v", pending)
	}
	hidden := func() {
		t.Helper()
		_, err := db.Release(ctx, "demo", 2)
		is(t, err, deis.NotFound)
		if r := ok(db.LatestRelease(ctx, "demo"))(t); r.Version != 1 {
			t.Error(r)
		}
		if c := ok(db.LatestConfig(ctx, "demo"))(t); c.UUID == pending.Config {
			t.Errorf("%+v", c)
		}
		if rs, n, err := db.Releases(ctx, "demo", deis.Page{}); n != 1 || names(rs, version) != "[1]" || err != nil {
			t.Error(rs, n, err)
		}
	}
	hidden()
	release(t, db, "other", "bob")
	if rs := ok(db.PendingReleases(ctx, "demo"))(t); len(rs) != 1 || rs[0].UUID != pending.UUID {
		t.Error(rs)
	}
	if rs := ok(db.PendingReleases(ctx, ""))(t); names(rs, func(r deis.Release) string { return r.App }) != "[demo other]" {
		t.Error(rs)
	}

	done(t, db.WithdrawRelease(ctx, pending.UUID))
	hidden()
	_, err := db.Build(ctx, "demo", pending.Build)
	is(t, err, deis.NotFound)
	_, err = db.Config(ctx, "demo", pending.Config)
	is(t, err, deis.NotFound)
	is(t, db.WithdrawRelease(ctx, pending.UUID), deis.NotFound)
	is(t, db.WithdrawRelease(ctx, first.UUID), deis.NotFound) // live
	is(t, db.CommitRelease(ctx, pending.UUID), deis.NotFound)

	again := release(t, db, "demo", "bob")
	if again.Version != 2 {
		t.Error("a failed release must give its number back", again.Version)
	}
	done(t, db.SetReleaseImage(ctx, again.UUID, "sha256:1"))
	is(t, db.SetReleaseImage(ctx, pending.UUID, "sha256:1"), deis.NotFound)
	done(t, db.CommitRelease(ctx, again.UUID))
	done(t, db.CommitRelease(ctx, again.UUID))
	if r := ok(db.LatestRelease(ctx, "demo"))(t); r.Version != 2 || r.Image != "sha256:1" || r.Pending {
		t.Errorf("%+v", r)
	}
	if r := ok(db.Release(ctx, "demo", 2))(t); r.UUID != again.UUID {
		t.Errorf("%+v", r)
	}
	if rs, n, err := db.Releases(ctx, "demo", deis.Page{}); n != 2 || names(rs, version) != "[2 1]" || err != nil {
		t.Error(rs, n, err)
	}
	if c := ok(db.LatestConfig(ctx, "demo"))(t); c.UUID != again.Config {
		t.Errorf("%+v", c)
	}
	_, err = db.LatestConfig(ctx, "none")
	is(t, err, deis.NotFound)
	_, err = db.LatestRelease(ctx, "none")
	is(t, err, deis.NotFound)
	_, err = db.CreateRelease(ctx, deis.Release{App: "none", Owner: "bob", Config: first.Config})
	is(t, err, deis.NotFound)
}

func TestWithdrawKeepsWhatOthersHave(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	live := release(t, db, "demo", "bob")
	done(t, db.CommitRelease(ctx, live.UUID))
	// As a rollback makes it: nothing of its own.
	r := ok(db.CreateRelease(ctx, deis.Release{App: "demo", Owner: "bob", Config: live.Config, Build: live.Build, Pending: true}))(t)
	done(t, db.WithdrawRelease(ctx, r.UUID))
	ok(db.Config(ctx, "demo", live.Config))(t)
	ok(db.Build(ctx, "demo", live.Build))(t)
}

func TestPushMakesOneRelease(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	first := app(t, db, "demo", "bob")
	in := deis.Release{App: "demo", Owner: "bob", Config: first.Config, Push: "p1", Pending: true}
	r := ok(db.CreateRelease(ctx, in))(t)
	if got := ok(db.ReleaseOfPush(ctx, "demo", "p1"))(t); got != r {
		t.Errorf("%+v", got)
	}
	_, err := db.CreateRelease(ctx, in)
	is(t, err, deis.Conflict)
	done(t, db.CommitRelease(ctx, r.UUID))
	if got := ok(db.ReleaseOfPush(ctx, "demo", "p1"))(t); got.Pending {
		t.Errorf("%+v", got)
	}
	for _, push := range []string{"", "p2"} {
		_, err = db.ReleaseOfPush(ctx, "demo", push)
		is(t, err, deis.NotFound)
	}
}

func TestVersionsHaveNoGapsAndNoDoubles(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	first := app(t, db, "demo", "bob")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			in := deis.Release{App: "demo", Owner: "bob", Config: first.Config}
			var err error
			if i%2 == 0 {
				_, err = db.CreateRelease(ctx, in)
			} else { // in a transaction that reads before
				err = db.InTx(ctx, func(tx deis.Tx) error {
					if _, err := tx.LatestRelease(ctx, "demo"); err != nil {
						return err
					}
					_, err := tx.CreateRelease(ctx, in)
					return err
				})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rs, n, err := db.Releases(ctx, "demo", deis.Page{})
	done(t, err)
	if n != 21 || rs[0].Version != 21 {
		t.Error(n, names(rs, version))
	}
}

func TestTransactionsStandOrFallWhole(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	boom := errors.New("boom")
	err := db.InTx(ctx, func(tx deis.Tx) error {
		app(t, tx, "demo", "bob")
		return boom
	})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	_, err = db.App(ctx, "demo")
	is(t, err, deis.NotFound)

	done(t, db.InTx(ctx, func(tx deis.Tx) error {
		app(t, tx, "demo", "bob")
		r := release(t, tx, "demo", "bob")
		return tx.CommitRelease(ctx, r.UUID)
	}))
	if r := ok(db.LatestRelease(ctx, "demo"))(t); r.Version != 2 {
		t.Error(r)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.InTx(ctx, func(tx deis.Tx) error {
			if err := tx.MarkDestroyed(ctx, "demo"); err != nil {
				return err
			}
			panic("a fault in a rule")
		})
	}()
	ok(db.App(ctx, "demo"))(t)
	if s := db.pool.Stat(); s.AcquiredConns() != 0 {
		t.Errorf("%d connections leaked", s.AcquiredConns())
	}
}

func TestContainers(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	app(t, db, "other", "bob")
	var in []deis.Container
	for n := range 20 {
		in = append(in, deis.Container{App: "demo", Owner: "bob", Version: 1, Type: "web", Num: 20 - n, Phase: deis.Starting})
	}
	made := ok(db.CreateContainers(ctx, in))(t)
	ok(db.CreateContainers(ctx, []deis.Container{{UUID: "11111111-2222-3333-4444-555555555555", App: "other", Owner: "bob", Version: 1, Type: "web", Num: 1, Phase: deis.Serving}}))(t)
	if none, err := db.CreateContainers(ctx, nil); len(none) != 0 || err != nil {
		t.Error(none, err)
	}
	num := func(c deis.Container) string { return fmt.Sprint(c.Num) }
	if names(made, num) != names(in, num) || made[0].Job().String() != "demo_v1.web.20" || made[0].UUID == "" || made[0].Phase != deis.Starting {
		t.Errorf("%+v", made)
	}
	if got := ok(db.Containers(ctx, "demo"))(t); fmt.Sprint(got) != fmt.Sprint(made) {
		t.Errorf("%+v", got)
	}
	if got := ok(db.Containers(ctx, ""))(t); len(got) != 21 || got[20].UUID != "11111111-2222-3333-4444-555555555555" {
		t.Errorf("%+v", got)
	}
	_, err := db.CreateContainers(ctx, []deis.Container{{App: "demo", Owner: "bob", Version: 1, Type: "worker", Num: 1, Phase: deis.Serving}, in[3]})
	is(t, err, deis.Conflict) // and none of the two is stored
	if got := ok(db.Containers(ctx, "demo"))(t); len(got) != 20 {
		t.Error(len(got))
	}

	a, b := made[0].UUID, made[1].UUID
	phases := func() string {
		return names(ok(db.Containers(ctx, "demo"))(t)[:2], func(c deis.Container) string { return string(c.Phase) })
	}
	done(t, db.SetPhase(ctx, nil, deis.Serving))
	done(t, db.SetPhase(ctx, []string{a, b}, deis.Serving))
	if got := phases(); got != "[serving serving]" {
		t.Error(got)
	}
	done(t, db.SetPhase(ctx, []string{a}, deis.Leaving))
	// Leaving is final, and what cannot be done for one is done for none.
	undone := db.SetPhase(ctx, []string{b, a}, deis.Starting)
	if is(t, undone, deis.Conflict); undone.Error() != "The operation was undone by another one." {
		t.Error(undone)
	}
	if got := phases(); got != "[leaving serving]" {
		t.Error(got)
	}
	done(t, db.DeleteContainers(ctx, []string{a}))
	done(t, db.DeleteContainers(ctx, []string{a, b}))
	done(t, db.DeleteContainers(ctx, nil))
	done(t, db.SetPhase(ctx, []string{a}, deis.Leaving)) // gone already
	is(t, db.SetPhase(ctx, []string{a}, deis.Serving), deis.Conflict)
	if got := ok(db.Containers(ctx, "demo"))(t); len(got) != 18 {
		t.Error(len(got))
	}
}
