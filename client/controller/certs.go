package controller

import (
	"context"
	"net/http"
)

// ListCerts lists the user's certificates.
func (c *Client) ListCerts(ctx context.Context, size int) (Page[Cert], error) {
	return list[Cert](ctx, c, "/v1/certs/", size)
}

// CreateCert adds a certificate and its key, both in PEM.
func (c *Client) CreateCert(ctx context.Context, cert NewCert) error {
	return c.do(ctx, http.MethodPost, "/v1/certs/", cert, nil)
}

// RemoveCert removes the certificate with that common name.
func (c *Client) RemoveCert(ctx context.Context, commonName string) error {
	p, err := path("/v1/certs/%s", commonName)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}

// Cert describes the certificate with that common name. Neither it nor its key
// are told.
func (c *Client) Cert(ctx context.Context, commonName string) (Cert, error) {
	var cert Cert
	p, err := path("/v1/certs/%s", commonName)
	if err != nil {
		return cert, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &cert)
	return cert, c.known(err, cert.CommonName)
}
