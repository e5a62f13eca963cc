package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const releaseColumns = `uuid, app, owner, version, summary, config, coalesce(build::text, '') AS build,
    image, pending, push, created, updated`

const (
	// A statement of its own: the next one then sees the release of whoever
	// held the row before.
	lockApp       = `SELECT FROM apps WHERE id = @app FOR NO KEY UPDATE`
	createRelease = `
INSERT INTO releases (uuid, app, owner, version, summary, config, build, image, pending, push)
SELECT @uuid, @app, @owner, 1 + coalesce((SELECT max(version) FROM releases WHERE app = @app), 0),
       @summary, @config, nullif(@build, '')::uuid, @image, @pending, @push
FROM apps WHERE id = @app AND destroyed IS NULL
RETURNING ` + releaseColumns
)

// CreateRelease stores a release with the version after the app's newest,
// pending ones counted.
func (r records) CreateRelease(ctx context.Context, rel deis.Release) (deis.Release, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var made deis.Release
	// A batch is one transaction in one round trip.
	batch := new(pgx.Batch)
	batch.Queue(lockApp, pgx.NamedArgs{"app": rel.App})
	batch.Queue(createRelease, pgx.NamedArgs{
		"uuid": identity(rel.UUID), "app": rel.App, "owner": rel.Owner, "summary": rel.Summary,
		"config": rel.Config, "build": rel.Build, "image": rel.Image, "pending": rel.Pending, "push": rel.Push,
	}).Query(func(rows pgx.Rows) (err error) {
		made, err = pgx.CollectOneRow(rows, pgx.RowToStructByName[deis.Release])
		return err
	})
	err := r.q.SendBatch(ctx, batch).Close()
	return made, translate(err)
}

const setReleaseImage = `UPDATE releases SET image = @image, updated = now() WHERE uuid = @uuid`

// SetReleaseImage stores the digest of a release's image.
func (r records) SetReleaseImage(ctx context.Context, uuid, digest string) error {
	return r.change(ctx, setReleaseImage, pgx.NamedArgs{"uuid": uuid, "image": digest})
}

const commitRelease = `UPDATE releases SET pending = false, updated = now() WHERE uuid = @uuid`

// CommitRelease makes a release live. It may be repeated.
func (r records) CommitRelease(ctx context.Context, uuid string) error {
	return r.change(ctx, commitRelease, pgx.NamedArgs{"uuid": uuid})
}

const withdrawRelease = `
WITH gone AS (
    DELETE FROM releases WHERE uuid = @uuid AND pending RETURNING app, config, build
), c AS (
    DELETE FROM configs USING gone WHERE configs.uuid = gone.config AND NOT EXISTS (
        SELECT FROM releases r WHERE r.app = gone.app AND r.config = gone.config AND r.uuid <> @uuid)
), b AS (
    DELETE FROM builds USING gone WHERE builds.uuid = gone.build AND NOT EXISTS (
        SELECT FROM releases r WHERE r.app = gone.app AND r.build = gone.build AND r.uuid <> @uuid)
)
SELECT app FROM gone`

// WithdrawRelease deletes a pending release and what it alone has.
func (r records) WithdrawRelease(ctx context.Context, uuid string) error {
	_, err := value[string](ctx, r, withdrawRelease, pgx.NamedArgs{"uuid": uuid})
	return err
}

const releaseByVersion = `SELECT ` + releaseColumns + ` FROM releases
WHERE app = @app AND version = @version AND NOT pending`

// Release finds a live release.
func (r records) Release(ctx context.Context, app string, version int) (deis.Release, error) {
	return row[deis.Release](ctx, r, releaseByVersion, pgx.NamedArgs{"app": app, "version": version})
}

const latestRelease = `SELECT ` + releaseColumns + ` FROM releases
WHERE app = @app AND NOT pending ORDER BY version DESC LIMIT 1`

// LatestRelease finds the newest live release.
func (r records) LatestRelease(ctx context.Context, app string) (deis.Release, error) {
	return row[deis.Release](ctx, r, latestRelease, pgx.NamedArgs{"app": app})
}

// Releases lists live releases, newest first.
func (r records) Releases(ctx context.Context, app string, p deis.Page) ([]deis.Release, int, error) {
	return list[deis.Release](ctx, r, p, releaseColumns,
		`FROM releases WHERE app = @app AND NOT pending`, `version DESC`, pgx.NamedArgs{"app": app})
}

const (
	pendingOfApp = `SELECT ` + releaseColumns + ` FROM releases WHERE app = @app AND pending ORDER BY version`
	pendingOfAll = `SELECT ` + releaseColumns + ` FROM releases WHERE pending ORDER BY app, version`
)

// PendingReleases are those of an app, or of all apps, that have not succeeded
// yet, oldest first.
func (r records) PendingReleases(ctx context.Context, app string) ([]deis.Release, error) {
	if app == "" {
		return all(ctx, r, pgx.RowToStructByName[deis.Release], pendingOfAll, nil)
	}
	return all(ctx, r, pgx.RowToStructByName[deis.Release], pendingOfApp, pgx.NamedArgs{"app": app})
}

const releaseOfPush = `SELECT ` + releaseColumns + ` FROM releases WHERE app = @app AND push = @push AND push <> ''`

// ReleaseOfPush finds the release that a push made, pending or live.
func (r records) ReleaseOfPush(ctx context.Context, app, push string) (deis.Release, error) {
	return row[deis.Release](ctx, r, releaseOfPush, pgx.NamedArgs{"app": app, "push": push})
}
