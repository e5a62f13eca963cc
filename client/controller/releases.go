package controller

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/deis/deis/internal/api"
)

// ListReleases lists an app's releases, newest first.
func (c *Client) ListReleases(ctx context.Context, app string, size int) (Page[Release], error) {
	p, err := path("/v1/apps/%s/releases/", app)
	if err != nil {
		return Page[Release]{}, err
	}
	return list[Release](ctx, c, p, size)
}

// Release describes one release of an app.
func (c *Client) Release(ctx context.Context, app string, version int) (Release, error) {
	var release Release
	p, err := path("/v1/apps/%s/releases/v%s/", app, strconv.Itoa(version))
	if err != nil {
		return release, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &release)
	return release, c.known(err, release.UUID)
}

// Rollback makes a new release like an older one, and returns its version when
// it runs. A nil version means the release before the current one.
func (c *Client) Rollback(ctx context.Context, app string, version *int) (int, error) {
	p, err := path("/v1/apps/%s/releases/rollback/", app)
	if err != nil {
		return 0, err
	}
	var body any
	if version != nil {
		body = struct {
			Version int `json:"version"`
		}{*version}
	}
	var made api.Rollback
	err = c.do(ctx, http.MethodPost, p, body, &made)
	if err == nil && made.Version < 1 {
		err = c.notAPI(errors.New("it has no version"))
	}
	return made.Version, err
}
