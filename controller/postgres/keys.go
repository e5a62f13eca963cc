package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const keyColumns = `uuid, owner, id, public, fingerprint, created, updated`

const createKey = `
INSERT INTO keys (uuid, owner, id, public, fingerprint)
VALUES (@uuid, @owner, @id, @public, @fingerprint)
RETURNING ` + keyColumns

// CreateKey stores an SSH key.
func (r records) CreateKey(ctx context.Context, k deis.Key) (deis.Key, error) {
	return row[deis.Key](ctx, r, createKey, pgx.NamedArgs{
		"uuid": identity(k.UUID), "owner": k.Owner, "id": k.ID, "public": k.Public, "fingerprint": k.Fingerprint,
	})
}

const keyOfOwner = `SELECT ` + keyColumns + ` FROM keys WHERE owner = @owner AND id = @id`

// Key finds a key by its owner's name for it.
func (r records) Key(ctx context.Context, owner, id string) (deis.Key, error) {
	return row[deis.Key](ctx, r, keyOfOwner, pgx.NamedArgs{"owner": owner, "id": id})
}

// Keys lists a user's keys.
func (r records) Keys(ctx context.Context, owner string, p deis.Page) ([]deis.Key, int, error) {
	return list[deis.Key](ctx, r, p, keyColumns, `FROM keys WHERE owner = @owner`, `seq`, pgx.NamedArgs{"owner": owner})
}

const deleteKey = `DELETE FROM keys WHERE owner = @owner AND id = @id`

// DeleteKey removes a key.
func (r records) DeleteKey(ctx context.Context, owner, id string) error {
	return r.change(ctx, deleteKey, pgx.NamedArgs{"owner": owner, "id": id})
}

// identity is the UUID of a new row: the caller's if it has chosen one.
func identity(chosen string) string {
	if chosen != "" {
		return chosen
	}
	return uuid.NewString()
}
