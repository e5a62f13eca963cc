package deis

import (
	"context"
	"regexp"
	"strings"
)

// Sentences about host names that Deis v1's clients know.
const (
	textHostTooLong  = "Hostname must be 255 characters or less."
	textHostWildcard = "Adding a wildcard subdomain is currently not supported."
	textHostBad      = "Hostname does not look valid."
	textHostTaken    = "The domain %s is already in use by another app"
)

var (
	labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	onlyDigits   = regexp.MustCompile(`^[0-9]+$`)
	anyDigit     = regexp.MustCompile(`[0-9]`)
)

// addressZones are domains whose names hold an address, such as
// demo.10.1.2.3.nip.io: there a label may be all digits.
var addressZones = []string{".xip.io", ".nip.io", ".sslip.io"}

// canonicalHost checks a host name by the rules of spec section 2.6 and
// returns it as it is kept, or what is wrong with it. Labels with "--" are
// refused unless they are punycode. What it accepts may be part of a path.
func canonicalHost(name string) (host, problem string) {
	if len(name) > 255 {
		return "", textHostTooLong
	}
	host = foldHost(name)
	labels := strings.Split(host, ".")
	if labels[0] == "*" {
		return "", textHostWildcard
	}
	digitsOK := false
	for _, zone := range addressZones {
		digitsOK = digitsOK || strings.HasSuffix(host, zone)
	}
	bad := len(labels) == 1 && anyDigit.MatchString(host)
	for _, l := range labels {
		doubled := strings.Contains(l, "--") && !strings.HasPrefix(l, "xn--")
		bad = bad || !labelPattern.MatchString(l) || doubled || onlyDigits.MatchString(l) && !digitsOK
	}
	if bad {
		return "", textHostBad
	}
	return host, ""
}

// foldHost gives all ways to write a host name one form: in lower case,
// without a final dot.
func foldHost(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// A host name is claimed by whoever first adds it, as a domain of an app or by
// a certificate for it. The two are often added by different members of a
// team, so who adds the second must be one who may change the app; else a
// stranger could have an app answer under somebody's certificate, or with a
// certificate of the stranger's.

// mayCertify fails unless the user may have a certificate for the host name.
// The name is claimed.
func mayCertify(ctx context.Context, tx Tx, by User, host string) error {
	d, err := tx.Domain(ctx, host)
	if err != nil {
		return unlessMissing(err)
	}
	app, err := tx.App(ctx, d.App)
	if err != nil {
		return unlessMissing(err) // it is being destroyed
	}
	ok, err := worksOn(ctx, tx, by, app)
	if err == nil && !ok {
		return Field("common_name", textHostTaken, host)
	}
	return err
}

// mayRoute fails unless the host name may lead to the app. The name is
// claimed.
func mayRoute(ctx context.Context, tx Tx, app App, host string) error {
	d, err := tx.Domain(ctx, host)
	switch {
	case err == nil && d.App != app.ID:
		return Field("domain", textHostTaken, host)
	case unlessMissing(err) != nil:
		return err
	}
	cert, err := tx.Cert(ctx, host)
	if err != nil {
		return unlessMissing(err)
	}
	holder, err := tx.User(ctx, cert.Owner)
	if err != nil {
		return err
	}
	ok, err := worksOn(ctx, tx, holder, app)
	if err == nil && !ok {
		return Field("domain", "There is a certificate for %s of a user who has no access to the app.", host)
	}
	return err
}

// worksOn says whether a user may change the app.
func worksOn(ctx context.Context, tx Tx, u User, app App) (bool, error) {
	if u.Superuser || app.Owner == u.Username {
		return true, nil
	}
	return tx.Granted(ctx, app.ID, u.Username)
}

// unlessMissing is err, nil if it says that there is no such row.
func unlessMissing(err error) error {
	if KindOf(err) == NotFound {
		return nil
	}
	return err
}
