package cmd

import (
	"context"

	"github.com/deis/deis/client/controller"
)

func usersVerbs(f *Factory) []*verb { return []*verb{newUsersList(f, nil)} }

type usersListOptions struct {
	*Factory
	Limit *int
}

func newUsersList(f *Factory, runF func(context.Context, *usersListOptions) error) *verb {
	o := &usersListOptions{Factory: f}
	v := newVerb("users:list", "list the platform's users", "Lists the platform's users; for administrators.")
	v.limited(&o.Limit)
	return action(v, o, runF, runUsersList)
}

func runUsersList(ctx context.Context, o *usersListOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	page, err := a.api.ListUsers(ctx, a.size(o.Limit))
	if err != nil {
		return err
	}
	o.printf("=== Users%s\n", count(page))
	o.lines(names(page.Results, func(u controller.User) string { return u.Username }))
	return nil
}
