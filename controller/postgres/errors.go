package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/deis/deis/controller/deis"
)

// SQLSTATE codes that mean something to a user.
const (
	codeUnique       = "23505"
	codeForeignKey   = "23503"
	codeNoUUID       = "22P02" // text that is no UUID: no row has it
	codeNotText      = "22021" // a zero byte, or bytes that are no UTF-8
	codeNotJSON      = "22P05" // a zero byte in JSON
	codeLockTimeout  = "55P03"
	codeDeadlock     = "40P01"
	codeSerializaton = "40001"
)

var errClosed = puddle.ErrClosedPool

// isEnd says that a connection ended where it should not have.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// awayCode says whether a server that answers with code cannot serve now.
func awayCode(code string) bool {
	switch code {
	case "57014", // canceled: our deadline came first
		"25006", // read only: a standby
		"3D000": // there is no such database yet
		return true
	}
	for _, class := range []string{
		"08",  // connection
		"28",  // we are not let in: the password has just changed
		"53",  // memory, disk, connections
		"57P", // shutting down, starting
		"58",  // the system under it
	} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

// taken is what a user reads when a constraint, by name, forbids a row.
var taken = map[string]error{
	"users_username":    deis.ErrNotUnique("username"),
	"keys_id":           deis.ErrNotUnique("id"),
	"keys_fingerprint":  deis.ErrNotUnique("public"),
	"apps_id":           deis.ErrNotUnique("id"),
	"domains_domain":    deis.ErrNotUnique("domain"),
	"certs_common_name": deis.ErrNotUnique("common_name"),
	"releases_push":     deis.Errorf(deis.Conflict, "This push has made a release already."),
	"releases_version":  deis.Errorf(deis.Conflict, "Another operation has made this release."),
	"containers_job":    deis.Errorf(deis.Conflict, "There is a container of this name already."),
}

// translate turns what PostgreSQL or pgx says into what package deis
// understands. An error that is a deis.Error already stays as it is, so that
// translating twice does no harm.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var known *deis.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return deis.ErrNotFound
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case codeUnique:
			if e := taken[pg.ConstraintName]; e != nil {
				return e
			}
		case codeForeignKey, codeNoUUID:
			return deis.ErrNotFound
		case codeNotText, codeNotJSON:
			return deis.Errorf(deis.Invalid, "Text must be UTF-8 without zero bytes.")
		case codeDeadlock, codeSerializaton, codeLockTimeout:
			return &deis.Error{Kind: deis.Conflict, Detail: "Another operation is in progress. Try again.", Err: err}
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err // whoever asked has gone
	case errors.Is(err, context.DeadlineExceeded), away(err):
		return &deis.Error{Kind: deis.Unavailable, Detail: "The database is not available.", Err: err}
	}
	return err
}
