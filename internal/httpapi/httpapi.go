// Package httpapi is how components speak HTTP: handlers that return errors,
// errors in Deis v1's JSON, and a server that ends in order.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Shutdown bounds how long Serve waits for requests in flight.
const Shutdown = 25 * time.Second

// Error is an answer that is not a success: a status and what the client may
// read. Cause is for the log only.
type Error struct {
	Status int
	Detail string              // {"detail": Detail}; used if Fields is empty
	Fields map[string][]string // {"field": ["sentence", ...]}
	Cause  error
}

func (e *Error) Error() string {
	msg := e.Detail
	if len(e.Fields) > 0 {
		msg = fmt.Sprint(e.Fields)
	}
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	return fmt.Sprintf("%d %s", e.Status, msg)
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error with a detail.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Handler is an http.Handler that may fail. Before it returns an error it must
// not have written anything.
type Handler func(http.ResponseWriter, *http.Request) error

// Wrap makes an http.Handler of h. An *Error is written as JSON; anything else
// becomes 500 with a sentence that tells nothing, and is logged.
func Wrap(log *slog.Logger, h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil || errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Status: http.StatusInternalServerError, Detail: "Something went wrong on the server.", Cause: err}
		}
		if e.Status >= http.StatusInternalServerError {
			log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		WriteError(w, e)
	})
}

// WriteError writes e as Deis v1 does: {"detail": ...}, or by field.
func WriteError(w http.ResponseWriter, e *Error) {
	var body any = map[string]string{"detail": e.Detail}
	if len(e.Fields) > 0 {
		body = e.Fields
	}
	WriteJSON(w, e.Status, body)
}

// WriteJSON writes v as compact JSON, without escaping HTML and without a line
// break at the end. If v cannot be encoded the answer is 500.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := Marshal(v)
	if err != nil {
		http.Error(w, `{"detail":"Something went wrong on the server."}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client has gone
}

// Marshal is json.Marshal that leaves <, > and & alone.
func Marshal(v any) ([]byte, error) {
	var b writer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b[:len(b)-1], nil // Encode ends with a line break
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// Serve answers on ln with h until ctx ends; then it takes no new requests and
// waits up to Shutdown for those in flight. http.Server.Serve alone would
// return before they have ended.
func Serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	return ServeServer(ctx, ln, &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute})
}

// ServeServer is Serve for a server that the caller has set up.
func ServeServer(ctx context.Context, ln net.Listener, srv *http.Server) error {
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), Shutdown)
	defer cancel()
	err := srv.Shutdown(end)
	if err != nil {
		_ = srv.Close()
	}
	<-done
	return err
}
