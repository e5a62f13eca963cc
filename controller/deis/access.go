package deis

import "context"

// Access is what a user may do with an app. Greater includes less.
type Access int

// Levels of access. A collaborator may do everything but delete things and
// give the app away.
const (
	Collaborate Access = iota
	Own
)

// authorize finds the app if by has the access: NotFound if there is no such
// app, Forbidden if by may not.
func (c *Controller) authorize(ctx context.Context, by User, id string, need Access) (App, error) {
	app, err := c.Records.App(ctx, id)
	if err != nil {
		return App{}, err
	}
	if by.Superuser || app.Owner == by.Username {
		return app, nil
	}
	if need == Collaborate {
		ok, err := c.Records.Granted(ctx, id, by.Username)
		if err != nil {
			return App{}, err
		}
		if ok {
			return app, nil
		}
	}
	return App{}, errForbidden()
}

// sameApp reads an app anew for who has its lock now, after waiting for it. It
// is gone if there is another one of its id by then, whose owner was not asked.
func (c *Controller) sameApp(ctx context.Context, before App) (App, error) {
	app, err := c.Records.App(ctx, before.ID)
	if err == nil && app.UUID != before.UUID {
		err = errNotFound()
	}
	return app, err
}

func requireAdmin(by User) error {
	if !by.Superuser {
		return errForbidden()
	}
	return nil
}
