package controller

import (
	"context"
	"net/http"
	"strconv"
)

// ListContainers lists an app's processes without its one-off runs, oldest
// first.
func (c *Client) ListContainers(ctx context.Context, app string, size int) (Page[Container], error) {
	p, err := path("/v1/apps/%s/containers/", app)
	if err != nil {
		return Page[Container]{}, err
	}
	return list[Container](ctx, c, p, size)
}

// ListContainersOf lists an app's processes of one type.
func (c *Client) ListContainersOf(ctx context.Context, app, procType string, size int) (Page[Container], error) {
	p, err := path("/v1/apps/%s/containers/%s/", app, procType)
	if err != nil {
		return Page[Container]{}, err
	}
	return list[Container](ctx, c, p, size)
}

// Container describes one process of an app.
func (c *Client) Container(ctx context.Context, app, procType string, num int) (Container, error) {
	var container Container
	p, err := path("/v1/apps/%s/containers/%s/%s/", app, procType, strconv.Itoa(num))
	if err != nil {
		return container, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &container)
	return container, c.known(err, container.UUID)
}

// Scale asks for so many processes of each type, and returns when they run.
// Types that are not named stay as they are.
func (c *Client) Scale(ctx context.Context, app string, structure map[string]int) error {
	p, err := path("/v1/apps/%s/scale/", app)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, p, structure, nil)
}

// Restart restarts an app's processes, all, those of a type if procType is set,
// or one of them if num is set too, and returns them when they run again.
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
