package controller

import (
	"context"
	"net/http"
	"strconv"
)

// ListContainers lists an app's processes without its one-off runs.
func (c *Client) ListContainers(ctx context.Context, app string, size int) (Page[Container], error) {
	p, err := path("/v1/apps/%s/containers/", app)
	if err != nil {
		return Page[Container]{}, err
	}
	return list[Container](ctx, c, p, size)
}

// Scale asks for so many processes of each type.
func (c *Client) Scale(ctx context.Context, app string, structure map[string]int) error {
	p, err := path("/v1/apps/%s/scale/", app)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, p, structure, nil)
}

// Restart restarts an app's processes: all, those of a type, or one of them.
func (c *Client) Restart(ctx context.Context, app, procType string, num *int) ([]Container, error) {
	format, names := "/v1/apps/%s/containers/restart/", []string{app}
	switch {
	case procType != "" && num != nil:
		format, names = "/v1/apps/%s/containers/%s/%s/restart/", append(names, procType, strconv.Itoa(*num))
	case procType != "":
		format, names = "/v1/apps/%s/containers/%s/restart/", append(names, procType)
	}
	p, err := path(format, names...)
	if err != nil {
		return nil, err
	}
	var restarted []Container
	err = c.do(ctx, http.MethodPost, p, nil, &restarted)
	return restarted, err
}
