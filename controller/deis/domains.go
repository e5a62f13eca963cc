package deis

import (
	"context"
	"fmt"
	"regexp"
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
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Domain{}, err
	}
	name, err := canonicalDomain(name)
	if err != nil {
		return Domain{}, err
	}
	if platform := strings.ToLower(c.Settings.Domain()); name == platform || strings.HasSuffix(name, "."+platform) {
		return Domain{}, Field("domain", "The domain %s belongs to the platform.", name)
	}
	if d, err := c.Records.Domain(ctx, name); err == nil && d.App != app {
		return Domain{}, Field("domain", "The domain %s is already in use by another app", name)
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return Domain{}, err
	}
	d, err := c.Records.CreateDomain(ctx, Domain{App: app, Owner: by.Username, Domain: name})
	if err != nil {
		return Domain{}, err
	}
	c.event(app, fmt.Sprintf("domain %s added", name))
	return d, c.Mirror.Update(ctx)
}

// RemoveDomain ends what AddDomain began.
func (c *Controller) RemoveDomain(ctx context.Context, by User, app, name string) error {
	if _, err := c.authorize(ctx, by, app, Own); err != nil {
		return err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	if err := c.Records.DeleteDomain(ctx, app, strings.ToLower(name)); err != nil {
		return err
	}
	c.event(app, fmt.Sprintf("domain %s removed", name))
	return c.Mirror.Update(ctx)
}

var (
	labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	onlyDigits   = regexp.MustCompile(`^[0-9]+$`)
	anyDigit     = regexp.MustCompile(`[0-9]`)
)

// canonicalDomain checks a host name by the rules of spec section 2.6 and
// returns it in lower case without a final dot. Labels with "--" are refused
// unless they are punycode.
func canonicalDomain(name string) (string, error) {
	if len(name) > 255 {
		return "", Field("domain", "Hostname must be 255 characters or less.")
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	labels := strings.Split(name, ".")
	if labels[0] == "*" {
		return "", Field("domain", "Adding a wildcard subdomain is currently not supported.")
	}
	bad := len(labels) == 1 && anyDigit.MatchString(name)
	for _, l := range labels {
		doubled := strings.Contains(l, "--") && !strings.HasPrefix(l, "xn--")
		bad = bad || !labelPattern.MatchString(l) || doubled || onlyDigits.MatchString(l)
	}
	if bad {
		return "", Field("domain", "Hostname does not look valid.")
	}
	return name, nil
}
