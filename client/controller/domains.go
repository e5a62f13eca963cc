package controller

import (
	"context"
	"net/http"
)

// ListDomains lists an app's own domains.
func (c *Client) ListDomains(ctx context.Context, app string, size int) (Page[Domain], error) {
	p, err := path("/v1/apps/%s/domains/", app)
	if err != nil {
		return Page[Domain]{}, err
	}
	return list[Domain](ctx, c, p, size)
}

// AddDomain makes an app answer on a domain.
func (c *Client) AddDomain(ctx context.Context, app, domain string) error {
	p, err := path("/v1/apps/%s/domains/", app)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, p, struct {
		Domain string `json:"domain"`
	}{domain}, nil)
}

// RemoveDomain takes a domain away from an app.
func (c *Client) RemoveDomain(ctx context.Context, app, domain string) error {
	p, err := path("/v1/apps/%s/domains/%s", app, domain)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}
