// Package ldap is the organisation's directory, as users log in by it: it finds
// somebody's entry and binds as that. docs/decisions/0008-ldap.md says what was
// decided.
package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/deis/deis/controller/deis"
)

// Bounds of a login.
const (
	dialTime = 3 * time.Second  // until there is a connection, with TLS
	fullTime = 10 * time.Second // for all of it
	atOnce   = 16               // connections; further logins wait, as long as fullTime
)

// Settings say where the directory is and how people are found there. They are
// the operator's texts; a blank Endpoint means that there is none.
type Settings struct {
	Endpoint     string // ldap://host, ldap+tls://host (StartTLS) or ldaps://host
	BindDN       string // who searches; blank: nobody, which some directories allow
	BindPassword string
	UserBase     string // DN below which people are
	UserFilter   string // attribute that holds the name they log in by
	Verify       string // false: the server's certificate is not checked
	CA           string // PEM of those who sign it; blank: the system's
}

// Directory implements deis.Directory by what settings says at each moment.
type Directory struct {
	log      *slog.Logger
	settings func() Settings
	turns    chan struct{}

	mu   sync.Mutex
	away bool // as was logged last
}

var _ deis.Directory = (*Directory)(nil)

// New makes a Directory. Nothing runs in the background.
func New(log *slog.Logger, settings func() Settings) *Directory {
	return &Directory{log: log, settings: settings, turns: make(chan struct{}, atOnce)}
}

// errNobody is for all that a user may have got wrong: it does not tell names
// from passwords.
var errNobody error = deis.Errorf(deis.NotFound, "Not found")

// Authenticate finds who has the name and the password. That the directory
// cannot be asked is logged when it begins, and when it ends.
func (d *Directory) Authenticate(ctx context.Context, username, password string) (deis.Person, error) {
	s := d.settings()
	if strings.TrimSpace(s.Endpoint) == "" || username == "" || password == "" {
		return deis.Person{}, errNobody
	}
	ctx, cancel := context.WithTimeout(ctx, fullTime)
	defer cancel()
	select {
	case d.turns <- struct{}{}:
	case <-ctx.Done():
		err := fmt.Errorf("ldap: no turn in time: %w", ctx.Err())
		d.report(err)
		return deis.Person{}, err
	}
	defer func() { <-d.turns }()
	person, err := s.authenticate(ctx, username, password)
	switch {
	case errors.Is(err, errNobody):
		d.report(nil)
	case err != nil:
		err = fmt.Errorf("ldap: %w", err)
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, ctx.Err())
		}
		d.report(err)
	default:
		d.report(nil)
	}
	return person, err
}

// report logs when what the directory does has changed.
func (d *Directory) report(err error) {
	d.mu.Lock()
	was := d.away
	d.away = err != nil
	d.mu.Unlock()
	switch {
	case err != nil && !was:
		d.log.Warn("directory does not answer, only local passwords count", "err", err)
	case err == nil && was:
		d.log.Info("directory answers again")
	}
}

// attribute is how the standard writes a description of one, RFC 4512.
var attribute = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)(;[A-Za-z0-9-]+)*$`)

// authenticate searches for the name, and binds as what it found.
func (s Settings) authenticate(ctx context.Context, username, password string) (deis.Person, error) {
	name := strings.TrimSpace(s.UserFilter)
	if !attribute.MatchString(name) {
		return deis.Person{}, fmt.Errorf("user/filter %q is no attribute", name)
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return deis.Person{}, err
	}
	defer conn.Close()
	if dn := strings.TrimSpace(s.BindDN); dn != "" {
		// Without a password this would be a bind as nobody: the client refuses.
		if err := conn.Bind(dn, s.BindPassword); err != nil {
			return deis.Person{}, fmt.Errorf("bind as %s: %w", dn, err)
		}
	}
	base := strings.TrimSpace(s.UserBase)
	found, err := conn.Search(&ldap.SearchRequest{
		BaseDN: base, Scope: ldap.ScopeWholeSubtree, DerefAliases: ldap.NeverDerefAliases,
		SizeLimit: 2, EnforceSizeLimit: true, TimeLimit: int(fullTime.Seconds()),
		Filter:     "(" + name + "=" + ldap.EscapeFilter(username) + ")",
		Attributes: []string{name, "givenName", "sn", "mail"},
	})
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) && !errors.Is(err, ldap.ErrSizeLimitExceeded) {
		return deis.Person{}, fmt.Errorf("search below %q: %w", base, err)
	}
	// Of two, nobody knows whose the password would have to be. References to
	// other servers are no entries, and are not followed.
	if err != nil || len(found.Entries) != 1 || found.Entries[0].DN == "" {
		_ = conn.Bind(base, password) // as many steps as for a name that there is
		return deis.Person{}, errNobody
	}
	entry := found.Entries[0]
	err = conn.Bind(entry.DN, password)
	switch {
	case isRefusal(err):
		return deis.Person{}, errNobody
	case err != nil:
		return deis.Person{}, fmt.Errorf("bind as %s: %w", entry.DN, err)
	}
	if !holds(entry, name, username) {
		// The directory takes for equal what are different names here.
		return deis.Person{}, errNobody
	}
	first := entry.GetEqualFoldAttributeValue
	return deis.Person{Username: username, Email: first("mail"), FirstName: first("givenName"), LastName: first("sn")}, nil
}

// isRefusal says whether a bind failed since this person, with this password,
// may not.
func isRefusal(err error) bool {
	return ldap.IsErrorAnyOf(err,
		ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, // no such password, or none at all
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInsufficientAccessRights, // locked, expired
		ldap.LDAPResultNoSuchObject, // gone since the search
	)
}

func holds(entry *ldap.Entry, name, username string) bool {
	for _, v := range entry.GetEqualFoldAttributeValues(name) {
		if strings.EqualFold(v, username) {
			return true
		}
	}
	return false
}
