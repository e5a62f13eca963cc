package controller_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/deis/deis/internal/keys"
)

// registration sets who may register, until the scenario ends, and waits until
// the controller knows it: somebody without a name is told line then.
func (w *stage) registration(mode, line string) {
	w.Helper()
	w.put(keys.RegistrationKey, mode)
	w.eventually(func() string {
		if a := w.call(w.as(w.url, ""), "POST", "/v1/auth/register", account(" ")); a.line != line {
			return a.line
		}
		return ""
	})
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := w.kv.Put(ctx, keys.RegistrationKey, "enabled"); err != nil {
			w.Error(err)
		}
	})
}

func account(username string) map[string]any {
	return map[string]any{
		"username": username, "password": password, "email": "autotest@deis.io", "first_name": "Otto", "last_name": "Test",
		"is_superuser": true, "is_staff": true, // nobody may say that of themselves
	}
}

func login(username, password string) map[string]string {
	return map[string]string{"username": username, "password": password}
}

const noLogin = `{"non_field_errors":["Unable to log in with provided credentials."]}`

var authScenarios = []scenario{
	{"auth", func(w *stage) {
		nobody := w.as(w.url, "")
		a := w.want(made201, nobody, "POST", "/v1/auth/register", account("otto"),
			`"username":"otto"`, `"email":"autotest@deis.io"`, `"first_name":"Otto"`, `"last_name":"Test"`, `"is_superuser":false`, `"is_staff":false`, `"is_active":true`)
		if strings.Contains(a.body, password) {
			w.Error(a.body)
		}
		form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		if a := w.headers(nobody, "POST", "/v1/auth/login/", "username=otto&password="+strings.ReplaceAll(password, " ", "+"), form); a.line != ok200 || w.keysOf(a) != "token" {
			w.Errorf("%s %s", a.line, a.body)
		}
	}},
	{"registration_disabled", func(w *stage) {
		w.registration("disabled", not403)
		for _, c := range []client{w.as(w.url, ""), w.root} {
			w.want(not403, c, "POST", "/v1/auth/register", account("late"), `{"detail":"Registration is disabled"}`)
		}
	}},
	{"admin_only_fails_if_not_admin", func(w *stage) {
		ann := w.user("ann")
		w.registration("admin_only", not403)
		w.want(not403, w.as(w.url, ""), "POST", "/v1/auth/register", account("late"), `{"detail":"Authentication credentials were not provided."}`)
		w.want(not403, ann, "POST", "/v1/auth/register", account("late"), mayNot)
	}},
	{"admin_only_works", func(w *stage) {
		w.registration("admin_only", not403)
		w.want(made201, w.root, "POST", "/v1/auth/register", account("invited"), `"is_superuser":false`)
	}},
	{"nonexistant_mode", func(w *stage) { // v1 answered 500
		w.registration("shrug", away503)
		w.want(away503, w.root, "POST", "/v1/auth/register", account("late"), "registrationMode")
	}},
	{"cancel", func(w *stage) {
		ann, bob := w.user("leaves"), w.user("bob")
		w.want(not403, bob, "DELETE", "/v1/auth/cancel", map[string]string{"username": "leaves"}, mayNot)
		w.want(done204, ann, "DELETE", "/v1/auth/cancel", nil)
		w.want(who401, ann, "GET", "/v1/apps", nil, `{"detail":"Invalid token"}`)
		w.want(bad400, w.as(w.url, ""), "POST", "/v1/auth/login/", login("leaves", password), noLogin)
		w.create(bob)
		const owns = `{"detail":"bob still has applications assigned. Delete or transfer ownership"}`
		w.want("409 CONFLICT", bob, "DELETE", "/v1/auth/cancel", nil, owns)
		w.want("409 CONFLICT", w.root, "DELETE", "/v1/auth/cancel", map[string]string{"username": "bob"}, owns)
		w.want(done204, bob, "DELETE", w.path(), nil)
		w.want(done204, w.root, "DELETE", "/v1/auth/cancel", map[string]string{"username": "bob"})
		w.want(missing404, w.root, "DELETE", "/v1/auth/cancel", map[string]string{"username": "bob"})
	}},
	{"passwd", func(w *stage) {
		c, nobody := w.user("changes"), w.as(w.url, "")
		change := func(old string) map[string]string {
			return map[string]string{"password": old, "new_password": "new password"}
		}
		w.want(bad400, c, "POST", "/v1/auth/passwd", change("wrong"), `{"detail":"Current password does not match"}`)
		w.want(ok200, c, "POST", "/v1/auth/passwd", change(password), `{"status":"password set"}`)
		w.want(bad400, nobody, "POST", "/v1/auth/login/", login("changes", password), noLogin)
		w.want(ok200, nobody, "POST", "/v1/auth/login/", login("changes", "new password"))
		w.want(ok200, c, "GET", "/v1/apps", nil) // the token is as good as before
	}},
	{"change_user_passwd", func(w *stage) {
		c, nobody := w.user("forgets"), w.as(w.url, "")
		change := map[string]string{"username": "forgets", "new_password": "set by root"}
		w.want(not403, w.user("ann"), "POST", "/v1/auth/passwd", change, mayNot)
		w.want(ok200, w.root, "POST", "/v1/auth/passwd", change)
		w.want(bad400, nobody, "POST", "/v1/auth/login/", login("forgets", password), noLogin)
		w.want(ok200, nobody, "POST", "/v1/auth/login/", login("forgets", "set by root"))
		w.want(not403, c, "POST", "/v1/auth/passwd", map[string]string{"username": "root", "new_password": "mine"}, mayNot)
		w.want(missing404, w.root, "POST", "/v1/auth/passwd", map[string]string{"username": "nobody", "new_password": "x"})
	}},
	// The last of the group: it makes all tokens void.
	{"regenerate", func(w *stage) {
		ann, bob := w.user("rotates"), w.user("rotated")
		token := func(a answer) (token string) {
			var body struct{ Token string }
			a.decode(w.T, &body)
			return body.Token
		}
		void := func(c client) {
			w.Helper()
			w.want(who401, c, "GET", "/v1/apps", nil, `{"detail":"Invalid token"}`)
		}
		old := ann
		ann.token = token(w.want(ok200, ann, "POST", "/v1/auth/tokens/", nil))
		void(old)
		w.want(ok200, ann, "GET", "/v1/apps", nil)
		w.want(not403, ann, "POST", "/v1/auth/tokens/", map[string]string{"username": "rotated"}, mayNot)
		w.want(not403, ann, "POST", "/v1/auth/tokens/", map[string]bool{"all": true}, mayNot)
		w.want(ok200, w.root, "POST", "/v1/auth/tokens/", map[string]string{"username": "rotated"}, `{"token":"`)
		void(bob)
		if a := w.want(ok200, w.root, "POST", "/v1/auth/tokens/", map[string]bool{"all": true}); strings.TrimSpace(a.body) != `""` {
			w.Error(a.body)
		}
		void(ann)
		void(w.root)
	}},
}

var usersScenarios = []scenario{
	{"list", func(w *stage) {
		w.user("ann")
		var list struct{ Results []struct{ Username string } }
		w.want(ok200, w.root, "GET", "/v1/users", nil).decode(w.T, &list)
		if len(list.Results) != 2 || list.Results[0].Username != "ann" || list.Results[1].Username != "root" {
			w.Errorf("%+v", list)
		}
	}},
	{"others", func(w *stage) { w.want(not403, w.user("ann"), "GET", "/v1/users", nil, mayNot) }},
}

var permsScenarios = []scenario{
	{"first_signup", func(w *stage) {
		w.user("second")
		w.want(ok200, w.root, "GET", "/v1/users", nil, `"username":"root"`, `"username":"second"`)
		var list struct {
			Results []struct {
				Username    string
				IsSuperuser bool `json:"is_superuser"`
			}
		}
		w.want(ok200, w.root, "GET", "/v1/users", nil).decode(w.T, &list)
		for _, u := range list.Results {
			if u.IsSuperuser != (u.Username == "root") {
				w.Errorf("%+v", u)
			}
		}
	}},
	{"list", func(w *stage) {
		w.want(ok200, w.root, "GET", "/v1/admin/perms", nil, `"results":[{"username":"root","is_superuser":true}]`)
		w.want(not403, w.user("ann"), "GET", "/v1/admin/perms", nil, mayNot)
	}},
	{"create", func(w *stage) {
		ann := w.user("raised")
		w.want(not403, ann, "POST", "/v1/admin/perms", map[string]string{"username": "raised"}, mayNot)
		w.want(made201, w.root, "POST", "/v1/admin/perms", map[string]string{"username": "raised"})
		w.want(ok200, ann, "GET", "/v1/admin/perms", nil, `{"username":"raised","is_superuser":true}`)
		w.want(missing404, w.root, "POST", "/v1/admin/perms", map[string]string{"username": "nobody"})
	}},
	{"delete", func(w *stage) {
		ann := w.user("raised")
		w.want(not403, w.user("ann"), "DELETE", "/v1/admin/perms/raised", nil, mayNot)
		w.want(done204, w.root, "DELETE", "/v1/admin/perms/raised", nil)
		w.want(not403, ann, "GET", "/v1/admin/perms", nil, mayNot)
		w.want("409 CONFLICT", w.root, "DELETE", "/v1/admin/perms/root", nil, `{"detail":"`) // v1 gave the last away
	}},
	{"app_create", func(w *stage) {
		w.create(w.user("ann"))
		bob := w.user("bob")
		w.want(not403, bob, "GET", w.path(), nil, mayNot)
		for range 2 { // it may be repeated
			if a := w.want(made201, w.user("ann"), "POST", w.path("perms"), map[string]string{"username": "bob"}); a.body != "" {
				w.Error(a.body)
			}
		}
		w.want(ok200, bob, "GET", w.path(), nil)
		w.want(ok200, bob, "GET", "/v1/apps", nil, `"id":"`+w.app+`"`)
		w.want(not403, bob, "DELETE", w.path(), nil, mayNot)
	}},
	{"app_create_errors", func(w *stage) {
		w.create(w.user("ann"))
		w.want(not403, w.user("bob"), "POST", w.path("perms"), map[string]string{"username": "bob"}, mayNot)
		w.want(missing404, w.user("ann"), "POST", w.path("perms"), map[string]string{"username": "nobody"})
	}},
	{"app_delete", func(w *stage) {
		ann, bob := w.user("ann"), w.user("bob")
		w.create(ann)
		w.want(made201, ann, "POST", w.path("perms"), map[string]string{"username": "bob"})
		w.want(done204, ann, "DELETE", w.path("perms", "bob"), nil)
		w.want(not403, bob, "GET", w.path(), nil, mayNot)
		w.want(not403, ann, "DELETE", w.path("perms", "bob"), nil, mayNot)
	}},
	{"app_list", func(w *stage) {
		ann := w.user("ann")
		w.create(ann)
		w.want(ok200, ann, "GET", w.path("perms"), nil, `{"users":[]}`)
		w.user("bob")
		w.want(made201, ann, "POST", w.path("perms"), map[string]string{"username": "bob"})
		w.want(ok200, ann, "GET", w.path("perms"), nil, `{"users":["bob"]}`)
	}},
	{"app_admin_can_list", func(w *stage) {
		w.create(w.user("ann"))
		w.want(ok200, w.root, "GET", w.path("perms"), nil, `{"users":[]}`)
	}},
	{"app_list_errors", func(w *stage) {
		w.create(w.user("ann"))
		w.want(not403, w.user("bob"), "GET", w.path("perms"), nil, mayNot)
	}},
	{"app_unauthorized", func(w *stage) {
		w.create(w.user("ann"))
		w.want(not403, w.user("bob"), "POST", w.path("perms"), map[string]string{"username": "eve"}, mayNot)
		w.want(not403, w.user("bob"), "DELETE", w.path("perms", "ann"), nil, mayNot)
	}},
	{"collaborator_cannot_share", func(w *stage) {
		ann, bob := w.user("ann"), w.user("bob")
		w.user("eve")
		w.create(ann)
		for _, name := range []string{"bob", "eve"} {
			w.want(made201, ann, "POST", w.path("perms"), map[string]string{"username": name})
		}
		w.want(not403, bob, "POST", w.path("perms"), map[string]string{"username": "root"}, mayNot)
		w.want(not403, bob, "DELETE", w.path("perms", "eve"), nil, mayNot)
		w.want(ok200, bob, "GET", w.path("perms"), nil, `{"users":["bob","eve"]}`)
		w.want(done204, bob, "DELETE", w.path("perms", "bob"), nil)
		w.want(not403, bob, "GET", w.path(), nil, mayNot)
	}},
}

// public makes an SSH key of a kind.
func (w *stage) public(kind string) ssh.PublicKey {
	w.Helper()
	var public any
	if kind == "rsa" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		w.must(err)
		public = &key.PublicKey
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		w.must(err)
		public = &key.PublicKey
	}
	out, err := ssh.NewPublicKey(public)
	w.must(err)
	return out
}

// keyLife adds, lists, shows and deletes a key.
func (w *stage) keyLife(c client, kind string) {
	w.Helper()
	key := w.public(kind)
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " me@box"
	id := "me@" + w.app
	a := w.want(made201, c, "POST", "/v1/keys", map[string]string{"id": id, "public": text}, `"public":"`+text+`"`)
	w.shape(a, "uuid", "owner", "fingerprint", "created", "updated", "id", "public")
	w.want(ok200, c, "GET", "/v1/keys", nil, `"id":"`+id+`"`)
	w.want(ok200, c, "GET", "/v1/keys/"+id, nil, `"public":"`+text+`"`)
	w.want(done204, c, "DELETE", "/v1/keys/"+id, nil)
	w.want(missing404, c, "GET", "/v1/keys/"+id, nil)
}

// keyTwice adds a key that is there already.
func (w *stage) keyTwice(kind string) {
	w.Helper()
	text := string(ssh.MarshalAuthorizedKey(w.public(kind)))
	const taken = `{"public":["This field must be unique."]}`
	w.want(made201, w.root, "POST", "/v1/keys", map[string]string{"id": w.app, "public": text})
	w.want(bad400, w.root, "POST", "/v1/keys", map[string]string{"id": w.app + "-2", "public": text}, taken)
	w.want(bad400, w.root, "POST", "/v1/keys", map[string]string{"id": w.app + "-2", "public": strings.TrimSpace(text) + " other"}, taken)
	w.want(bad400, w.user("ann"), "POST", "/v1/keys", map[string]string{"id": w.app, "public": text}, taken)
}

var keyScenarios = []scenario{
	{"rsa", func(w *stage) { w.keyLife(w.root, "rsa") }},
	{"ecdsa", func(w *stage) { w.keyLife(w.root, "ecdsa") }},
	{"bad_key", func(w *stage) {
		text := strings.Fields(string(ssh.MarshalAuthorizedKey(w.public("rsa"))))
		w.want(bad400, w.root, "POST", "/v1/keys", map[string]string{"id": "bad", "public": text[0] + " " + text[1][:len(text[1])-3]},
			`{"public":["Incorrect padding"]}`)
	}},
	{"rsa_duplicate", func(w *stage) { w.keyTwice("rsa") }},
	{"ecdsa_duplicate", func(w *stage) { w.keyTwice("ecdsa") }},
	{"fingerprint", func(w *stage) {
		key := w.public("rsa")
		w.want(made201, w.root, "POST", "/v1/keys", map[string]string{"id": "print", "public": string(ssh.MarshalAuthorizedKey(key))},
			fmt.Sprintf(`"fingerprint":%q`, ssh.FingerprintLegacyMD5(key)))
	}},
	{"non_superuser_rsa", func(w *stage) { w.keyLife(w.user("ann"), "rsa") }},
	{"non_superuser_ecdsa", func(w *stage) { w.keyLife(w.user("ann"), "ecdsa") }},
}

var limitsScenarios = []scenario{
	{"memory", func(w *stage) {
		w.create(w.root)
		for limit, line := range map[string]string{
			"20MB": made201, "20gb": made201, "20M": made201, "20g": made201, "20480KB": made201, "20000000B": made201,
			"20MK": bad400, "20gK": bad400, "20": bad400, "M": bad400, "20 MB": bad400, "-20MB": bad400,
		} {
			w.want(line, w.root, "POST", w.path("config"), map[string]any{"memory": map[string]string{"web": limit}})
		}
	}},
}
