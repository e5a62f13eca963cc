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

func requireAdmin(by User) error {
	if !by.Superuser {
		return errForbidden()
	}
	return nil
}
