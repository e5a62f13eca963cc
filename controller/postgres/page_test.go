package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
)

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		page          deis.Page
		total         int
		offset, limit int
		ok            bool
	}{
		{deis.Page{}, 0, 0, 100, true},
		{deis.Page{Size: 10, Number: 1}, 0, 0, 10, true},
		{deis.Page{Size: 10, Number: 2}, 0, 0, 0, false},
		{deis.Page{Size: 10, Last: true}, 0, 0, 10, true},
		{deis.Page{Size: 10, Number: 2}, 10, 0, 0, false},
		{deis.Page{Size: 10, Number: 2}, 11, 10, 10, true},
		{deis.Page{Size: 10, Number: 3}, 11, 0, 0, false},
		{deis.Page{Size: 10, Last: true}, 10, 0, 10, true},
		{deis.Page{Size: 10, Last: true}, 11, 10, 10, true},
		{deis.Page{Size: 1, Last: true}, 3, 2, 1, true},
		{deis.Page{Size: 10, Number: -1}, 3, 0, 10, true},
		{deis.Page{Size: -5, Number: 2}, 101, 100, 100, true},
		{deis.Page{Size: 1 << 62, Number: 1}, 3, 0, 1 << 62, true},
		{deis.Page{Size: 1 << 62, Number: 1 << 62}, 3, 0, 0, false},
	} {
		offset, limit, ok := window(c.page, c.total)
		if offset != c.offset || limit != c.limit || ok != c.ok {
			t.Errorf("%+v of %d: %d %d %v", c.page, c.total, offset, limit, ok)
		}
	}
}

func TestListOfThousandApps(t *testing.T) {
	db, ctx := fresh(t), t.Context()
	users(t, db, "bob")
	done(t, db.exec(ctx, `INSERT INTO apps (uuid, id, owner, structure)
		SELECT gen_random_uuid(), 'app-' || i, 'bob', '{"web": 1}' FROM generate_series(1, 1000) i`, nil))
	before := db.pool.Stat().AcquireCount()
	for _, user := range []string{"", "bob"} {
		started := time.Now()
		apps, n, err := db.Apps(ctx, user, deis.Page{Size: 1000, Number: 1})
		if len(apps) != 1000 || n != 1000 || err != nil || apps[0].ID != "app-1" || apps[999].ID != "app-1000" {
			t.Error(len(apps), n, err)
		}
		t.Logf("1,000 apps of %q in %v", user, time.Since(started))
	}
	if n := db.pool.Stat().AcquireCount() - before; n != 4 {
		t.Errorf("two lists took %d statements", n)
	}
	apps, n, err := db.Apps(ctx, "", deis.Page{Size: 300, Last: true})
	if len(apps) != 100 || n != 1000 || err != nil || apps[0].ID != "app-901" {
		t.Error(len(apps), n, err)
	}
	_, _, err = db.Apps(ctx, "", deis.Page{Size: 300, Number: 5})
	is(t, err, deis.NotFound)
	if fmt.Sprint(err) != "Not found" {
		t.Error(err)
	}
}
