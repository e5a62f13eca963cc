package controller

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Register creates a user. Where registration is for administrators only, it
// takes the token of one.
func (c *Client) Register(ctx context.Context, r Registration) error {
	return c.do(ctx, http.MethodPost, "/v1/auth/register/", r, nil)
}

// Login returns the user's token, for Options of the Clients to come. It needs
// none itself. A wrong password is an *Error with status 400, the eleventh
// within a short time one with status 429.
func (c *Client) Login(ctx context.Context, name, password string) (string, error) {
	var token struct {
		Token string `json:"token"`
	}
	err := c.do(ctx, http.MethodPost, "/v1/auth/login/", struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}{name, password}, &token)
	if err == nil && token.Token == "" {
		err = c.notAPI(errNoToken)
	}
	return token.Token, err
}

// Passwd is a change of a password. Without a username it is the caller's; an
// administrator may leave out the old password.
type Passwd struct {
	Username    string `json:"username,omitempty"`
	Password    string `json:"password,omitempty"` // the present one
	NewPassword string `json:"new_password"`
}

// SetPassword changes a password.
func (c *Client) SetPassword(ctx context.Context, p Passwd) error {
	return c.do(ctx, http.MethodPost, "/v1/auth/passwd/", p, nil)
}

// CancelUser removes a user; without a name, the caller. Who still owns apps is
// kept: an *Error with status 409.
func (c *Client) CancelUser(ctx context.Context, name string) error {
	var body any
	if name != "" {
		body = username{name}
	}
	return c.do(ctx, http.MethodDelete, "/v1/auth/cancel/", body, nil)
}

// Regenerate replaces the caller's token and returns the new one.
func (c *Client) Regenerate(ctx context.Context) (string, error) {
	return c.regenerate(ctx, nil)
}

// RegenerateUser replaces the token of a user.
func (c *Client) RegenerateUser(ctx context.Context, name string) error {
	_, err := c.regenerate(ctx, username{name})
	return err
}

// RegenerateAll replaces the tokens of all users.
func (c *Client) RegenerateAll(ctx context.Context) error {
	_, err := c.regenerate(ctx, struct {
		All bool `json:"all"`
	}{true})
	return err
}

func (c *Client) regenerate(ctx context.Context, body any) (string, error) {
	var answer json.RawMessage // the empty string, not an object, if all were replaced
	if err := c.do(ctx, http.MethodPost, "/v1/auth/tokens/", body, &answer); err != nil {
		return "", err
	}
	var token struct {
		Token string `json:"token"`
	}
	if string(answer) == `""` {
		return "", nil
	}
	err := json.Unmarshal(answer, &token)
	if err == nil && token.Token == "" {
		err = errNoToken
	}
	if err != nil {
		err = c.notAPI(err)
	}
	return token.Token, err
}

var errNoToken = errors.New("it has no token")
