package controller

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// ConnectError says that there was no answer, or not all of one: the
// controller was not reached, it is not whom its certificate names, or the
// connection was cut. What was asked for may have been done in the last case
// only. Err is the cause, of package net/http, net or crypto/x509.
type ConnectError struct {
	URL string // the controller's
	Err error
}

func (e *ConnectError) Unwrap() error { return e.Err }

// Error is a sentence with the controller's address.
func (e *ConnectError) Error() string {
	var (
		call    *url.Error
		at      *net.OpError
		name    *net.DNSError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		other   x509.HostnameError
		late    net.Error
	)
	cause := e.Err
	if errors.As(e.Err, &call) {
		cause = call.Err // without the request
	}
	whom := e.URL
	if errors.As(e.Err, &at) && at.Op == "proxyconnect" {
		whom = "the proxy on the way to " + e.URL
	}
	switch {
	case errors.As(e.Err, &unknown):
		return fmt.Sprintf("the certificate of %s is not to be trusted: %v", whom, unknown)
	case errors.As(e.Err, &other):
		return fmt.Sprintf("the certificate of %s is another host's: %v", whom, other)
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("the certificate of %s has expired or is not valid yet: it is good from %s to %s", whom,
			invalid.Cert.NotBefore.UTC().Format("2006-01-02 15:04 MST"), invalid.Cert.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	case errors.As(e.Err, &invalid):
		return fmt.Sprintf("the certificate of %s is not valid: %v", whom, invalid)
	case errors.Is(e.Err, http.ErrSchemeMismatch):
		return fmt.Sprintf("%s speaks HTTP, not HTTPS", whom)
	case errors.As(e.Err, &name) && name.IsNotFound:
		return fmt.Sprintf("%s cannot be reached: no such host: %s", whom, name.Name)
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s cannot be reached: connection refused", whom)
	case e.Cut():
		return fmt.Sprintf("the connection to %s was cut: %v", whom, cause)
	case errors.As(e.Err, &late) && late.Timeout():
		return fmt.Sprintf("%s cannot be reached: it does not answer", whom)
	}
	return fmt.Sprintf("%s cannot be reached: %v", whom, cause)
}

// Cut tells whether there was a connection, so that what was asked for may have
// been done.
func (e *ConnectError) Cut() bool {
	var at *net.OpError
	return errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) || errors.Is(e.Err, syscall.ECONNRESET) ||
		errors.As(e.Err, &at) && (at.Op == "read" || at.Op == "write")
}

// unreached explains why a request has no answer. That its context has ended
// is not the controller's fault.
func (c *Client) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	var call *url.Error
	if errors.As(err, &call) && errors.Is(call.Err, errRedirects) {
		return err
	}
	return &ConnectError{URL: c.base.String(), Err: err}
}

// answer is a body whose errors are explained.
type answer struct {
	io.ReadCloser
	explain func(error) error
}

func (a *answer) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		err = a.explain(err)
	}
	return n, err
}
