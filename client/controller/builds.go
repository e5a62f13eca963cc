package controller

import (
	"context"
	"net/http"
)

// ListBuilds lists an app's builds, newest first.
func (c *Client) ListBuilds(ctx context.Context, app string, size int) (Page[Build], error) {
	p, err := path("/v1/apps/%s/builds/", app)
	if err != nil {
		return Page[Build]{}, err
	}
	return list[Build](ctx, c, p, size)
}

// CreateBuild deploys an image as a new release, and returns when it runs.
func (c *Client) CreateBuild(ctx context.Context, app string, b NewBuild) error {
	p, err := path("/v1/apps/%s/builds/", app)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, p, b, nil)
}

// Build describes one build of an app.
func (c *Client) Build(ctx context.Context, app, uuid string) (Build, error) {
	var build Build
	p, err := path("/v1/apps/%s/builds/%s/", app, uuid)
	if err != nil {
		return build, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &build)
	return build, c.known(err, build.UUID)
}
