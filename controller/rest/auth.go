package rest

import (
	"net/http"
	"strings"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

// Who may call a route. Whether an app is theirs, or they are superusers, is
// checked in package deis.
type Who string

// Who there is.
const (
	Anyone     Who = "anyone"     // but a token that is sent must be good
	Registrant Who = "registrant" // by registrationMode; a bad token is none
	AnyUser    Who = "user"       // any valid token
	AppUser    Who = "app"        // owner, superuser or collaborator of the app
	AdminUser  Who = "admin"      // superusers
	BuilderKey Who = "builder"    // who knows the builder's key
)

// admit finds out who asks. known is false for somebody without a token.
func (s *server) admit(who Who, r *http.Request) (by deis.User, known bool, err error) {
	by, known, err = s.identify(r)
	if who == Registrant && deis.KindOf(err) == deis.Unauthorized {
		return deis.User{}, false, nil
	}
	if err != nil {
		return deis.User{}, false, err
	}
	switch who {
	case Anyone, Registrant:
		return by, known, nil
	case BuilderKey:
		err = s.identities.AuthenticateBuilder(r.Header.Get(api.HeaderBuilderAuth))
		if deis.KindOf(err) == deis.Unauthorized && known {
			err = deis.Errorf(deis.Forbidden, textForbidden)
		}
		return deis.User{}, false, err
	}
	if !known {
		return deis.User{}, false, deis.Errorf(deis.Unauthorized, textNoCredentials)
	}
	return by, true, nil
}

// identify finds the user whose token was sent. Other schemes count as none.
func (s *server) identify(r *http.Request) (by deis.User, known bool, err error) {
	words := strings.Fields(r.Header.Get("Authorization"))
	switch {
	case len(words) == 0 || !strings.EqualFold(words[0], "token"):
		return deis.User{}, false, nil
	case len(words) == 1:
		return deis.User{}, false, deis.Errorf(deis.Unauthorized, "Invalid token header. No credentials provided.")
	case len(words) > 2:
		return deis.User{}, false, deis.Errorf(deis.Unauthorized, "Invalid token header. Token string should not contain spaces.")
	}
	by, err = s.identities.Authenticate(r.Context(), words[1])
	return by, err == nil, err
}
