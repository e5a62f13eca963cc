package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const buildColumns = `uuid, app, owner, image, sha, procfile, dockerfile, created, updated`

const createBuild = `
INSERT INTO builds (uuid, app, owner, image, sha, procfile, dockerfile)
VALUES (@uuid, @app, @owner, @image, @sha, @procfile, @dockerfile)
RETURNING ` + buildColumns

// CreateBuild stores a build; a release makes it visible.
func (r records) CreateBuild(ctx context.Context, b deis.Build) (deis.Build, error) {
	return row[deis.Build](ctx, r, createBuild, pgx.NamedArgs{
		"uuid": identity(b.UUID), "app": b.App, "owner": b.Owner, "image": b.Image, "sha": b.SHA,
		"procfile": object(b.Procfile), "dockerfile": b.Dockerfile,
	})
}

const buildByUUID = `SELECT ` + buildColumns + ` FROM builds WHERE app = @app AND uuid = @uuid`

// Build finds a build of an app, also one of a pending release.
func (r records) Build(ctx context.Context, app, uuid string) (deis.Build, error) {
	return row[deis.Build](ctx, r, buildByUUID, pgx.NamedArgs{"app": app, "uuid": uuid})
}

const fromBuilds = `FROM builds b WHERE app = @app
    AND EXISTS (SELECT FROM releases r WHERE r.app = @app AND r.build = b.uuid AND NOT r.pending)`

// Builds lists those that a live release has, newest first.
func (r records) Builds(ctx context.Context, app string, p deis.Page) ([]deis.Build, int, error) {
	return list[deis.Build](ctx, r, p, buildColumns, fromBuilds, `seq DESC`, pgx.NamedArgs{"app": app})
}
