package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ListApps lists the apps that the user may see.
func (c *Client) ListApps(ctx context.Context, size int) (Page[App], error) {
	return list[App](ctx, c, "/v1/apps/", size)
}

// CreateApp creates an app. Without an id the controller makes one up. An id
// that is taken, or cannot be one, is an *Error with status 400.
func (c *Client) CreateApp(ctx context.Context, id string) (App, error) {
	var body any
	if id != "" {
		body = struct {
			ID string `json:"id"`
		}{id}
	}
	var app App
	err := c.do(ctx, http.MethodPost, "/v1/apps/", body, &app)
	return app, c.known(err, app.ID)
}

// App describes an app.
func (c *Client) App(ctx context.Context, id string) (App, error) {
	var app App
	p, err := path("/v1/apps/%s/", id)
	if err != nil {
		return app, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &app)
	return app, c.known(err, app.ID)
}

// known refuses what answers for a noun of the API and has none of its fields:
// id is one that all of them have.
func (c *Client) known(err error, id string) error {
	if err == nil && id == "" {
		err = c.notAPI(errors.New("it has none of the fields"))
	}
	return err
}

// DestroyApp removes an app with everything it has, and returns when its
// processes have ended.
func (c *Client) DestroyApp(ctx context.Context, id string) error {
	p, err := path("/v1/apps/%s/", id)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodDelete, p, nil, nil)
}

// TransferApp gives an app to another user.
func (c *Client) TransferApp(ctx context.Context, id, username string) error {
	p, err := path("/v1/apps/%s/", id)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, p, struct {
		Owner string `json:"owner"`
	}{username}, nil)
}

// LogOptions say which lines of an app's log are wanted.
type LogOptions struct {
	Lines int // the last so many; below 1 means as many as the controller likes
}

// Logs reads an app's log as it is now: text, a line each, ended by a line feed,
// the oldest first. The caller closes it.
func (c *Client) Logs(ctx context.Context, id string, o LogOptions) (io.ReadCloser, error) {
	p, err := path("/v1/apps/%s/logs", id)
	if err != nil {
		return nil, err
	}
	if o.Lines > 0 {
		p += fmt.Sprintf("?log_lines=%d", o.Lines)
	}
	resp, err := c.open(ctx, http.MethodGet, p, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// RunResult is how a one-off command ended.
type RunResult struct {
	ExitCode int    // 0 to 255
	Output   string // what it wrote to stdout and stderr, mixed
}

// UnmarshalJSON reads the API's pair of exit code and output.
func (r *RunResult) UnmarshalJSON(b []byte) error {
	pair := [2]any{&r.ExitCode, &r.Output}
	return json.Unmarshal(b, &pair)
}

// Run runs a command in a container of its own and waits for its end.
func (c *Client) Run(ctx context.Context, id, command string) (RunResult, error) {
	var result RunResult
	p, err := path("/v1/apps/%s/run", id)
	if err != nil {
		return result, err
	}
	err = c.do(ctx, http.MethodPost, p, struct {
		Command string `json:"command"`
	}{command}, &result)
	return result, err
}
