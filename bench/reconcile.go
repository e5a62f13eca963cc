package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/labels"
)

var reconcileRow = row{name: "reconcile", bars: []Bar{reconcileBar}, measure: measureReconcile}

var reconcileBar = Bar{What: "no-op reconcile of 10,000 containers", Text: "≤ 1 s, 0 writes", Allowed: constant(1)}

// Containers of the row.
const reconciledApps, reconciledEach = 200, 50

// measureReconcile makes the controller's pass over all apps in this process:
// the rows are in a database of their own on the platform's server, the
// containers in the scheduler without an engine.
func measureReconcile(ctx context.Context, b *bench) (lines []Line, err error) {
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	drop, err := b.newDatabase(ctx, "reconcile")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	engine := mock.New(mock.Options{})
	defer engine.Close()
	err = b.withRecords(ctx, "reconcile", func(db *postgres.DB) error { return fill(ctx, db, engine) })
	if err != nil {
		return nil, err
	}
	if _, err := b.psql(ctx, "reconcile", "VACUUM ANALYZE"); err != nil { // as autovacuum would have by then
		return nil, err
	}
	rows, err := b.rowsWritten(ctx, "reconcile")
	if err != nil {
		return nil, err
	}
	if rows < reconciledApps*reconciledEach {
		return nil, fmt.Errorf("the server counted %d rows written, fewer than were", rows)
	}
	calls := engine.Calls()
	var took []float64
	err = b.withRecords(ctx, "reconcile", func(db *postgres.DB) error {
		c := deis.New(deis.Needs{Log: slog.New(slog.DiscardHandler), Platform: b.platform.Name, Records: db, Scheduler: engine})
		for range b.rounds(false) + 1 { // the first opens connections and does not count
			began := time.Now()
			todo, err := c.Divergent(ctx)
			if err != nil {
				return err
			}
			took = append(took, time.Since(began).Seconds())
			if len(todo) > 0 {
				return fmt.Errorf("there was something to do for %d apps", len(todo))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	after, err := b.rowsWritten(ctx, "reconcile")
	if err != nil {
		return nil, err
	}
	changes := 0
	for op, n := range engine.Calls() {
		if op != mock.States {
			changes += n - calls[op]
		}
	}
	line := reconcileBar.alone(NewSeries(Seconds, took[1:]))
	line.Met = line.Met && after == rows && changes == 0
	line.Note = fmt.Sprintf("%d apps of %d containers, in PostgreSQL and in the mock scheduler; in all rounds %d rows written and %d calls of the scheduler that change something",
		reconciledApps, reconciledEach, after-rows, changes)
	return []Line{line}, nil
}

// withRecords gives fn the controller's records in a database of the
// platform's server. When it returns the server has counted what fn did.
func (b *bench) withRecords(ctx context.Context, database string, fn func(*postgres.DB) error) error {
	host, err := b.platform.Address(ctx, "database")
	if err != nil {
		return err
	}
	password, err := b.databasePassword(ctx)
	if err != nil {
		return err
	}
	place := postgres.Config{Host: host, Port: 5432, User: "deis", Password: password, Name: database}
	db, err := postgres.Connect(ctx, slog.New(slog.DiscardHandler), func(context.Context) (postgres.Config, error) { return place, nil })
	if err != nil {
		return err
	}
	err = fn(db)
	db.Close()
	if err != nil {
		return err
	}
	_, err = when(ctx, 20*time.Millisecond, "the connections are closed", func(ctx context.Context) bool {
		n, err := b.psql(ctx, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = '"+database+"'")
		return err == nil && n == "0"
	})
	return err
}

// rowsWritten is how many rows were ever written in a database.
func (b *bench) rowsWritten(ctx context.Context, database string) (int, error) {
	text, err := b.psql(ctx, database, "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// fill makes apps whose containers all run.
func fill(ctx context.Context, db *postgres.DB, engine *mock.Scheduler) error {
	if _, err := db.CreateUser(ctx, deis.User{Username: "bench", Email: "bench@example.com"}, "no hash"); err != nil {
		return err
	}
	for i := range reconciledApps {
		app := "app-" + strconv.Itoa(i)
		if _, err := db.CreateApp(ctx, deis.App{ID: app, Owner: "bench", Structure: map[string]int{"web": reconciledEach}}); err != nil {
			return err
		}
		rows := make([]deis.Container, reconciledEach)
		for n := range rows {
			rows[n] = deis.Container{App: app, Owner: "bench", Version: 2, Type: "web", Num: n + 1, Phase: deis.Serving}
		}
		rows, err := db.CreateContainers(ctx, rows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := engine.Create(ctx, deis.Spec{Identity: labels.Identity{UUID: row.UUID, ID: row.Job()}}); err != nil {
				return err
			}
			if err := engine.Start(ctx, row.UUID); err != nil {
				return err
			}
		}
	}
	return nil
}
