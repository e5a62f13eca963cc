package deis

import (
	"context"
	"fmt"
	"strings"
)

// Domains lists the app's custom domains.
func (c *Controller) Domains(ctx context.Context, by User, app string, p Page) ([]Domain, int, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, 0, err
	}
	return c.Records.Domains(ctx, app, p)
}

// AddDomain leads a domain to the app. Domains are compared and kept in lower
// case; the platform's own and those of other apps are refused.
func (c *Controller) AddDomain(ctx context.Context, by User, app, name string) (Domain, error) {
	a, err := c.authorize(ctx, by, app, Collaborate)
	if err != nil {
		return Domain{}, err
	}
	name, problem := canonicalHost(name)
	if problem != "" {
		return Domain{}, Field("domain", "%s", problem)
	}
	if platform := strings.ToLower(c.Settings.Domain()); name == platform || strings.HasSuffix(name, "."+platform) {
		return Domain{}, Field("domain", "The domain %s belongs to the platform.", name)
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return Domain{}, err
	}
	var d Domain
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if err := tx.ClaimHost(ctx, name); err != nil {
			return err
		}
		if err := mayRoute(ctx, tx, a, name); err != nil {
			return err
		}
		d, err = tx.CreateDomain(ctx, Domain{App: app, Owner: by.Username, Domain: name})
		return err
	})
	if err != nil {
		return Domain{}, err
	}
	c.event(app, fmt.Sprintf("domain %s added", name))
	return d, c.Mirror.Update(ctx, Part{Kind: PartDomain, Name: d.Domain})
}

// RemoveDomain ends what AddDomain began.
func (c *Controller) RemoveDomain(ctx context.Context, by User, app, name string) error {
	if _, err := c.authorize(ctx, by, app, Own); err != nil {
		return err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	name = foldHost(name)
	if err := c.Records.DeleteDomain(ctx, app, name); err != nil {
		return err
	}
	c.event(app, fmt.Sprintf("domain %s removed", name))
	return c.Mirror.Update(ctx, Part{Kind: PartDomain, Name: name})
}
