package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const containerColumns = `uuid, app, owner, version, type, num, phase, crashed, created, updated`

const createContainers = `
INSERT INTO containers (uuid, app, owner, version, type, num, phase)
SELECT * FROM unnest(@uuids::uuid[], @apps::text[], @owners::text[], @versions::int[],
                     @types::text[], @nums::int[], @phases::text[])
RETURNING ` + containerColumns

// CreateContainers stores containers, all or none, in one statement.
func (r records) CreateContainers(ctx context.Context, cs []deis.Container) ([]deis.Container, error) {
	if len(cs) == 0 {
		return nil, nil
	}
	var uuids, apps, owners, types, phases []string
	var versions, nums []int
	for _, c := range cs {
		uuids, apps, owners = append(uuids, identity(c.UUID)), append(apps, c.App), append(owners, c.Owner)
		types, phases = append(types, c.Type), append(phases, string(c.Phase))
		versions, nums = append(versions, c.Version), append(nums, c.Num)
	}
	return all(ctx, r, pgx.RowToStructByName[deis.Container], createContainers, pgx.NamedArgs{
		"uuids": uuids, "apps": apps, "owners": owners, "versions": versions, "types": types, "nums": nums, "phases": phases,
	})
}

const (
	containersOfApp = `SELECT ` + containerColumns + ` FROM containers WHERE app = @app ORDER BY seq`
	containersOfAll = `SELECT ` + containerColumns + ` FROM containers ORDER BY seq`
)

// Containers lists those of an app, or of all apps, oldest first.
func (r records) Containers(ctx context.Context, app string) ([]deis.Container, error) {
	if app == "" {
		return all(ctx, r, pgx.RowToStructByName[deis.Container], containersOfAll, nil)
	}
	return all(ctx, r, pgx.RowToStructByName[deis.Container], containersOfApp, pgx.NamedArgs{"app": app})
}

const (
	setLeaving = `UPDATE containers SET phase = 'leaving', updated = now() WHERE uuid = ANY (@uuids)`
	setPhase   = `UPDATE containers SET phase = @phase, updated = now() WHERE uuid = ANY (@uuids) AND phase <> 'leaving'`
)

// SetPhase says what should become of containers. Leaving is final: a
// controller that has lost the app's lock, and whose operation another one has
// undone, cannot bring its containers back, nor change any then. Those to
// leave may have gone already.
func (r records) SetPhase(ctx context.Context, uuids []string, p deis.Phase) error {
	if len(uuids) == 0 {
		return nil
	}
	if p == deis.Leaving {
		return r.exec(ctx, setLeaving, pgx.NamedArgs{"uuids": uuids})
	}
	return r.atomically(ctx, func(r records) error {
		n, err := r.affect(ctx, setPhase, pgx.NamedArgs{"uuids": uuids, "phase": string(p)})
		if err == nil && int(n) != len(uuids) {
			return deis.Errorf(deis.Conflict, "The operation was undone by another one.")
		}
		return err
	})
}

const setCrashed = `UPDATE containers SET crashed = @crashed WHERE uuid = ANY (@uuids) AND crashed <> @crashed`

// SetCrashed notes that containers crashed, or that they no longer do.
func (r records) SetCrashed(ctx context.Context, uuids []string, crashed bool) (changed int, err error) {
	if len(uuids) == 0 {
		return 0, nil
	}
	n, err := r.affect(ctx, setCrashed, pgx.NamedArgs{"uuids": uuids, "crashed": crashed})
	return int(n), err
}

const deleteContainers = `DELETE FROM containers WHERE uuid = ANY (@uuids)`

// DeleteContainers forgets containers. Those that do not exist are forgotten
// already.
func (r records) DeleteContainers(ctx context.Context, uuids []string) error {
	if len(uuids) == 0 {
		return nil
	}
	return r.exec(ctx, deleteContainers, pgx.NamedArgs{"uuids": uuids})
}
