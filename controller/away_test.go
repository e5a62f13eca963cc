package controller_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/rest"
)

// sshKey is a public key of which nobody knows the other half.
const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID6Sg8AnKlrf2C7mjG82uBTW21bvvKOht3u8khEZUjkX ann@home"

// bodies are what requests to a pattern say, where that matters.
var bodies = map[string]string{
	"POST /v1/auth/register":                `{"username":"bob","password":"pw"}`,
	"POST /v1/auth/login/":                  `{"username":"ann","password":"` + password + `"}`,
	"POST /v1/auth/passwd":                  `{"password":"` + password + `","new_password":"` + password + `"}`,
	"POST /v1/apps":                         `{"id":"third"}`,
	"POST /v1/apps/{app}/config":            `{"values":{"A":"1"}}`,
	"POST /v1/apps/{app}/builds":            `{"image":"demo","sha":"ab12","procfile":{"web":"serve"}}`,
	"POST /v1/apps/{app}/scale":             `{"web":"2"}`,
	"POST /v1/apps/{app}/run":               `{"command":"true"}`,
	"POST /v1/apps/{app}/domains":           `{"domain":"new.example.org"}`,
	"POST /v1/apps/{app}/credentials":       `{"registry":"quay.io","username":"u","password":"p"}`,
	"POST /v1/apps/{app}/perms":             `{"username":"ann"}`,
	"POST /v1/apps/{app}":                   `{"owner":"ann"}`,
	"POST /v1/keys":                         `{"id":"k","public":"` + sshKey + `"}`,
	"POST /v1/admin/perms":                  `{"username":"ann"}`,
	"POST /v1/hooks/push":                   `{"receive_user":"ann","receive_repo":"demo","sha":"ab12","fingerprint":"aa","ssh_connection":"1","ssh_original_command":"x"}`,
	"POST /v1/hooks/config":                 `{"receive_user":"ann","receive_repo":"demo"}`,
	"POST /v1/hooks/build":                  `{"receive_user":"ann","receive_repo":"demo","image":"demo","sha":"ab12","procfile":{"web":"serve"}}`,
	"POST /v1/hooks/builds":                 `{"receive_user":"ann","receive_repo":"demo","image":"demo","sha":"ab12","procfile":{"web":"serve"}}`,
	"POST /v1/apps/{app}/releases/rollback": `{"version":2}`,
}

var example = strings.NewReplacer("{app}", "demo", "{uuid}", "11111111-1111-1111-1111-111111111111", "{version}", "v2", "{type}", "web", "{num}", "1",
	"{domain}", "www.example.org", "{username}", "ann", "{registry}", "quay.io", "{id}", "k", "{cn}", "www.example.org", "{common_name}", "www.example.org")

// While PostgreSQL is away every request is answered with 503 and a sentence;
// when it is back all is well without a restart.
func TestPostgreSQLAway(t *testing.T) {
	s := newStack(t)
	n := s.start(time.Second)
	n.login()
	n.deployed("demo")
	n.expect(201, "POST", "/v1/apps/demo/domains", `{"domain":"www.example.org"}`)
	s.proxy.Stop()
	var all sync.WaitGroup
	for _, r := range rest.Routes() {
		if r.Pattern == "/healthz" {
			continue
		}
		all.Go(func() {
			status, text := n.ask(r.Method, example.Replace(r.Pattern), bodies[r.Method+" "+r.Pattern])
			if status != http.StatusServiceUnavailable || text != `{"detail":"The database is not available."}` {
				t.Errorf("%s %s: %d %s", r.Method, r.Pattern, status, text)
			}
		})
	}
	all.Wait()
	n.expect(200, "GET", "/healthz", "")
	s.proxy.Listen()
	eventually(t, "the database is found again", func() bool {
		status, _ := n.ask("GET", "/v1/apps", "")
		return status == 200
	})
	if v := n.version("demo"); v != 2 {
		t.Error("something was changed: at version", v)
	}
	n.expect(201, "POST", "/v1/apps/demo/builds", buildOf("demo", 2))
	eventually(t, "the new release runs alone", func() bool { return n.running("demo") == "v3.web=up" })
}

// While etcd is away, what it need not know of goes on; what it must is refused
// with a sentence and changes nothing. When it is back all is well.
func TestEtcdAway(t *testing.T) {
	const away = `{"detail":"etcd is not available."}`
	s := newStack(t)
	n := s.start(time.Second)
	n.login()
	n.deployed("demo")
	n.expect(201, "POST", "/v1/apps", `{"id":"second"}`)
	n.expect(201, "POST", "/v1/apps/demo/domains", `{"domain":"www.example.org"}`)
	n.expect(201, "POST", "/v1/keys", bodies["POST /v1/keys"])
	s.etcd.Stop()
	var all sync.WaitGroup
	for _, request := range []struct {
		method, path, body string
		status             int
		want               string // empty: whatever it is
	}{
		{"POST", "/v1/apps", `{"id":"third"}`, 503, away},
		{"POST", "/v1/apps", ``, 503, away},
		{"DELETE", "/v1/apps/demo", ``, 503, away},
		{"POST", "/v1/apps/demo/builds", buildOf("demo", 2), 503, away},
		{"POST", "/v1/hooks/build", bodies["POST /v1/hooks/build"], 503, away},
		{"POST", "/v1/apps/second/config", `{"values":{"A":"1"}}`, 503, away},
		{"POST", "/v1/apps/demo/releases/rollback", `{"version":2}`, 503, away},
		{"POST", "/v1/apps/demo/scale", `{"web":"2"}`, 503, away},
		{"POST", "/v1/apps/demo/scale", `{"web":"0"}`, 503, away},
		{"POST", "/v1/apps/demo/containers/restart", ``, 503, away},
		{"POST", "/v1/apps/demo/domains", `{"domain":"new.example.org"}`, 503, away},
		{"DELETE", "/v1/apps/demo/domains/www.example.org", ``, 503, away},
		{"POST", "/v1/keys", strings.Replace(bodies["POST /v1/keys"], `"k"`, `"k2"`, 1), 503, away},
		{"DELETE", "/v1/keys/k", ``, 503, away},
		{"DELETE", "/v1/auth/cancel", ``, 503, away},

		{"GET", "/v1/apps", ``, 200, ""},
		{"GET", "/v1/apps/demo", ``, 200, ""},
		{"GET", "/v1/apps/demo/config", ``, 200, ""},
		{"GET", "/v1/apps/demo/releases", ``, 200, ""},
		{"GET", "/v1/apps/demo/containers", ``, 200, ""},
		{"GET", "/v1/keys", ``, 200, ""},
		{"POST", "/v1/auth/login/", bodies["POST /v1/auth/login/"], 200, ""},
		{"POST", "/v1/apps/demo/run", `{"command":"true"}`, 200, ""},
		{"POST", "/v1/apps/demo/credentials", bodies["POST /v1/apps/{app}/credentials"], 201, ""},
		{"POST", "/v1/hooks/config", bodies["POST /v1/hooks/config"], 200, ""},
	} {
		all.Go(func() {
			status, text := n.ask(request.method, request.path, request.body)
			if status != request.status || request.want != "" && text != request.want {
				t.Errorf("%s %s: %d %s", request.method, request.path, status, text)
			}
		})
	}
	all.Wait()
	s.etcd.Restart()
	eventually(t, "etcd is found again", func() bool {
		status, _ := n.ask("POST", "/v1/apps", `{"id":"third"}`)
		return status == 201
	})
	if v := n.version("demo"); v != 2 {
		t.Error("something was changed: at version", v)
	}
	for _, path := range []string{"/v1/apps/demo/domains", "/v1/keys", "/v1/apps"} {
		want := map[string]string{"/v1/apps": `"count":3`}[path]
		if want == "" {
			want = `"count":1`
		}
		if text := n.expect(200, "GET", path, ""); !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
	}
	n.expect(201, "POST", "/v1/apps/demo/builds", buildOf("demo", 2))
	eventually(t, "the new release runs alone", func() bool { return n.running("demo") == "v3.web=up" })
}
