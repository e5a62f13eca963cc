package cmd

import (
	"context"
	"fmt"

	"github.com/deis/deis/client/controller"
)

func domainsVerbs(f *Factory) []*verb {
	return []*verb{newDomainsAdd(f, nil), newDomainsList(f, nil), newDomainsRemove(f, nil)}
}

type domainsAddOptions struct {
	*Factory
	App, Domain string
}

func newDomainsAdd(f *Factory, runF func(context.Context, *domainsAddOptions) error) *verb {
	o := &domainsAddOptions{Factory: f}
	v := newVerb("domains:add", "make an app answer on a domain", "Makes an app answer on a domain, whose DNS must lead to the platform.")
	v.required(&o.Domain, "<domain>", "the domain, such as www.example.com")
	v.forApp(&o.App)
	return action(v, o, runF, runDomainsAdd)
}

func runDomainsAdd(ctx context.Context, o *domainsAddOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	err = o.waiting(fmt.Sprintf("Adding %s to %s... ", o.Domain, t.app), func() error {
		return t.api.AddDomain(ctx, t.app, o.Domain)
	})
	if err != nil {
		return err
	}
	o.printf("done\n")
	return nil
}

type domainsListOptions struct {
	*Factory
	App, Output string
	Limit       *int
}

func newDomainsList(f *Factory, runF func(context.Context, *domainsListOptions) error) *verb {
	o := &domainsListOptions{Factory: f}
	v := newVerb("domains:list", "list an app's domains", "Lists the domains that were added to an app.")
	v.forApp(&o.App)
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runDomainsList)
}

func runDomainsList(ctx context.Context, o *domainsListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	page, err := t.api.ListDomains(ctx, t.app, t.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() { o.printDomains(t.app, page) })
}

func (f *Factory) printDomains(app string, page controller.Page[controller.Domain]) {
	f.printf("=== %s Domains%s\n", app, count(page))
	f.lines(names(page.Results, func(d controller.Domain) string { return d.Domain }))
}

type domainsRemoveOptions struct {
	*Factory
	App, Domain string
}

func newDomainsRemove(f *Factory, runF func(context.Context, *domainsRemoveOptions) error) *verb {
	o := &domainsRemoveOptions{Factory: f}
	v := newVerb("domains:remove", "take a domain away from an app", "Takes a domain away from an app.")
	v.required(&o.Domain, "<domain>", "the domain")
	v.forApp(&o.App)
	return action(v, o, runF, runDomainsRemove)
}

func runDomainsRemove(ctx context.Context, o *domainsRemoveOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	err = o.waiting(fmt.Sprintf("Removing %s from %s... ", o.Domain, t.app), func() error {
		return t.api.RemoveDomain(ctx, t.app, o.Domain)
	})
	if err != nil {
		return err
	}
	o.printf("done\n")
	return nil
}
