package postgres

import (
	"testing"

	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
)

func TestSetCrashed(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	app(t, db, "demo", "bob")
	cs := ok(db.CreateContainers(ctx, []deis.Container{
		{App: "demo", Owner: "bob", Version: 2, Type: "web", Num: 1, Phase: deis.Serving},
		{App: "demo", Owner: "bob", Version: 2, Type: "web", Num: 2, Phase: deis.Serving},
	}))(t)
	both := []string{cs[0].UUID, cs[1].UUID}
	for _, step := range []struct {
		uuids   []string
		crashed bool
		changed int
	}{{both[:1], true, 1}, {both, true, 1}, {both, true, 0}, {both[:1], false, 1}, {both, false, 1}, {nil, true, 0}, {[]string{uuid.NewString()}, true, 0}} {
		if n := ok(db.SetCrashed(ctx, step.uuids, step.crashed))(t); n != step.changed {
			t.Errorf("%+v: %d changed", step, n)
		}
	}
	ok(db.SetCrashed(ctx, both[1:], true))(t)
	if rows := ok(db.Containers(ctx, "demo"))(t); rows[0].Crashed || !rows[1].Crashed || !rows[1].Updated.Equal(cs[1].Updated) {
		t.Errorf("%+v", rows)
	}
}
