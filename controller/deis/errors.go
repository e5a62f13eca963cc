package deis

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Kind is what an error means to whoever asked; package rest gives each its
// HTTP status.
type Kind int

// Kinds of errors.
const (
	Internal     Kind = iota // our fault, or a dependency's; not shown to users
	Invalid                  // the request makes no sense
	Unauthorized             // who asks is unknown
	Forbidden                // who asks is known and may not
	NotFound
	Conflict    // another operation stands in the way
	Unavailable // a dependency is away, or containers did not start; detail says which
	TooMany     // who asks has to wait for RetryAfter
)

// Error is an answer to a user. Detail is one sentence; Fields says per input
// field what is wrong with it, in Deis v1's words. Err is for operators.
type Error struct {
	Kind   Kind
	Detail string
	Fields map[string][]string
	Err    error

	RetryAfter time.Duration // of kind TooMany
}

func (e *Error) Error() string {
	msg := e.Detail
	if len(e.Fields) > 0 {
		msg = fmt.Sprint(e.Fields)
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a sentence for the user.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Field makes an Invalid error about one input field.
func Field(name, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Fields: map[string][]string{name: {fmt.Sprintf(format, args...)}}}
}

// tooMany makes an Error of kind TooMany: why, and when to try again, in whole
// seconds.
func tooMany(wait time.Duration, why string) *Error {
	seconds := max(1, math.Ceil(wait.Seconds()))
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	e := Errorf(TooMany, "%s Try again in %.0f %s.", why, seconds, unit)
	e.RetryAfter = time.Duration(seconds) * time.Second
	return e
}

// KindOf is the Kind of err: Internal unless it wraps an *Error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Sentences that Deis v1's clients know.
const (
	textNotFound  = "Not found"
	textForbidden = "You do not have permission to perform this action."
	textUnique    = "This field must be unique."
	textRequired  = "This field is required."
	textBlank     = "This field may not be blank."
)

func errNotFound() *Error  { return Errorf(NotFound, textNotFound) }
func errForbidden() *Error { return Errorf(Forbidden, textForbidden) }

// ErrNotFound is what records return for a row that does not exist.
var ErrNotFound error = errNotFound()

// ErrNotUnique makes the error for a row that would double another; records
// return it when a constraint says so.
func ErrNotUnique(field string) error { return Field(field, textUnique) }
