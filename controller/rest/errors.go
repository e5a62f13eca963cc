package rest

import (
	"context"
	"errors"
	"html"
	"math"
	"net/http"
	"strconv"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/httpapi"
)

// Sentences that Deis v1's clients know.
const (
	textNoCredentials = "Authentication credentials were not provided."
	textForbidden     = "You do not have permission to perform this action."
	textNotFound      = "Not found"
	textRequired      = "This field is required."
	textBlank         = "This field may not be blank."
	textNull          = "This field may not be null."
	textConfigLocked  = "Config changes already in progress.\n[Errno 11] Resource temporarily unavailable"
)

// statuses are what kinds of errors mean in HTTP. Every other is 500.
var statuses = map[deis.Kind]int{
	deis.Invalid:      http.StatusBadRequest,
	deis.Unauthorized: http.StatusUnauthorized,
	deis.Forbidden:    http.StatusForbidden,
	deis.NotFound:     http.StatusNotFound,
	deis.Conflict:     http.StatusConflict,
	deis.Unavailable:  http.StatusServiceUnavailable,
	deis.TooMany:      http.StatusTooManyRequests,
}

// translate turns an error of package deis into one that httpapi writes. What
// is internal stays as it is: httpapi logs it and tells the client nothing.
func translate(w http.ResponseWriter, err error) error {
	var e *deis.Error
	if !errors.As(err, &e) || statuses[e.Kind] == 0 {
		return err
	}
	if e.Kind == deis.Unauthorized {
		w.Header()["WWW-Authenticate"] = []string{"Token"}
	}
	if e.Kind == deis.TooMany {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	return &httpapi.Error{Status: statuses[e.Kind], Detail: e.Detail, Fields: e.Fields, Cause: e.Err}
}

// outcome is the error of an operation with context ctx, put so that it is
// told and logged: an operation does not end with its client, so none of its
// errors is the client's leaving.
func outcome(ctx context.Context, err error) error {
	switch {
	case err == nil || deis.KindOf(err) != deis.Internal:
		return err
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		return &deis.Error{Kind: deis.Unavailable, Detail: "The operation did not end within 20 minutes.", Err: err}
	case errors.Is(err, context.Canceled):
		return errors.New(err.Error())
	}
	return err
}

func errNotFound() error { return deis.Errorf(deis.NotFound, textNotFound) }

// notFound answers for paths that are not of the API, in HTML as Deis v1.
func notFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	writeAll(w, "<h1>Not Found</h1><p>The requested URL "+html.EscapeString(r.URL.Path)+" was not found on this server.</p>")
}

// writeAll writes the body of an answer. An error means that the client has
// gone, and there is nobody to tell.
func writeAll(w http.ResponseWriter, body string) { _, _ = w.Write([]byte(body)) }
