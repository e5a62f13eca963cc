package deis

import (
	"context"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// unusable is stored instead of a password's hash for who has none here: no
// password makes it.
const unusable = "!"

// Login exchanges a password for a token: the directory's password, if there
// is a directory that knows the name, or else the local one, as Deis v1 had
// it. Only the token's hash is kept, so each login gives another one; all of a
// user's are good until they are regenerated.
func (c *Controller) Login(ctx context.Context, from netip.Addr, username, password string) (string, error) {
	end, err := c.attempts.begin(username, from)
	if err != nil {
		return "", err
	}
	user, wrong, err := c.verify(ctx, username, password)
	end(wrong)
	switch {
	case err != nil:
		return "", err
	case !user.Active:
		return "", Field("non_field_errors", "User account is disabled.")
	}
	return c.issueToken(ctx, c.Records, user.Username)
}

// verify finds the user that a name and a password belong to. wrong says that
// they belong to nobody, for which there is an error too.
func (c *Controller) verify(ctx context.Context, username, password string) (user User, wrong bool, err error) {
	person, away := c.person(ctx, username, password)
	if person != nil {
		user, err = c.Records.UserOfPerson(ctx, *person, unusable)
		return user, false, err
	}
	hash, err := c.Records.PasswordHash(ctx, username)
	if err != nil && KindOf(err) != NotFound {
		return User{}, false, err
	}
	ok, err := checkPassword(ctx, hash, password)
	switch {
	case err != nil:
		return User{}, false, err
	case ok:
		user, err = c.Records.User(ctx, username)
		return user, false, err
	case away:
		return User{}, true, Errorf(Unavailable, "The directory of users (LDAP) does not answer, and the password is not that of a local account.")
	}
	return User{}, true, Field("non_field_errors", "Unable to log in with provided credentials.")
}

// person asks the directory who has the name and the password, nil if nobody
// has. away says that it did not answer, which it has logged. It is never asked
// for names that no account could have, nor with an empty password: many
// directories take that as a wish to be anonymous, and grant it.
func (c *Controller) person(ctx context.Context, username, password string) (p *Person, away bool) {
	if c.Directory == nil || password == "" || !validUsername(username) {
		return nil, false
	}
	found, err := c.Directory.Authenticate(ctx, username, password)
	if err != nil {
		return nil, KindOf(err) != NotFound
	}
	p = &Person{Username: username, Email: fit(found.Email, maxEmail+1), FirstName: fit(found.FirstName, maxName), LastName: fit(found.LastName, maxName)}
	if utf8.RuneCountInString(p.Email) > maxEmail {
		p.Email = "" // a part of an address is another one
	}
	return p, false
}

// fit cuts what a directory says to what an account holds.
func fit(text string, limit int) string {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", ""))
	if r := []rune(text); len(r) > limit {
		return string(r[:limit])
	}
	return text
}
