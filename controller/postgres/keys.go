package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const keyColumns = `uuid, owner, id, public, fingerprint, sha256, created, updated`

const createKey = `
INSERT INTO keys (uuid, owner, id, public, fingerprint, sha256)
VALUES (@uuid, @owner, @id, @public, @fingerprint, @sha256)
RETURNING ` + keyColumns

// CreateKey stores an SSH key.
func (r records) CreateKey(ctx context.Context, k deis.Key) (deis.Key, error) {
	return row[deis.Key](ctx, r, createKey, pgx.NamedArgs{
		"uuid": identity(k.UUID), "owner": k.Owner, "id": k.ID, "public": k.Public, "fingerprint": k.Fingerprint, "sha256": k.SHA256,
	})
}

// keyNamed is the key that an owner's name for it means: its id or, if no key
// has that, a fingerprint.
const keyNamed = `
SELECT uuid FROM keys WHERE owner = @owner AND @id IN (id, fingerprint, NULLIF(sha256, '')) ORDER BY id = @id DESC LIMIT 1`

const keyOfOwner = `SELECT ` + keyColumns + ` FROM keys WHERE uuid = (` + keyNamed + `)`

// Key finds a key of an owner.
func (r records) Key(ctx context.Context, owner, id string) (deis.Key, error) {
	return row[deis.Key](ctx, r, keyOfOwner, pgx.NamedArgs{"owner": owner, "id": id})
}

// Keys lists a user's keys.
func (r records) Keys(ctx context.Context, owner string, p deis.Page) ([]deis.Key, int, error) {
	return list[deis.Key](ctx, r, p, keyColumns, `FROM keys WHERE owner = @owner`, `seq`, pgx.NamedArgs{"owner": owner})
}

const deleteKey = `DELETE FROM keys WHERE uuid = (` + keyNamed + `) RETURNING ` + keyColumns

// DeleteKey removes a key and returns what it was.
func (r records) DeleteKey(ctx context.Context, owner, id string) (deis.Key, error) {
	return row[deis.Key](ctx, r, deleteKey, pgx.NamedArgs{"owner": owner, "id": id})
}

// identity is the UUID of a new row: the caller's if it has chosen one.
func identity(chosen string) string {
	if chosen != "" {
		return chosen
	}
	return uuid.NewString()
}
