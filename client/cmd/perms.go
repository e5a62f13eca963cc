package cmd

import (
	"context"
	"slices"

	"github.com/deis/deis/client/controller"
)

func permsVerbs(f *Factory) []*verb {
	return []*verb{newPermsList(f, nil), newPermsCreate(f, nil), newPermsDelete(f, nil)}
}

type permsListOptions struct {
	*Factory
	App, Output string
	Admin       bool
	Limit       *int
}

func newPermsList(f *Factory, runF func(context.Context, *permsListOptions) error) *verb {
	o := &permsListOptions{Factory: f}
	v := newVerb("perms:list", "list who may work on an app", "Lists who may work on an app beside its owner, or the administrators.")
	v.usage = "[-a APP | --admin [-l N]] [--output=FORMAT]"
	v.forApp(&o.App)
	v.boolean(&o.Admin, "admin", "", "list the platform's administrators")
	v.limited(&o.Limit)
	v.printed(&o.Output)
	v.exclusive = [][2]string{{"app", "admin"}}
	v.checks = append(v.checks, func() error {
		if o.Limit != nil && !o.Admin {
			return v.refuse("--limit goes with --admin only")
		}
		return nil
	})
	return action(v, o, runF, runPermsList)
}

func runPermsList(ctx context.Context, o *permsListOptions) error {
	if !o.Admin {
		t, err := o.target(ctx, o.App)
		if err != nil {
			return err
		}
		users, err := t.api.AppPerms(ctx, t.app)
		if err != nil {
			return err
		}
		return o.show(o.Output, controller.Perms{Users: append([]string{}, users...)}, func() {
			slices.Sort(users)
			o.printf("=== %s's Users\n", t.app)
			o.lines(users)
		})
	}
	a, err := o.account()
	if err != nil {
		return err
	}
	page, err := a.api.ListAdmins(ctx, a.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() {
		o.printf("=== Administrators%s\n", count(page))
		o.lines(names(page.Results, func(a controller.Admin) string { return a.Username }))
	})
}

type permsCreateOptions struct {
	*Factory
	App, Username string
	Admin         bool
}

func newPermsCreate(f *Factory, runF func(context.Context, *permsCreateOptions) error) *verb {
	o := &permsCreateOptions{Factory: f}
	v := newVerb("perms:create", "let a user work on an app", "Lets a user work on an app, or makes an administrator.")
	v.required(&o.Username, "<username>", "the user")
	v.forApp(&o.App)
	v.boolean(&o.Admin, "admin", "", "make the user an administrator of the platform")
	v.exclusive = [][2]string{{"app", "admin"}}
	return action(v, o, runF, runPermsCreate)
}

func runPermsCreate(ctx context.Context, o *permsCreateOptions) error {
	if o.Admin {
		a, err := o.account()
		if err != nil {
			return err
		}
		o.printf("Adding %s to system administrators... ", o.Username)
		return o.done(a.api.GrantAdmin(ctx, o.Username))
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	o.printf("Adding %s to %s collaborators... ", o.Username, t.app)
	return o.done(t.api.GrantApp(ctx, t.app, o.Username))
}

// done says so unless err says otherwise.
func (f *Factory) done(err error) error {
	if err == nil {
		f.printf("done\n")
	}
	return err
}

type permsDeleteOptions struct {
	*Factory
	App, Username string
	Admin         bool
}

func newPermsDelete(f *Factory, runF func(context.Context, *permsDeleteOptions) error) *verb {
	o := &permsDeleteOptions{Factory: f}
	v := newVerb("perms:delete", "let a user work on an app no more", "Lets a user work on an app no more, or makes an administrator a plain user.")
	v.required(&o.Username, "<username>", "the user")
	v.forApp(&o.App)
	v.boolean(&o.Admin, "admin", "", "make the administrator a plain user")
	v.exclusive = [][2]string{{"app", "admin"}}
	return action(v, o, runF, runPermsDelete)
}

func runPermsDelete(ctx context.Context, o *permsDeleteOptions) error {
	if o.Admin {
		a, err := o.account()
		if err != nil {
			return err
		}
		o.printf("Removing %s from system administrators... ", o.Username)
		return o.done(a.api.RevokeAdmin(ctx, o.Username))
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	o.printf("Removing %s from %s collaborators... ", o.Username, t.app)
	return o.done(t.api.RevokeApp(ctx, t.app, o.Username))
}
