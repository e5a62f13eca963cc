package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const credentialColumns = `app, owner, registry, username, created, updated`

const setCredential = `
INSERT INTO credentials (app, owner, registry, username, password)
VALUES (@app, @owner, @registry, @username, @password)
ON CONFLICT (app, registry) DO UPDATE
SET owner = excluded.owner, username = excluded.username, password = excluded.password, updated = now()
RETURNING ` + credentialColumns

// SetCredential stores what an app shows to a registry, in place of what it
// showed before.
func (r records) SetCredential(ctx context.Context, c deis.Credential, password deis.Secret) (deis.Credential, error) {
	return row[deis.Credential](ctx, r, setCredential, pgx.NamedArgs{
		"app": c.App, "owner": c.Owner, "registry": c.Registry, "username": c.Username, "password": password.Reveal(),
	})
}

// Credentials lists those of an app, without their passwords.
func (r records) Credentials(ctx context.Context, app string, p deis.Page) ([]deis.Credential, int, error) {
	return list[deis.Credential](ctx, r, p, credentialColumns, `FROM credentials WHERE app = @app`, `seq`, pgx.NamedArgs{"app": app})
}

const logins = `SELECT registry, username, password FROM credentials WHERE app = @app ORDER BY seq`

// Logins are an app's credentials with their passwords.
func (r records) Logins(ctx context.Context, app string) ([]deis.Login, error) {
	return all(ctx, r, func(row pgx.CollectableRow) (l deis.Login, err error) {
		var password string
		err = row.Scan(&l.Registry, &l.Username, &password)
		l.Password = deis.Secret(password)
		return l, err
	}, logins, pgx.NamedArgs{"app": app})
}

const deleteCredential = `DELETE FROM credentials WHERE app = @app AND registry = @registry`

// DeleteCredential forgets what an app shows to a registry.
func (r records) DeleteCredential(ctx context.Context, app, registry string) error {
	return r.change(ctx, deleteCredential, pgx.NamedArgs{"app": app, "registry": registry})
}
