package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

// A user keeps the newest 50 tokens; each login makes one, so the oldest go.
// The statement does not see the row that it inserts: 49 others stay.
const createToken = `
WITH made AS (INSERT INTO tokens (hash, username) VALUES (@hash, @username))
DELETE FROM tokens WHERE hash IN (
    SELECT hash FROM tokens WHERE username = @username ORDER BY seq DESC OFFSET 49)`

// CreateToken stores the hash of a token.
func (r records) CreateToken(ctx context.Context, username string, hash []byte) error {
	return r.exec(ctx, createToken, pgx.NamedArgs{"username": username, "hash": hash})
}

const userByToken = `SELECT ` + userColumns + ` FROM users WHERE username = (SELECT username FROM tokens WHERE hash = @hash)`

// UserByToken finds whose token has the hash.
func (r records) UserByToken(ctx context.Context, hash []byte) (deis.User, error) {
	return row[deis.User](ctx, r, userByToken, pgx.NamedArgs{"hash": hash})
}

const (
	deleteTokens    = `DELETE FROM tokens WHERE username = @username`
	deleteAllTokens = `DELETE FROM tokens`
)

// DeleteTokens logs a user out everywhere, or everyone. There may be none.
func (r records) DeleteTokens(ctx context.Context, username string) error {
	if username == "" {
		return r.exec(ctx, deleteAllTokens, nil)
	}
	return r.exec(ctx, deleteTokens, pgx.NamedArgs{"username": username})
}
