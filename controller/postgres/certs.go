package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

// The chain and the key are read by State alone.
const certColumns = `id, owner, common_name, expires, created, updated`

// Of two numbers, so that it is no app's lock: those have one.
const claimHost = `SELECT pg_advisory_xact_lock(1, hashtext(@host))`

// ClaimHost makes transactions that decide whose a host name is take turns.
func (r records) ClaimHost(ctx context.Context, host string) error {
	return r.exec(ctx, claimHost, pgx.NamedArgs{"host": host})
}

const createCert = `
INSERT INTO certs (owner, common_name, expires, chain, key)
VALUES (@owner, @common_name, @expires, @chain, @key)
RETURNING ` + certColumns

// CreateCert stores a cert with what it consists of.
func (r records) CreateCert(ctx context.Context, c deis.Cert, p deis.Pair) (deis.Cert, error) {
	return row[deis.Cert](ctx, r, createCert, pgx.NamedArgs{
		"owner": c.Owner, "common_name": c.CommonName, "expires": c.Expires, "chain": p.Chain, "key": p.Key,
	})
}

const certByName = `SELECT ` + certColumns + ` FROM certs WHERE common_name = @common_name`

// Cert finds a cert of any owner.
func (r records) Cert(ctx context.Context, commonName string) (deis.Cert, error) {
	return row[deis.Cert](ctx, r, certByName, pgx.NamedArgs{"common_name": commonName})
}

// Certs lists a user's certs.
func (r records) Certs(ctx context.Context, owner string, p deis.Page) ([]deis.Cert, int, error) {
	return list[deis.Cert](ctx, r, p, certColumns, `FROM certs WHERE owner = @owner`, `id`, pgx.NamedArgs{"owner": owner})
}

const deleteCert = `DELETE FROM certs WHERE owner = @owner AND common_name = @common_name`

// DeleteCert removes a cert.
func (r records) DeleteCert(ctx context.Context, owner, commonName string) error {
	return r.change(ctx, deleteCert, pgx.NamedArgs{"owner": owner, "common_name": commonName})
}
