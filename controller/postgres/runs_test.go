package postgres

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
)

func TestRuns(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	app(t, db, "other", "bob")
	one, two, third := uuid.NewString(), uuid.NewString(), uuid.NewString()
	done(t, db.CreateRun(ctx, "demo", one))
	done(t, db.CreateRun(ctx, "demo", two))
	done(t, db.CreateRun(ctx, "other", third))
	is(t, db.CreateRun(ctx, "nowhere", uuid.NewString()), deis.NotFound)
	done(t, db.BeatRuns(ctx, []string{one, uuid.NewString()}))
	done(t, db.BeatRuns(ctx, nil))
	runs := ok(db.Runs(ctx, "demo"))(t)
	for _, want := range []deis.Run{{UUID: one, App: "demo", Beats: 1}, {UUID: two, App: "demo"}} {
		if !slices.Contains(runs, want) || len(runs) != 2 {
			t.Errorf("no %+v in %+v", want, runs)
		}
	}
	if all := ok(db.Runs(ctx, ""))(t); len(all) != 3 {
		t.Error(all)
	}
	done(t, db.DeleteRuns(ctx, []string{one, uuid.NewString()}))
	done(t, db.DeleteRuns(ctx, nil))
	done(t, db.MarkDestroyed(ctx, "other"))
	done(t, db.DeleteApp(ctx, "other"))
	if all := ok(db.Runs(ctx, ""))(t); len(all) != 1 || all[0].UUID != two {
		t.Error(all)
	}
}
