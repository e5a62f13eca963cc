package deis

import "context"

// Hooks are what the builder calls, on behalf of whoever pushes.

// user finds who pushes, and checks that they may change the app.
func (c *Controller) pusher(ctx context.Context, username, app string) (User, error) {
	if _, err := c.Records.App(ctx, app); err != nil {
		return User{}, err
	}
	user, err := c.Records.User(ctx, username)
	if err != nil {
		return User{}, err
	}
	if !user.Active {
		return User{}, errForbidden()
	}
	_, err = c.authorize(ctx, user, app, Collaborate)
	return user, err
}

// PushHook records a push, after checking that the user may.
func (c *Controller) PushHook(ctx context.Context, p Push) (Push, error) {
	fields := map[string][]string{}
	for name, f := range map[string]struct {
		value string
		limit int
	}{
		"receive_user": {p.ReceiveUser, 255}, "receive_repo": {p.ReceiveRepo, 255}, "sha": {p.SHA, 40},
		"fingerprint": {p.Fingerprint, 255}, "ssh_connection": {p.SSHConnection, 255}, "ssh_original_command": {p.SSHOriginalCommand, 255},
	} {
		if f.value == "" {
			fields[name] = []string{textRequired}
		} else if text := tooLongFor(f.value, f.limit); text != "" {
			fields[name] = []string{text}
		}
	}
	if len(fields) > 0 {
		return Push{}, &Error{Kind: Invalid, Fields: fields}
	}
	user, err := c.pusher(ctx, p.ReceiveUser, p.ReceiveRepo)
	if err != nil {
		return Push{}, err
	}
	p.App, p.Owner = p.ReceiveRepo, user.Username
	return c.Records.CreatePush(ctx, p)
}

// ConfigHook is the app's config, if the user may push to it.
func (c *Controller) ConfigHook(ctx context.Context, username, app string) (Config, error) {
	if _, err := c.pusher(ctx, username, app); err != nil {
		return Config{}, err
	}
	return c.Records.LatestConfig(ctx, app)
}

// BuildHook deploys what the builder built. It returns the release's version
// and where the app is reached.
func (c *Controller) BuildHook(ctx context.Context, username, app string, in NewBuild) (version int, domains []string, err error) {
	user, err := c.pusher(ctx, username, app)
	if err != nil {
		return 0, nil, err
	}
	if in.SHA == "" || in.Image != app {
		return 0, nil, Field("image", "A pushed build is the app's own image with a sha.")
	}
	if _, version, err = c.CreateBuild(ctx, user, app, in); err != nil {
		return 0, nil, err
	}
	return version, []string{c.URL(app)}, nil
}
