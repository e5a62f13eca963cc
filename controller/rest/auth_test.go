package rest

import (
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/api"
)

const (
	noCredentials = `{"detail":"Authentication credentials were not provided."}`
	forbidden     = `{"detail":"You do not have permission to perform this action."}`
)

func TestTokens(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for header, want := range map[string]string{
		"":                    noCredentials,
		"bearer bob":          noCredentials,
		"Basic Ym9iOg==":      noCredentials,
		"token":               `{"detail":"Invalid token header. No credentials provided."}`,
		"Token  ":             `{"detail":"Invalid token header. No credentials provided."}`,
		"token bob smith":     `{"detail":"Invalid token header. Token string should not contain spaces."}`,
		"token nobody":        `{"detail":"Invalid token"}`,
		"token gone":          `{"detail":"User inactive or deleted"}`,
		"token bob":           "",
		"TOKEN bob":           "",
		" \ttoken \t bob \t ": "",
	} {
		for _, r := range Routes() {
			if r.Who != AnyUser && r.Who != AppUser && r.Who != AdminUser {
				continue
			}
			got := c.do(r.Method, example(r.Pattern), "", "Authorization", header)
			if want == "" {
				if got.status[:3] == "401" {
					t.Errorf("%s %s with %q: %s %s", r.Method, r.Pattern, header, got.status, got.body)
				}
				continue
			}
			if got.status != "401 UNAUTHORIZED" || r.Method != "HEAD" && got.body != want || got.header.Get("WWW-Authenticate") != "Token" {
				t.Errorf("%s %s with %q: %s %s", r.Method, r.Pattern, header, got.status, got.body)
			}
		}
	}
}

// TestIdentityBeforeMethod: as in Deis v1, strangers do not learn what a path can do.
func TestIdentityBeforeMethod(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for _, method := range []string{"PUT", "OPTIONS", "DELETE"} {
		if got := c.do(method, "/v1/apps", "", "Authorization", ""); got.status != "401 UNAUTHORIZED" || got.body != noCredentials {
			t.Error(method, got.status, got.body)
		}
	}
}

func TestLoginAndRegisterWithTokens(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	body := `{"username":"al","password":"p"}`
	registered := func(by string) string {
		return `Register[` + by + `,{"Username":"al","Password":"p","Email":"","FirstName":"","LastName":""}]`
	}
	for _, x := range []struct{ path, token, status, call string }{
		{"/v1/auth/login/", "", "200 OK", `Login["al","p"]`},
		{"/v1/auth/login/", "token bob", "200 OK", `Login["al","p"]`},
		{"/v1/auth/login/", "token bad", "401 UNAUTHORIZED", ""},
		{"/v1/auth/login/", "token a b", "401 UNAUTHORIZED", ""},
		{"/v1/auth/register", "", "201 CREATED", registered("null")},
		{"/v1/auth/register", "token admin", "201 CREATED", registered(`"root"`)},
		{"/v1/auth/register", "token bad", "201 CREATED", registered("null")},
		{"/v1/auth/register", "token", "201 CREATED", registered("null")},
	} {
		got := c.do("POST", x.path, body, "Authorization", x.token)
		if call := f.noted(); got.status != x.status || call != x.call {
			t.Errorf("%s with %q: %s %s, calls %s", x.path, x.token, got.status, got.body, call)
		}
	}
}

// TestAwayIsNotWrong: a database that is away makes nobody's token bad.
func TestAwayIsNotWrong(t *testing.T) {
	f := &fake{authenticate: func(string) (deis.User, error) {
		return deis.User{}, deis.Errorf(deis.Unavailable, "The database is away.")
	}}
	c := serve(t, f, quiet())
	for _, path := range []string{"/v1/auth/register", "/v1/auth/login/", "/v1/apps", "/v1/hooks/push"} {
		got := c.do("POST", path, `{"username":"al","password":"p"}`)
		if got.status != "503 SERVICE UNAVAILABLE" || got.body != `{"detail":"The database is away."}` {
			t.Error(path, got.status, got.body)
		}
	}
	if calls := f.noted(); calls != "" {
		t.Error(calls)
	}
}

func TestBuilderKey(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	for _, x := range []struct{ key, token, status, body string }{
		{"builder-key", "", "200 OK", configJSON},
		{"builder-key", "token bob", "200 OK", configJSON},
		{"builder-key", "token bad", "401 UNAUTHORIZED", `{"detail":"Invalid token"}`},
		{"wrong", "", "401 UNAUTHORIZED", noCredentials},
		{"wrong", "token bob", "403 FORBIDDEN", forbidden},
		{"wrong", "token admin", "403 FORBIDDEN", forbidden},
		{"wrong", "token bad", "401 UNAUTHORIZED", `{"detail":"Invalid token"}`},
		{"wrong", "bearer bob", "401 UNAUTHORIZED", noCredentials},
		{"", "", "401 UNAUTHORIZED", noCredentials},
		{"", "token bob", "403 FORBIDDEN", forbidden},
	} {
		got := c.do("POST", "/v1/hooks/config", `{"receive_user":"bob","receive_repo":"demo"}`, api.HeaderBuilderAuth, x.key, "Authorization", x.token)
		if got.status != x.status || got.body != x.body {
			t.Errorf("key %q, token %q: %s %s", x.key, x.token, got.status, got.body)
		}
		if calls := f.noted(); (calls != "") != (x.status == "200 OK") {
			t.Errorf("key %q, token %q calls %s", x.key, x.token, calls)
		}
		if challenge := got.header.Get("WWW-Authenticate"); (challenge == "Token") != (x.status[:3] == "401") {
			t.Errorf("key %q, token %q: challenge %q", x.key, x.token, challenge)
		}
	}
	for _, r := range Routes() {
		if r.Who != BuilderKey {
			continue
		}
		if got := c.do(r.Method, r.Pattern, pushBody, api.HeaderBuilderAuth, ""); got.status != "403 FORBIDDEN" {
			t.Error(r.Pattern, got.status, got.body)
		}
	}
	f.authenticateBuilder = func(string) error { return deis.Errorf(deis.Unavailable, "There is no builder key yet.") }
	if got := c.do("POST", "/v1/hooks/config", "{}"); got.status != "503 SERVICE UNAVAILABLE" {
		t.Error(got.status, got.body)
	}
}

func TestPushID(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	body := `{"receive_user":"bob","receive_repo":"demo","image":"demo","sha":"ab12cd34"}`
	called := func(push string) string {
		return `BuildHook["bob","demo",{"Image":"demo","SHA":"ab12cd34","Procfile":null,"Dockerfile":"","Push":"` + push + `"}]`
	}
	for id, want := range map[string]string{
		"DE305D54-75b4-431b-adb2-eb6b9e546014": called("de305d54-75b4-431b-adb2-eb6b9e546014"),
		"":                                     called(""),
		"de305d54":                             "",
		"../../../../../../../../../../etc/pw": "",
	} {
		got := c.do("POST", "/v1/hooks/build", body, api.HeaderPush, id)
		if call := f.noted(); call != want || want == "" && (got.status != "400 BAD REQUEST" || got.body != `{"detail":"X-Deis-Push is not a UUID."}`) {
			t.Errorf("%q: %s %s, calls %s", id, got.status, got.body, call)
		}
	}
}
