package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const (
	stateApps    = `SELECT id FROM apps WHERE destroyed IS NULL`
	stateDomains = `SELECT app, domain FROM domains d
WHERE EXISTS (SELECT FROM apps a WHERE a.id = d.app AND a.destroyed IS NULL)`
	stateKeys = `SELECT owner, fingerprint, public FROM keys k
WHERE EXISTS (SELECT FROM users u WHERE u.username = k.owner AND u.active)`
	stateCerts = `SELECT common_name, chain, key FROM certs WHERE true`
	// Secrets of apps stay here: of a config, only the settings asked for are read.
	stateConfigs = `
SELECT a.id AS app, s.values
FROM apps a
CROSS JOIN LATERAL (
    SELECT r.config FROM releases r WHERE r.app = a.id AND NOT r.pending ORDER BY r.version DESC LIMIT 1) latest
JOIN configs c ON c.app = a.id AND c.uuid = latest.config
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(key, value) AS values FROM jsonb_each(c.values) WHERE lower(key) = ANY (@settings)) s
WHERE a.destroyed IS NULL AND s.values IS NOT NULL`
)

// State reads, at one moment, what the rest of the platform may know: the apps
// that are not being destroyed, their domains, the keys of users who may log
// in, all certificates with their private keys, and of each app's latest live
// release those config values whose lower case names are settings. Apps
// without any such value have no config here. Of the nouns only what names
// them and what they say is filled in. If parts are named, only those are read,
// and of what they name only what there is.
func (db *DB) State(ctx context.Context, settings []string, parts ...deis.Part) (apps []string, domains []deis.Domain, keys []deis.Key, certs []deis.Pair, configs []deis.Config, err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	batch := new(pgx.Batch)
	if only, args, ok := narrow(parts, deis.PartApp, "id"); ok {
		collect(batch, &apps, pgx.RowTo[string], stateApps+only, args)
	}
	if only, args, ok := narrow(parts, deis.PartDomain, "d.domain"); ok {
		collect(batch, &domains, pgx.RowToStructByNameLax[deis.Domain], stateDomains+only, args)
	}
	if only, args, ok := narrow(parts, deis.PartKey, "k.fingerprint"); ok {
		collect(batch, &keys, pgx.RowToStructByNameLax[deis.Key], stateKeys+only, args)
	}
	if only, args, ok := narrow(parts, deis.PartCert, "common_name"); ok {
		collect(batch, &certs, pgx.RowToStructByName[deis.Pair], stateCerts+only, args)
	}
	if only, args, ok := narrow(parts, deis.PartConfig, "a.id"); ok {
		args["settings"] = settings
		collect(batch, &configs, pgx.RowToStructByNameLax[deis.Config], stateConfigs+only, args)
	}
	if batch.Len() == 1 { // a statement alone sees one moment
		err = db.pool.SendBatch(ctx, batch).Close()
		return apps, domains, keys, certs, configs, translate(err)
	}
	err = pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return tx.SendBatch(ctx, batch).Close()
	})
	return apps, domains, keys, certs, configs, translate(err)
}

// collect adds a statement to b, whose rows go into into.
func collect[T any](b *pgx.Batch, into *[]T, scan pgx.RowToFunc[T], sql string, args pgx.NamedArgs) {
	b.Queue(sql, args).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scan)
		return err
	})
}

// narrow is what a statement has behind it so that it reads only the records of
// a kind that parts name, all if there are no parts. If they name none it need
// not be asked.
func narrow(parts []deis.Part, kind deis.PartKind, column string) (only string, args pgx.NamedArgs, ok bool) {
	if len(parts) == 0 {
		return "", pgx.NamedArgs{}, true
	}
	var names []string
	for _, p := range parts {
		if p.Kind == kind {
			names = append(names, p.Name)
		}
	}
	return " AND " + column + " = ANY (@names)", pgx.NamedArgs{"names": names}, len(names) > 0
}
