package deis

import (
	"context"
	"reflect"
	"strings"
	"testing"
)

// refuses fails unless err says want, and nothing else, at the field.
func refuses(t *testing.T, err error, field, want string) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok || e.Kind != Invalid || !reflect.DeepEqual(e.Fields, map[string][]string{field: {want}}) {
		t.Errorf("%v, want %s: %s", err, field, want)
	}
}

func TestBuildParse(t *testing.T) {
	many := map[string]any{}
	for i := range maxProcessTypes + 1 {
		many["t"+strings.Repeat("x", i%60)+string(rune('a'+i/60))] = "x"
	}
	for _, x := range []struct {
		in          NewBuild
		field, want string
	}{
		{NewBuild{}, "image", "This field may not be blank."},
		{NewBuild{Image: strings.Repeat("x", 257)}, "image", "Ensure this field has no more than 256 characters."},
		{NewBuild{Image: "a\nb"}, "image", "This is not the name of an image."},
		{NewBuild{Image: "a", SHA: "ABC"}, "sha", "A sha is at most 40 hexadecimal digits."},
		{NewBuild{Image: "a", SHA: strings.Repeat("a", 41)}, "sha", "A sha is at most 40 hexadecimal digits."},
		{NewBuild{Image: "a", Push: "a b"}, "push", "This is not the id of a push."},
		{NewBuild{Image: "a", Procfile: map[string]any{"run": "x"}}, "procfile", "The process type run is reserved for `deis run`."},
		{NewBuild{Image: "a", Procfile: map[string]any{"a.b": "x"}}, "procfile", `"a.b" is not a process type.`},
		{NewBuild{Image: "a", Procfile: map[string]any{"web": nil}}, "procfile", "The command of web is not a text."},
		{NewBuild{Image: "a", Procfile: many}, "procfile", "A Procfile holds at most 100 process types."},
	} {
		_, err := x.in.parse()
		refuses(t, err, x.field, x.want)
	}
}

func TestConfigIsBounded(t *testing.T) {
	const want = "A config holds at most 1000 keys and 1048576 bytes."
	many := map[string]string{}
	for i := range maxConfigKeys + 1 {
		many[strings.Repeat("A", i+1)] = ""
	}
	refuses(t, checkSize(many), "values", want)
	refuses(t, checkSize(map[string]string{"A": strings.Repeat("x", maxConfigBytes)}), "values", want)
	if err := checkSize(map[string]string{"A": strings.Repeat("x", maxConfigBytes-1)}); err != nil {
		t.Error(err)
	}
}

// taken are records in which every app id is.
type taken struct{ Records }

func (taken) InTx(context.Context, func(Tx) error) error { return ErrNotUnique("id") }

func TestNoNameIsFree(t *testing.T) {
	c := New(Needs{Records: taken{}})
	_, err := c.CreateApp(t.Context(), User{Username: "bob"}, NewApp{})
	if KindOf(err) != Unavailable || err.Error() != "No free name was found; choose an app id." {
		t.Error(err)
	}
}

// gone are the records of a user who is no longer active.
type gone struct {
	Records
	hash string
}

func (g gone) PasswordHash(context.Context, string) (string, error) { return g.hash, nil }
func (gone) User(context.Context, string) (User, error)             { return User{Username: "bob"}, nil }
func (gone) UserByToken(context.Context, []byte) (User, error)      { return User{Username: "bob"}, nil }
func (gone) App(context.Context, string) (App, error)               { return App{ID: "demo", Owner: "bob"}, nil }
func (gone) CreateToken(context.Context, string, []byte) error      { panic("a token for who is gone") }
func (gone) LatestRelease(context.Context, string) (Release, error) {
	panic("a config for who is gone")
}
func (gone) Granted(context.Context, string, string) (bool, error) { return true, nil }
func (gone) CreatePush(context.Context, Push) (_ Push, _ error)    { panic("a push of who is gone") }
func (gone) Config(context.Context, string, string) (_ Config, _ error) {
	panic("a config for who is gone")
}

func TestInactiveUser(t *testing.T) {
	c := New(Needs{Records: gone{hash: hashPassword("secret")}})
	_, err := c.Login(t.Context(), "bob", "secret")
	refuses(t, err, "non_field_errors", "User account is disabled.")
	_, err = c.Login(t.Context(), "bob", "wrong")
	refuses(t, err, "non_field_errors", "Unable to log in with provided credentials.")
	if _, err := c.Authenticate(t.Context(), "token"); KindOf(err) != Unauthorized || err.Error() != "User inactive or deleted" {
		t.Error(err)
	}
	if _, err := c.ConfigHook(t.Context(), "bob", "demo"); KindOf(err) != Forbidden {
		t.Error(err)
	}
}
