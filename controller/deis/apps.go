package deis

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// NewApp is what a new app is made of. A nil ID asks for a generated one.
type NewApp struct {
	ID        *string
	Structure any // accepted and ignored, as a new app has nothing to run
}

var appPattern = regexp.MustCompile(`^[a-z0-9-]+$`)

// reserved are the app ids that mean something else in a host name, an image
// name or the platform itself.
func (c *Controller) reserved(id string) bool {
	return id == "deis" || strings.HasPrefix(id, "deis-") || id == "localhost" || id == c.Settings.Subdomain()
}

func (c *Controller) validateAppID(id string) error {
	switch {
	case id == "":
		return Field("id", textBlank)
	case !appPattern.MatchString(id):
		return Field("id", "App IDs can only contain [a-z0-9-].")
	case len(id) > 63:
		return Field("id", "%s", tooLong(63))
	case strings.HasPrefix(id, "-") || strings.HasSuffix(id, "-"):
		return Field("id", "App IDs must start and end with a letter or a digit.")
	case c.reserved(id):
		return Field("id", "%s is a reserved name.", id)
	}
	return nil
}

// CreateApp makes an app with an empty config and its first release, v1.
func (c *Controller) CreateApp(ctx context.Context, by User, in NewApp) (App, error) {
	var app App
	if in.ID != nil {
		if err := c.validateAppID(*in.ID); err != nil {
			return App{}, err
		}
	}
	err := c.etcdAnswers(ctx)
	switch {
	case err != nil:
	case in.ID != nil:
		app, err = c.createApp(ctx, by, *in.ID)
	default:
		app, err = c.createNamedApp(ctx, by)
	}
	if err != nil {
		return App{}, err
	}
	c.event(app.ID, by.Username+" created initial release")
	return app, c.Mirror.Update(ctx, Part{Kind: PartApp, Name: app.ID})
}

// createNamedApp draws names until one is free.
func (c *Controller) createNamedApp(ctx context.Context, by User) (App, error) {
	for range 100 {
		app, err := c.createApp(ctx, by, generateName())
		var e *Error
		if errors.As(err, &e) && slices.Contains(e.Fields["id"], textUnique) {
			continue
		}
		return app, err
	}
	return App{}, Errorf(Unavailable, "No free name was found; choose an app id.")
}

func (c *Controller) createApp(ctx context.Context, by User, id string) (app App, err error) {
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if app, err = tx.CreateApp(ctx, App{ID: id, Owner: by.Username, Structure: map[string]int{}}); err != nil {
			return err
		}
		config, err := tx.CreateConfig(ctx, Config{App: id, Owner: by.Username})
		if err != nil {
			return err
		}
		_, err = tx.CreateRelease(ctx, Release{
			App: id, Owner: by.Username, Config: config.UUID, Summary: by.Username + " created initial release",
		})
		return err
	})
	return app, err
}

// Apps lists the apps that by owns or was granted; all for superusers.
func (c *Controller) Apps(ctx context.Context, by User, p Page) ([]App, int, error) {
	user := by.Username
	if by.Superuser {
		user = ""
	}
	return c.Records.Apps(ctx, user, p)
}

// App finds an app.
func (c *Controller) App(ctx context.Context, by User, id string) (App, error) {
	return c.authorize(ctx, by, id, Collaborate)
}

// URL is the app's host name under the platform's domain.
func (c *Controller) URL(app string) string { return app + "." + c.Settings.Domain() }

// TransferApp gives the app to another owner; nothing else changes hands.
func (c *Controller) TransferApp(ctx context.Context, by User, id, owner string) error {
	if _, err := c.authorize(ctx, by, id, Own); err != nil {
		return err
	}
	if owner == "" {
		return nil // as Deis v1
	}
	if _, err := c.Records.User(ctx, owner); err != nil {
		return err
	}
	return c.Records.SetOwner(ctx, id, owner)
}

// Perms lists who has access to the app beside its owner.
func (c *Controller) Perms(ctx context.Context, by User, app string) ([]string, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, err
	}
	return c.Records.Grantees(ctx, app)
}

// Share gives a user access to the app.
func (c *Controller) Share(ctx context.Context, by User, app, username string) error {
	if _, err := c.authorize(ctx, by, app, Own); err != nil {
		return err
	}
	if _, err := c.Records.User(ctx, username); err != nil {
		return err
	}
	if err := c.Records.Grant(ctx, app, username); err != nil {
		return err
	}
	c.event(app, fmt.Sprintf("User %s was granted access to %s", username, app))
	return nil
}

// Unshare takes a user's access away; users may do that to themselves.
func (c *Controller) Unshare(ctx context.Context, by User, app, username string) error {
	need := Own
	if username == by.Username {
		need = Collaborate
	}
	if _, err := c.authorize(ctx, by, app, need); err != nil {
		return err
	}
	if _, err := c.Records.User(ctx, username); err != nil {
		return err
	}
	granted, err := c.Records.Granted(ctx, app, username)
	if err != nil {
		return err
	}
	if !granted {
		return errForbidden()
	}
	if err := c.Records.Revoke(ctx, app, username); err != nil {
		return err
	}
	c.event(app, fmt.Sprintf("User %s was revoked access to %s", username, app))
	return nil
}

// maxLogLines bounds what one request for logs may ask for.
const maxLogLines = 10000

// Logs are the app's last lines, empty if there are none.
func (c *Controller) Logs(ctx context.Context, by User, app string, lines int) ([]byte, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, err
	}
	return c.AppLogs.Tail(ctx, app, min(max(lines, 1), maxLogLines))
}

func tooLong(limit int) string {
	return fmt.Sprintf("Ensure this field has no more than %d characters.", limit)
}

// tooLongFor is tooLong if s is, else empty.
func tooLongFor(s string, limit int) string {
	if utf8.RuneCountInString(s) > limit {
		return tooLong(limit)
	}
	return ""
}
