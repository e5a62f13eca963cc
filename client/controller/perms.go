package controller

import (
	"context"
	"net/http"
)

type username struct {
	Username string `json:"username"`
}

// AppPerms names the users with access to an app beside its owner.
func (c *Client) AppPerms(ctx context.Context, app string) ([]string, error) {
	p, err := path("/v1/apps/%s/perms/", app)
	if err != nil {
		return nil, err
	}
	var perms Perms
	err = c.do(ctx, http.MethodGet, p, nil, &perms)
	return perms.Users, err
}

// GrantApp gives a user access to an app.
func (c *Client) GrantApp(ctx context.Context, app, user string) error {
	p, err := path("/v1/apps/%s/perms/", app)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, p, username{user}, nil)
}

// RevokeApp takes a user's access to an app away.
func (c *Client) RevokeApp(ctx context.Context, app, user string) error {
	p, err := path("/v1/apps/%s/perms/%s", app, user)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}

// ListAdmins lists the administrators.
func (c *Client) ListAdmins(ctx context.Context, size int) (Page[Admin], error) {
	return list[Admin](ctx, c, "/v1/admin/perms/", size)
}

// GrantAdmin makes a user an administrator.
func (c *Client) GrantAdmin(ctx context.Context, user string) error {
	return c.do(ctx, http.MethodPost, "/v1/admin/perms/", username{user}, nil)
}

// RevokeAdmin makes an administrator a plain user.
func (c *Client) RevokeAdmin(ctx context.Context, user string) error {
	p, err := path("/v1/admin/perms/%s", user)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}
