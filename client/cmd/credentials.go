package cmd

import "context"

func credentialsVerbs(f *Factory) []*verb {
	return []*verb{newCredentialsList(f, nil), newCredentialsSet(f, nil), newCredentialsRemove(f, nil)}
}

type credentialsListOptions struct {
	*Factory
	App, Output string
	Limit       *int
}

func newCredentialsList(f *Factory, runF func(context.Context, *credentialsListOptions) error) *verb {
	o := &credentialsListOptions{Factory: f}
	v := newVerb("credentials:list", "list an app's credentials", "Lists the registries that an app has a user name and a password for. The passwords are not told.")
	v.forApp(&o.App)
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runCredentialsList)
}

func runCredentialsList(ctx context.Context, o *credentialsListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	page, err := t.api.ListCredentials(ctx, t.app, t.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() {
		o.printf("=== %s Credentials%s\n", t.app, count(page))
		users := map[string]string{}
		for _, c := range page.Results {
			users[c.Registry] = c.Username
		}
		aligned(o.IO.Out, users, 5)
	})
}

type credentialsSetOptions struct {
	*Factory
	App, Registry      string
	Username, Password string
	PasswordStdin      bool
}

func newCredentialsSet(f *Factory, runF func(context.Context, *credentialsSetOptions) error) *verb {
	o := &credentialsSetOptions{Factory: f}
	v := newVerb("credentials:set", "set the credentials for a registry",
		"Sets the user name and the password that an app shows to another registry, so that 'deis pull' may fetch images from there. What is not given is asked for.")
	v.required(&o.Registry, "<registry>", "the registry as its images' names begin, such as quay.io or registry.example.com:5000; docker.io for names that begin with none")
	v.option(&o.Username, "username", "", "USERNAME", "the user name there")
	v.option(&o.Password, "password", "", "PASSWORD", "the password there; other users of this machine may see it")
	v.passwordStdin(&o.PasswordStdin, &o.Username)
	v.forApp(&o.App)
	return action(v, o, runF, runCredentialsSet)
}

func runCredentialsSet(ctx context.Context, o *credentialsSetOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	if o.PasswordStdin {
		if o.Password, err = o.IO.ReadSecret(ctx); err != nil {
			return err
		}
	}
	if err := o.ask(ctx, &o.Username, "username: "); err != nil {
		return err
	}
	if err := o.askPassword(ctx, &o.Password, "password: "); err != nil {
		return err
	}
	o.printf("Setting credentials for %s of %s... ", o.Registry, t.app)
	_, err = t.api.SetCredential(ctx, t.app, o.Registry, o.Username, o.Password)
	return o.done(err)
}

type credentialsRemoveOptions struct {
	*Factory
	App, Registry string
}

func newCredentialsRemove(f *Factory, runF func(context.Context, *credentialsRemoveOptions) error) *verb {
	o := &credentialsRemoveOptions{Factory: f}
	v := newVerb("credentials:remove", "remove the credentials for a registry", "Removes the user name and the password that an app shows to another registry.")
	v.required(&o.Registry, "<registry>", "the registry, as credentials:list shows it")
	v.forApp(&o.App)
	return action(v, o, runF, runCredentialsRemove)
}

func runCredentialsRemove(ctx context.Context, o *credentialsRemoveOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	o.printf("Removing credentials for %s from %s... ", o.Registry, t.app)
	return o.done(t.api.RemoveCredential(ctx, t.app, o.Registry))
}
