package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const configColumns = `uuid, app, owner, "values", memory, cpu, tags, created, updated`

const createConfig = `
INSERT INTO configs (uuid, app, owner, "values", memory, cpu, tags)
VALUES (@uuid, @app, @owner, @values, @memory, @cpu, @tags)
RETURNING ` + configColumns

// CreateConfig stores a config; a release makes it the app's.
func (r records) CreateConfig(ctx context.Context, c deis.Config) (deis.Config, error) {
	return row[deis.Config](ctx, r, createConfig, pgx.NamedArgs{
		"uuid": identity(c.UUID), "app": c.App, "owner": c.Owner, "values": object(c.Values),
		"memory": object(c.Memory), "cpu": object(c.CPU), "tags": object(c.Tags),
	})
}

const latestConfig = `SELECT ` + configColumns + ` FROM configs WHERE app = @app AND uuid = (
    SELECT config FROM releases WHERE app = @app AND NOT pending ORDER BY version DESC LIMIT 1)`

// LatestConfig finds the config of an app's newest live release.
func (r records) LatestConfig(ctx context.Context, app string) (deis.Config, error) {
	return row[deis.Config](ctx, r, latestConfig, pgx.NamedArgs{"app": app})
}

const configByUUID = `SELECT ` + configColumns + ` FROM configs WHERE app = @app AND uuid = @uuid`

// Config finds a config of an app, also one of a pending release.
func (r records) Config(ctx context.Context, app, uuid string) (deis.Config, error) {
	return row[deis.Config](ctx, r, configByUUID, pgx.NamedArgs{"app": app, "uuid": uuid})
}
