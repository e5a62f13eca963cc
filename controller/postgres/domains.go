package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const domainColumns = `app, owner, domain, created, updated`

const createDomain = `
INSERT INTO domains (app, owner, domain)
VALUES (@app, @owner, @domain)
RETURNING ` + domainColumns

// CreateDomain stores a domain, unless any app has it in whatever case.
func (r records) CreateDomain(ctx context.Context, d deis.Domain) (deis.Domain, error) {
	return row[deis.Domain](ctx, r, createDomain, pgx.NamedArgs{"app": d.App, "owner": d.Owner, "domain": d.Domain})
}

const domainByName = `SELECT ` + domainColumns + ` FROM domains WHERE lower(domain) = lower(@domain)`

// Domain finds a domain of any app, in whatever case.
func (r records) Domain(ctx context.Context, name string) (deis.Domain, error) {
	return row[deis.Domain](ctx, r, domainByName, pgx.NamedArgs{"domain": name})
}

// Domains lists the domains of an app.
func (r records) Domains(ctx context.Context, app string, p deis.Page) ([]deis.Domain, int, error) {
	return list[deis.Domain](ctx, r, p, domainColumns, `FROM domains WHERE app = @app`, `seq`, pgx.NamedArgs{"app": app})
}

const deleteDomain = `DELETE FROM domains WHERE app = @app AND lower(domain) = lower(@domain)`

// DeleteDomain takes a domain, in whatever case, from an app.
func (r records) DeleteDomain(ctx context.Context, app, name string) error {
	return r.change(ctx, deleteDomain, pgx.NamedArgs{"app": app, "domain": name})
}
