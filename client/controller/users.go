package controller

import "context"

// ListUsers lists the platform's users, for administrators.
func (c *Client) ListUsers(ctx context.Context, size int) (Page[User], error) {
	return list[User](ctx, c, "/v1/users/", size)
}
