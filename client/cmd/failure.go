package cmd

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/deis/deis/client/controller"
)

// complain writes to where errors go. Part of what is said there is others'
// words: nothing in it steers a terminal.
func (f *Factory) complain(format string, args ...any) {
	fmt.Fprint(f.IO.Err, printable(fmt.Sprintf(format, args...)))
}

// printable spells out what moves a cursor, colours or hides text.
func printable(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case r == '\n' || r == '\t' || !unicode.IsControl(r) && !turnsText(r):
			b.WriteRune(r)
		default:
			quoted := fmt.Sprintf("%+q", r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// turnsText tells the characters that change the direction of those behind
// them, so that one reads what is not there.
func turnsText(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// hint says in one more line what may help, behind what scripts look for.
func (f *Factory) hint(err error) {
	var refused *controller.Error
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		f.complain("To trust it, log in with --ca-file=FILE, the certificates that signed it. With --ssl-verify=false any certificate would do.\n")
	case f.session == nil || !errors.As(err, &refused):
	case refused.Status == http.StatusUnauthorized:
		f.complain("Log in again with 'deis login %s'.\n", f.session.Controller)
	case refused.Status == http.StatusNotFound:
		f.complain("The controller that was asked is %s.\n", f.session.Controller)
	}
}
