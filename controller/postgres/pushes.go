package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const pushColumns = `uuid, app, owner, sha, fingerprint, receive_user, receive_repo,
    ssh_connection, ssh_original_command, created, updated`

// An app keeps the newest 1,000 pushes: they are a record for the operator,
// and must not grow without end.
const createPush = `
WITH old AS (
    DELETE FROM pushes WHERE uuid IN (
        SELECT uuid FROM pushes WHERE app = @app ORDER BY seq DESC OFFSET 999))
INSERT INTO pushes (uuid, app, owner, sha, fingerprint, receive_user, receive_repo,
    ssh_connection, ssh_original_command)
VALUES (@uuid, @app, @owner, @sha, @fingerprint, @receive_user, @receive_repo,
    @ssh_connection, @ssh_original_command)
RETURNING ` + pushColumns

// CreatePush stores that somebody pushed.
func (r records) CreatePush(ctx context.Context, p deis.Push) (deis.Push, error) {
	return row[deis.Push](ctx, r, createPush, pgx.NamedArgs{
		"uuid": identity(p.UUID), "app": p.App, "owner": p.Owner, "sha": p.SHA, "fingerprint": p.Fingerprint,
		"receive_user": p.ReceiveUser, "receive_repo": p.ReceiveRepo,
		"ssh_connection": p.SSHConnection, "ssh_original_command": p.SSHOriginalCommand,
	})
}
