package cmd

import (
	"context"

	"github.com/deis/deis/client/controller"
)

func usersVerbs(f *Factory) []*verb { return []*verb{newUsersList(f, nil)} }

type usersListOptions struct {
	*Factory
	Limit  *int
	Output string
}

func newUsersList(f *Factory, runF func(context.Context, *usersListOptions) error) *verb {
	o := &usersListOptions{Factory: f}
	v := newVerb("users:list", "list the platform's users", "Lists the platform's users; for administrators.")
	v.limited(&o.Limit)
	v.printed(&o.Output)
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
	return o.show(o.Output, list(page), func() {
		o.printf("=== Users%s\n", count(page))
		o.lines(names(page.Results, func(u controller.User) string { return u.Username }))
	})
}
