package controller

import (
	"context"
	"net/http"
)

// ListKeys lists the user's SSH keys.
func (c *Client) ListKeys(ctx context.Context, size int) (Page[Key], error) {
	return list[Key](ctx, c, "/v1/keys/", size)
}

// AddKey adds an SSH key: what its .pub file holds, under an id. A key that
// anybody has already is an *Error with status 400.
func (c *Client) AddKey(ctx context.Context, id, public string) error {
	return c.do(ctx, http.MethodPost, "/v1/keys/", struct {
		ID     string `json:"id"`
		Public string `json:"public"`
	}{id, public}, nil)
}

// RemoveKey removes the SSH key with that id.
func (c *Client) RemoveKey(ctx context.Context, id string) error {
	p, err := path("/v1/keys/%s", id)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}

// Key describes the SSH key with that id or fingerprint.
func (c *Client) Key(ctx context.Context, id string) (Key, error) {
	var key Key
	p, err := path("/v1/keys/%s", id)
	if err != nil {
		return key, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &key)
	return key, c.known(err, key.ID)
}
