package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const createRun = `INSERT INTO runs (uuid, app) VALUES (@uuid, @app)`

// CreateRun notes that a controller is at a one-off container.
func (r records) CreateRun(ctx context.Context, app, uuid string) error {
	return r.exec(ctx, createRun, pgx.NamedArgs{"app": app, "uuid": uuid})
}

const (
	runsOfApp = `SELECT uuid, app, beats FROM runs WHERE app = @app`
	runsOfAll = `SELECT uuid, app, beats FROM runs`
)

// Runs lists those of an app, or of all apps.
func (r records) Runs(ctx context.Context, app string) ([]deis.Run, error) {
	if app == "" {
		return all(ctx, r, pgx.RowToStructByName[deis.Run], runsOfAll, nil)
	}
	return all(ctx, r, pgx.RowToStructByName[deis.Run], runsOfApp, pgx.NamedArgs{"app": app})
}

const beatRuns = `UPDATE runs SET beats = beats + 1 WHERE uuid = ANY (@uuids)`

// BeatRuns says that the controller of runs is there.
func (r records) BeatRuns(ctx context.Context, uuids []string) error {
	if len(uuids) == 0 {
		return nil
	}
	return r.exec(ctx, beatRuns, pgx.NamedArgs{"uuids": uuids})
}

const deleteRuns = `DELETE FROM runs WHERE uuid = ANY (@uuids)`

// DeleteRuns forgets runs. Those that do not exist are forgotten already.
func (r records) DeleteRuns(ctx context.Context, uuids []string) error {
	if len(uuids) == 0 {
		return nil
	}
	return r.exec(ctx, deleteRuns, pgx.NamedArgs{"uuids": uuids})
}
