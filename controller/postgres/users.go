package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/deis/deis/controller/deis"
)

const userColumns = `id, username, email, first_name, last_name, superuser, active, joined, last_login`

// lockSuperusers makes those who decide by the number of superusers take
// turns. The number is that of no app's lock, which are hashes.
const lockSuperusers = `SELECT pg_advisory_xact_lock(1)`

const createUser = `
INSERT INTO users (username, email, first_name, last_name, password_hash, superuser)
SELECT @username, @email, @first_name, @last_name, @password_hash,
       NOT EXISTS (SELECT FROM users WHERE superuser)
RETURNING ` + userColumns

// CreateUser stores u, active, as a superuser if there is none.
func (r records) CreateUser(ctx context.Context, u deis.User, passwordHash string) (created deis.User, err error) {
	err = r.atomically(ctx, func(r records) error {
		// A statement of its own: the next one then sees what the lock's last
		// holder has committed.
		if err := r.exec(ctx, lockSuperusers, nil); err != nil {
			return err
		}
		created, err = row[deis.User](ctx, r, createUser, pgx.NamedArgs{
			"username": u.Username, "email": u.Email, "first_name": u.FirstName, "last_name": u.LastName,
			"password_hash": passwordHash,
		})
		return err
	})
	return created, err
}

const userByName = `SELECT ` + userColumns + ` FROM users WHERE username = @username`

// User finds an account.
func (r records) User(ctx context.Context, username string) (deis.User, error) {
	return row[deis.User](ctx, r, userByName, pgx.NamedArgs{"username": username})
}

// Of accounts whose names differ by case only, the oldest stays a person's
// whoever registers later.
const (
	createPerson = `
INSERT INTO users (username, email, first_name, last_name, password_hash, superuser)
SELECT lower(@username), '', '', '', @password_hash, false
WHERE NOT EXISTS (SELECT FROM users WHERE lower(username) = lower(@username))
ON CONFLICT DO NOTHING`
	updatePerson = `
UPDATE users SET email = coalesce(nullif(@email, ''), email), first_name = coalesce(nullif(@first_name, ''), first_name),
                 last_name = coalesce(nullif(@last_name, ''), last_name)
WHERE id = (SELECT min(id) FROM users WHERE lower(username) = lower(@username))
RETURNING ` + userColumns
)

// UserOfPerson finds or makes the account of a person of the directory.
func (r records) UserOfPerson(ctx context.Context, p deis.Person, passwordHash string) (u deis.User, err error) {
	args := pgx.NamedArgs{
		"username": p.Username, "email": p.Email, "first_name": p.FirstName, "last_name": p.LastName, "password_hash": passwordHash,
	}
	err = r.atomically(ctx, func(r records) error {
		if err := r.exec(ctx, createPerson, args); err != nil {
			return err
		}
		u, err = row[deis.User](ctx, r, updatePerson, args)
		return err
	})
	return u, err
}

// Users lists accounts by name.
func (r records) Users(ctx context.Context, admins bool, p deis.Page) ([]deis.User, int, error) {
	from := `FROM users`
	if admins {
		from = `FROM users WHERE superuser`
	}
	return list[deis.User](ctx, r, p, userColumns, from, `username`, nil)
}

const passwordHash = `SELECT password_hash FROM users WHERE username = @username`

// PasswordHash is what SetPasswordHash or CreateUser stored.
func (r records) PasswordHash(ctx context.Context, username string) (string, error) {
	return value[string](ctx, r, passwordHash, pgx.NamedArgs{"username": username})
}

const setPasswordHash = `UPDATE users SET password_hash = @password_hash WHERE username = @username`

// SetPasswordHash changes a user's password.
func (r records) SetPasswordHash(ctx context.Context, username, hash string) error {
	return r.change(ctx, setPasswordHash, pgx.NamedArgs{"username": username, "password_hash": hash})
}

const (
	setSuperuser  = `UPDATE users SET superuser = @superuser WHERE username = @username`
	anySuperuser  = `SELECT EXISTS (SELECT FROM users WHERE superuser)`
	onlySuperuser = "%s is the only administrator. Make somebody else one first."
)

// SetSuperuser makes a user an administrator or takes that away.
func (r records) SetSuperuser(ctx context.Context, username string, superuser bool) error {
	return r.atomically(ctx, func(r records) error {
		if err := r.exec(ctx, lockSuperusers, nil); err != nil {
			return err
		}
		if err := r.change(ctx, setSuperuser, pgx.NamedArgs{"username": username, "superuser": superuser}); err != nil {
			return err
		}
		some, err := value[bool](ctx, r, anySuperuser, nil)
		if err == nil && !some {
			return deis.Errorf(deis.Conflict, onlySuperuser, username)
		}
		return err
	})
}

const (
	// Who would be given something of this user's, an app say, waits for this.
	lockUser = `SELECT username FROM users WHERE username = @username FOR UPDATE`
	ownsApps = `SELECT EXISTS (SELECT FROM apps WHERE owner = @username)`
	// What is left must not be without a superuser, or the next to register
	// would become it.
	leaderless = `SELECT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM users WHERE superuser)`
	deleteUser = `DELETE FROM users WHERE username = @username RETURNING superuser`
)

// bequeath gives what a user owns inside other people's apps to their owners,
// and the certificates of those apps' domains.
var bequeath = []string{
	`UPDATE releases x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
	`UPDATE builds x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
	`UPDATE configs x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
	`UPDATE domains x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
	`UPDATE credentials x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
	`UPDATE containers x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
	`UPDATE certs x SET owner = a.owner FROM domains d JOIN apps a ON a.id = d.app WHERE lower(d.domain) = x.common_name AND x.owner = @username`,
	`UPDATE pushes x SET owner = a.owner FROM apps a WHERE a.id = x.app AND x.owner = @username`,
}

// DeleteUser removes an account that owns no app, with its tokens, keys,
// certificates and grants. The last superuser goes only as the last user.
func (r records) DeleteUser(ctx context.Context, username string) error {
	args := pgx.NamedArgs{"username": username}
	return r.atomically(ctx, func(r records) error {
		if err := r.exec(ctx, lockSuperusers, nil); err != nil {
			return err
		}
		if _, err := value[string](ctx, r, lockUser, args); err != nil {
			return err
		}
		owner, err := value[bool](ctx, r, ownsApps, args)
		if err != nil {
			return err
		}
		if owner {
			return deis.Errorf(deis.Conflict, "%s still has applications assigned. Delete or transfer ownership", username)
		}
		for _, sql := range bequeath {
			if err := r.exec(ctx, sql, args); err != nil {
				return err
			}
		}
		superuser, err := value[bool](ctx, r, deleteUser, args)
		if err != nil || !superuser { // there may be users of a directory and no superuser yet
			return err
		}
		bad, err := value[bool](ctx, r, leaderless, nil)
		if err == nil && bad {
			return deis.Errorf(deis.Conflict, onlySuperuser, username)
		}
		return err
	})
}
