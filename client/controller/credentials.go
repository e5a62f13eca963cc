package controller

import (
	"context"
	"net/http"
)

// ListCredentials lists what an app shows to other registries. Passwords are
// never told.
func (c *Client) ListCredentials(ctx context.Context, app string, size int) (Page[Credential], error) {
	p, err := path("/v1/apps/%s/credentials/", app)
	if err != nil {
		return Page[Credential]{}, err
	}
	return list[Credential](ctx, c, p, size)
}

// SetCredential says what an app shows to a registry, which is a host or
// host:port as image names begin, in place of what it showed before.
func (c *Client) SetCredential(ctx context.Context, app, registry, username, password string) (Credential, error) {
	var credential Credential
	p, err := path("/v1/apps/%s/credentials/", app)
	if err != nil {
		return credential, err
	}
	err = c.do(ctx, http.MethodPost, p, struct {
		Registry string `json:"registry"`
		Username string `json:"username"`
		Password string `json:"password"`
	}{registry, username, password}, &credential)
	return credential, err
}

// RemoveCredential makes an app show nothing to a registry any more.
func (c *Client) RemoveCredential(ctx context.Context, app, registry string) error {
	p, err := path("/v1/apps/%s/credentials/%s", app, registry)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}
