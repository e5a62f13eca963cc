package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const appColumns = `uuid, id, owner, structure, created, updated`

const createApp = `
INSERT INTO apps (uuid, id, owner, structure)
VALUES (@uuid, @id, @owner, @structure)
RETURNING ` + appColumns

// CreateApp stores an app. The id of one that is being destroyed is not free
// yet.
func (r records) CreateApp(ctx context.Context, a deis.App) (deis.App, error) {
	return row[deis.App](ctx, r, createApp, pgx.NamedArgs{
		"uuid": identity(a.UUID), "id": a.ID, "owner": a.Owner, "structure": object(a.Structure),
	})
}

const appByID = `SELECT ` + appColumns + ` FROM apps WHERE id = @id AND destroyed IS NULL`

// App finds an app that is not being destroyed.
func (r records) App(ctx context.Context, id string) (deis.App, error) {
	return row[deis.App](ctx, r, appByID, pgx.NamedArgs{"id": id})
}

const (
	fromApps   = `FROM apps WHERE destroyed IS NULL`
	fromAppsOf = fromApps + ` AND id IN (
    SELECT id FROM apps WHERE owner = @username UNION SELECT app FROM grants WHERE username = @username)`
)

// Apps lists what a user owns or may use; all apps if user is empty.
func (r records) Apps(ctx context.Context, user string, p deis.Page) ([]deis.App, int, error) {
	if user == "" {
		return list[deis.App](ctx, r, p, appColumns, fromApps, `seq`, nil)
	}
	return list[deis.App](ctx, r, p, appColumns, fromAppsOf, `seq`, pgx.NamedArgs{"username": user})
}

const setOwner = `UPDATE apps SET owner = @owner, updated = now() WHERE id = @id AND destroyed IS NULL`

// SetOwner gives an app to another user.
func (r records) SetOwner(ctx context.Context, app, owner string) error {
	return r.change(ctx, setOwner, pgx.NamedArgs{"id": app, "owner": owner})
}

const setStructure = `UPDATE apps SET structure = @structure, updated = now() WHERE id = @id AND destroyed IS NULL`

// SetStructure stores how many containers of each type an app should have.
func (r records) SetStructure(ctx context.Context, app string, structure map[string]int) error {
	return r.change(ctx, setStructure, pgx.NamedArgs{"id": app, "structure": object(structure)})
}

const markDestroyed = `UPDATE apps SET destroyed = coalesce(destroyed, now()) WHERE id = @id`

// MarkDestroyed hides an app from all but DestroyedApps. It may be repeated.
func (r records) MarkDestroyed(ctx context.Context, app string) error {
	return r.change(ctx, markDestroyed, pgx.NamedArgs{"id": app})
}

const destroyedApps = `SELECT ` + appColumns + ` FROM apps WHERE destroyed IS NOT NULL ORDER BY seq`

// DestroyedApps are those whose rows are still to be deleted.
func (r records) DestroyedApps(ctx context.Context) ([]deis.App, error) {
	return all(ctx, r, pgx.RowToStructByName[deis.App], destroyedApps, nil)
}

const deleteApp = `DELETE FROM apps WHERE id = @id`

// DeleteApp deletes an app and every row that belongs to it.
func (r records) DeleteApp(ctx context.Context, app string) error {
	return r.change(ctx, deleteApp, pgx.NamedArgs{"id": app})
}

const granted = `SELECT EXISTS (SELECT FROM grants WHERE app = @app AND username = @username)`

// Granted says whether a user may use an app of somebody else.
func (r records) Granted(ctx context.Context, app, username string) (bool, error) {
	return value[bool](ctx, r, granted, pgx.NamedArgs{"app": app, "username": username})
}

const grant = `INSERT INTO grants (app, username) VALUES (@app, @username) ON CONFLICT DO NOTHING`

// Grant lets a user use an app. It may be repeated.
func (r records) Grant(ctx context.Context, app, username string) error {
	return r.exec(ctx, grant, pgx.NamedArgs{"app": app, "username": username})
}

const revoke = `DELETE FROM grants WHERE app = @app AND username = @username`

// Revoke takes back a grant.
func (r records) Revoke(ctx context.Context, app, username string) error {
	return r.change(ctx, revoke, pgx.NamedArgs{"app": app, "username": username})
}

const grantees = `SELECT username FROM grants WHERE app = @app ORDER BY seq`

// Grantees are the users who may use an app, without its owner.
func (r records) Grantees(ctx context.Context, app string) ([]string, error) {
	return all(ctx, r, pgx.RowTo[string], grantees, pgx.NamedArgs{"app": app})
}

// object keeps a nil map from being stored as JSON's null.
func object[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}
