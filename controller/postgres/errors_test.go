package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deis/deis/controller/deis"
)

func TestWhatUsersRead(t *testing.T) {
	constraint := func(name string) error { return &pgconn.PgError{Code: codeUnique, ConstraintName: name} }
	code := func(c string) error { return &pgconn.PgError{Code: c} }
	const unique = "This field must be unique."
	for name, x := range map[string]struct {
		err  error
		kind deis.Kind
		text string // all that a user reads; empty: nothing
	}{
		"username":       {constraint("users_username"), deis.Invalid, "map[username:[" + unique + "]]"},
		"key's id":       {constraint("keys_id"), deis.Invalid, "map[id:[" + unique + "]]"},
		"key":            {constraint("keys_fingerprint"), deis.Invalid, "map[public:[" + unique + "]]"},
		"app":            {constraint("apps_id"), deis.Invalid, "map[id:[" + unique + "]]"},
		"domain":         {constraint("domains_domain"), deis.Invalid, "map[domain:[" + unique + "]]"},
		"push":           {constraint("releases_push"), deis.Conflict, "This push has made a release already."},
		"version":        {constraint("releases_version"), deis.Conflict, "Another operation has made this release."},
		"container":      {constraint("containers_job"), deis.Conflict, "There is a container of this name already."},
		"other":          {constraint("what"), deis.Internal, ""},
		"no row":         {pgx.ErrNoRows, deis.NotFound, "Not found"},
		"no such parent": {code(codeForeignKey), deis.NotFound, "Not found"},
		"no UUID":        {code(codeNoUUID), deis.NotFound, "Not found"},
		"no text":        {code(codeNotText), deis.Invalid, "Text must be UTF-8 without zero bytes."},
		"no JSON":        {code(codeNotJSON), deis.Invalid, "Text must be UTF-8 without zero bytes."},
		"deadlock":       {code(codeDeadlock), deis.Conflict, "Another operation is in progress. Try again."},
		"late":           {fmt.Errorf("query: %w", context.DeadlineExceeded), deis.Unavailable, "The database is not available."},
		"away":           {io.ErrUnexpectedEOF, deis.Unavailable, "The database is not available."},
		"starting":       {code("57P03"), deis.Unavailable, "The database is not available."},
		"client left":    {context.Canceled, deis.Internal, ""},
		"ours":           {deis.Errorf(deis.Conflict, "x"), deis.Conflict, "x"},
	} {
		err := translate(x.err)
		if deis.KindOf(err) != x.kind {
			t.Errorf("%s: %v", name, err)
		}
		text := ""
		var e *deis.Error
		if errors.As(err, &e) {
			text = (&deis.Error{Detail: e.Detail, Fields: e.Fields}).Error()
		}
		if text != x.text {
			t.Errorf("%s: %q, want %q", name, text, x.text)
		}
	}
	if err := translate(nil); err != nil {
		t.Error(err)
	}
}
