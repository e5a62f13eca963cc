package deis_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/deis/deis/controller/deis"
)

func TestCredentials(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	owner, err := p.db.CreateUser(t.Context(), deis.User{Username: "bob"}, "hash")
	p.must(err)
	friend, err := p.db.CreateUser(t.Context(), deis.User{Username: "carl"}, "hash")
	p.must(err)
	stranger, err := p.db.CreateUser(t.Context(), deis.User{Username: "dora"}, "hash")
	p.must(err)
	for _, app := range []string{"demo", "other"} {
		_, err := c.CreateApp(t.Context(), owner, deis.NewApp{ID: &app})
		p.must(err)
	}
	p.must(c.Share(t.Context(), owner, "demo", "carl"))
	in := deis.Login{Registry: "Quay.IO", Username: "robot", Password: "s3cret-word"}

	_, err = c.SetCredential(t.Context(), stranger, "demo", in)
	p.kind(err, deis.Forbidden)
	_, _, err = c.Credentials(t.Context(), stranger, "demo", all)
	p.kind(err, deis.Forbidden)
	p.kind(c.RemoveCredential(t.Context(), stranger, "demo", "quay.io"), deis.Forbidden)
	_, err = c.SetCredential(t.Context(), owner, "none", in)
	p.kind(err, deis.NotFound)

	got, err := c.SetCredential(t.Context(), friend, "demo", in)
	p.must(err)
	if got.Registry != "quay.io" || got.Username != "robot" || got.Owner != "carl" || got.App != "demo" {
		t.Errorf("%+v", got)
	}
	p.kind(c.RemoveCredential(t.Context(), friend, "demo", "quay.io"), deis.Forbidden)

	// They go with images from elsewhere, and with the app's own only.
	deploy := func(app string, in deis.NewBuild) []deis.Login {
		t.Helper()
		_, _, err := c.CreateBuild(t.Context(), owner, app, in)
		p.must(err)
		return p.images.last.Logins
	}
	pull := deis.NewBuild{Image: "quay.io/team/tool:1"}
	if logins := deploy("demo", pull); len(logins) != 1 || logins[0].Registry != "quay.io" || logins[0].Password.Reveal() != "s3cret-word" {
		t.Error(len(logins))
	}
	if logins := deploy("other", pull); len(logins) != 0 {
		t.Error("one app's credentials went with another's image")
	}
	if logins := deploy("demo", build(1)); len(logins) != 0 {
		t.Error("credentials went with a pushed build")
	}
	p.settle(c)

	p.must(c.RemoveCredential(t.Context(), owner, "demo", "QUAY.io"))
	p.kind(c.RemoveCredential(t.Context(), owner, "demo", "quay.io"), deis.NotFound)
	if logins := deploy("demo", pull); len(logins) != 0 {
		t.Error("removed, yet used")
	}
	p.settle(c)
	for _, line := range []string{"INFO [demo]: credentials for quay.io set", "INFO [demo]: credentials for quay.io removed"} {
		if !p.logs.said(line) {
			t.Errorf("%q is not in %v", line, p.logs.lines)
		}
	}
	if text := strings.Join(p.logs.lines, "\n"); strings.Contains(text, "s3cret") || strings.Contains(text, "robot") {
		t.Error("secrets are in the log:", text)
	}
}

func TestCredentialsThatMakeNoSense(t *testing.T) {
	p := newPlatform(t)
	c := p.controller()
	p.app(c, "demo", nil)
	for _, registry := range []string{
		"", "quay", "https://quay.io", "quay.io/team", "quay.io:", "quay.io:port", "quay.io:123456", "-quay.io", "quay.io.", "a b.c", "ünicode.org", "[::1]:5000",
		"127.0.0.1:5000", strings.Repeat("a", 300) + ".org",
	} {
		_, err := c.SetCredential(t.Context(), p.by, "demo", deis.Login{Registry: registry, Username: "u", Password: "p"})
		want := "A registry is a host, or host:port, such as quay.io or registry.example.com:5000."
		if registry == "127.0.0.1:5000" {
			want = "The registry 127.0.0.1:5000 is the platform's own."
		}
		p.kind(err, deis.Invalid, "map[registry:["+want+"]]")
	}
	const blank, odd = "This field may not be blank.", "A user name has no colons and no control characters."
	for _, x := range []struct {
		in          deis.Login
		field, want string
	}{
		{deis.Login{Username: "", Password: "p"}, "username", blank},
		{deis.Login{Username: "a:b", Password: "p"}, "username", odd},
		{deis.Login{Username: "a\nb", Password: "p"}, "username", odd},
		{deis.Login{Username: strings.Repeat("u", 256), Password: "p"}, "username", "Ensure this field has no more than 255 characters."},
		{deis.Login{Username: "u", Password: ""}, "password", blank},
		{deis.Login{Username: "u", Password: "a\x00b"}, "password", "A password has no NUL characters."},
		{deis.Login{Username: "u", Password: deis.Secret(strings.Repeat("p", 16<<10+1))}, "password", "Ensure this field has no more than 16384 characters."},
	} {
		x.in.Registry = "quay.io"
		_, err := c.SetCredential(t.Context(), p.by, "demo", x.in)
		p.kind(err, deis.Invalid, "map["+x.field+":["+x.want+"]]")
	}
	if _, n, err := c.Credentials(t.Context(), p.by, "demo", all); n != 0 || err != nil {
		t.Error(n, err)
	}
	for _, registry := range []string{"quay.io", "registry.example.com:5000", "localregistry:5000", "10.0.0.7:5000", "index.docker.io"} {
		if _, err := c.SetCredential(t.Context(), p.by, "demo", deis.Login{Registry: registry, Username: "_json_key", Password: "{\n}"}); err != nil {
			t.Errorf("%s: %v", registry, err)
		}
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	l := deis.Login{Registry: "quay.io", Username: "u", Password: "s3cret"}
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), fmt.Sprint(l), fmt.Sprintf("%+v", l), fmt.Sprintf("%#v", l), fmt.Sprintf("%s %v %q", l.Password, l.Password, l.Password)} {
		if strings.Contains(text, "s3cret") || !strings.Contains(text, "(secret)") {
			t.Error(text)
		}
	}
}
