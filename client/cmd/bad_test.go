package cmd

import (
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"strings"
)

// at logs in at another server, which is to be called name.
func at(s *scene, url, name string) {
	s.hide = []string{url, name}
	s.write("../.deis/client.json", `{"username":"bob","ssl_verify":true,"controller":"`+url+`","token":"abc","response_limit":100}`)
}

// plain logs in over TLS at a server that knows HTTP only.
func plain(s *scene) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ln.Close() })
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client has read it
	}()
	at(s, "https://"+ln.Addr().String(), "https://plain")
}

// sessionFile makes the session file hold a text.
func sessionFile(text string) func(*scene) { return wrote("../.deis/client.json", text) }

// wrote makes a file, its path relative to the working directory.
func wrote(path, text string) func(*scene) { return func(s *scene) { s.write(path, text) } }

// variable sets one of the command's environment.
func variable(text string) func(*scene) {
	return func(s *scene) { s.env = append(s.env, text) }
}

// mode is a file's, for a user who is bound by it.
func mode(path string, mode os.FileMode) func(*scene) {
	return func(s *scene) {
		nobody(s)
		path := s.home + "/" + path
		if err := os.Chmod(path, mode); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
	}
}

// noGit leaves no program on the PATH.
func noGit(s *scene) {
	s.t.Setenv("PATH", s.home)
	s.env = append(s.env, "PATH="+s.home)
}

// noDirectory removes the working directory.
func noDirectory(s *scene) {
	if err := os.Remove(s.home + "/Demo"); err != nil {
		s.t.Fatal(err)
	}
}

func pemFiles(s *scene) {
	s.write("cert.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	s.write("key.pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n")
}

const (
	evil       = `{"detail":"\u001b[2J\u001b]0;title\u0007no\u202eecho\r\u009b31mroot: "}`
	guestLogin = "<!DOCTYPE html><html><head><title>Guest network</title></head></html>\n"
)

// wallOfHTML is what a proxy puts in place of an answer.
var wallOfHTML = "<!DOCTYPE html>\n<html><head><title>\n  503 Service Unavailable | proxy\n</title></head>\n" + strings.Repeat("<p>We are sorry.</p>\n", 200) + "</html>\n"

// badStories are about what is not as it should be. A request that a story
// does not expect fails it, so that nothing was asked for shows.
var badStories = []story{
	{name: "an answer of something else", args: words("info -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/", status: 200, answer: `{"status":"ok"}`, version: "none"}}},
	{name: "an answer that ends early", args: words("info -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/", status: 200, answer: `{"id":"demo","uuid":`}}},
	{name: "an answer of another shape", args: words("config -a demo"), calls: []exchange{{request: configCall.request, status: 200, answer: configJSON(`"values":{"A":["1"]}`)}}},
	{name: "a list of nothing", args: words("ps -a demo"), calls: []exchange{{request: psListCall.request, status: 200, answer: `null`}}},
	{name: "a page in place of what was to be done", args: words("domains:add x.com -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/domains/ {"domain":"x.com"}`, status: 200, answer: guestLogin, version: "none"}}},
	{name: "a page in place of a login", args: words("login CONTROLLER --username=carol --password=pw"), calls: []exchange{probeCall, {request: loginCall.request, status: 200, answer: guestLogin, token: "-", version: "none"}}, check: session(bob)},
	{name: "a login without token", args: words("login CONTROLLER --username=carol --password=pw"), calls: []exchange{probeCall, {request: loginCall.request, status: 200, answer: `{}`, token: "-"}}, check: session(bob)},
	{name: "a wall of HTML", args: words("ps -a demo"), calls: []exchange{{request: psListCall.request, status: 503, answer: wallOfHTML}}},
	{name: "a wall of HTML that has no such page", args: words("ps -a demo"), calls: []exchange{{request: psListCall.request, status: 404, answer: wallOfHTML}}},
	{name: "an error that steers the terminal", args: words("ps -a demo"), calls: []exchange{{request: psListCall.request, status: 400, answer: evil}}},
	{name: "an error in no encoding", args: words("ps -a demo"), calls: []exchange{{request: psListCall.request, status: 400, answer: "\xff\x00\x1b[31m"}}},
	{name: "an answer that is cut", args: words("apps"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 200, answer: pageJSON(1, appJSON("demo")), cut: true}}},
	{name: "an error that is cut", args: words("apps"), calls: []exchange{{request: "GET /v1/apps/?page_size=100", status: 500, answer: `{"detail":"`, cut: true}}},
	{name: "no controller there", args: words("apps"), setup: func(s *scene) {
		srv := httptest.NewServer(nil)
		at(s, srv.URL, "http://gone")
		srv.Close()
	}},
	{name: "a login where nothing is", args: words("login GONE --username=carol --password=pw"), setup: func(s *scene) {
		srv := httptest.NewServer(nil)
		s.alias, s.hide = []string{"GONE", srv.URL}, []string{srv.URL, "http://gone"}
		srv.Close()
	}, check: session(bob)},
	{name: "a controller that nobody vouches for", args: words("apps"), setup: func(s *scene) {
		srv := httptest.NewUnstartedServer(nil)
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		s.t.Cleanup(srv.Close)
		at(s, srv.URL, "https://unknown")
	}},
	{name: "a controller without TLS", args: words("apps"), setup: plain},

	{name: "token refused", args: words("config:set A=1 -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/config/ {"values":{"A":"1"}}`, status: 401, answer: `{"detail":"Invalid token"}`}}, check: session(bob)},
	{name: "token refused at a change of the password", args: words("passwd --password=a --new-password=b"), calls: []exchange{{request: `POST /v1/auth/passwd/ {"password":"a","new_password":"b"}`, status: 401, answer: `{"detail":"Invalid token"}`}}},
	{name: "token refused at a farewell", args: words("auth:cancel --username=carol --yes"), calls: []exchange{{request: `DELETE /v1/auth/cancel/ {"username":"carol"}`, status: 401, answer: `{"detail":"Invalid token"}`}}, check: session(bob)},

	{name: "session empty", args: words("apps"), setup: sessionFile("")},
	{name: "session of other types", args: words("apps"), setup: sessionFile(`{"username":"bob","controller":["x"]}`)},
	{name: "session of no kind", args: words("apps"), setup: sessionFile("\x00\x01")},
	{name: "session without controller", args: words("apps"), setup: sessionFile(`{"username":"bob","token":"abc"}`)},
	{name: "session with a wrong controller", args: words("apps"), setup: sessionFile(`{"controller":"ldap://x","token":"abc"}`)},
	{name: "session is a directory", args: words("apps"), setup: func(s *scene) { noSession(s); s.write("../.deis/client.json/x", "") }},
	{name: "session not to be read", args: words("apps"), setup: mode(".deis/client.json", 0)},
	{name: "session whose CA file is gone", args: words("apps"), setup: func(s *scene) { profile(`,"ca_file":"/none.pem"`)(s) }},
	{name: "broken session, logged out", args: words("logout"), setup: sessionFile("{"), check: noFile},
	{name: "broken session, logged in again", args: words("login CONTROLLER --username=carol --password=pw"), setup: sessionFile("{"), calls: []exchange{probeCall, loginCall}, check: session(carol)},
	{name: "home unset", args: words("apps"), setup: variable("HOME=")},
	{name: "home unset, login", args: words("login CONTROLLER --username=carol --password=pw"), setup: variable("HOME=")},
	{name: "profile elsewhere", args: words("whoami"), setup: variable("DEIS_PROFILE=../x")},
	{name: "profile elsewhere, login", args: words("login CONTROLLER --username=carol --password=pw"), setup: variable("DEIS_PROFILE=/tmp/x")},
	{name: "read-only home, login", args: words("login CONTROLLER --username=carol --password=pw"), setup: mode(".deis", 0o500), calls: []exchange{probeCall, loginCall}, check: session(bob)},
	{name: "read-only home, register", args: words("register CONTROLLER --username=carol --password=pw --email=c@example.com"), setup: mode(".deis", 0o500), calls: []exchange{probeCall,
		{request: `POST /v1/auth/register/ {"username":"carol","password":"pw","email":"c@example.com"}`, status: 201}, loginCall}, check: session(bob)},
	{name: "read-only home, regenerate", args: words("auth:regenerate"), setup: mode(".deis", 0o500), check: session(bob)},
	{name: "read-only home, logout", args: words("logout"), setup: mode(".deis", 0o500), check: session(bob)},
	{name: "login, CA file is a directory", args: words("login CONTROLLER --ca-file=."), check: session(bob)},
	{name: "login, CA file is no text", args: words("login CONTROLLER --ca-file=ca.der"), setup: wrote("ca.der", "0\x82\x01\x00"), check: session(bob)},

	{name: "private key", args: words("keys:add id"), setup: wrote("id", privatePEM)},
	{name: "private key behind a public one", args: words("keys:add id.pub"), setup: wrote("id.pub", rsaKey+"\n"+privatePEM)},
	{name: "private key of PuTTY", args: words("keys:add id.ppk"), setup: wrote("id.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n")},
	{name: "private key, typed", args: words("keys:add"), setup: func(s *scene) { sshKeys(s); s.write("id", privatePEM) }, in: "0\nid\n"},
	{name: "key in binary", args: words("keys:add id.pub"), setup: wrote("id.pub", "ssh-rsa \x00\xff")},
	{name: "key empty", args: words("keys:add id.pub"), setup: wrote("id.pub", "")},
	{name: "key is a directory", args: words("keys:add ."), setup: sshKeys},
	{name: "key not to be read", args: words("keys:add id.pub"), setup: func(s *scene) { s.write("id.pub", rsaKey); mode("Demo/id.pub", 0)(s) }},
	{name: "key without end", args: words("keys:add /dev/zero")},
	{name: "variable SSH_KEY from a public key's file", args: words("config:set SSH_KEY=id.pub -a demo"), setup: wrote("id.pub", rsaKey+"\n")},
	{name: "variable SSH_KEY from a file in binary", args: words("config:set SSH_KEY=id -a demo"), setup: wrote("id", "\x00\xff")},
	{name: "variable in no encoding", args: []string{"config:set", "A=\xff", "-a", "demo"}},

	{name: "certificate and key swapped", args: words("certs:add key.pem cert.pem"), setup: pemFiles},
	{name: "key twice", args: words("certs:add key.pem key.pem"), setup: pemFiles},
	{name: "certificate twice", args: words("certs:add cert.pem cert.pem"), setup: pemFiles},
	{name: "certificate in binary", args: words("certs:add cert.der key.pem"), setup: func(s *scene) { pemFiles(s); s.write("cert.der", "0\x82\x01\x00") }},
	{name: "certificate empty", args: words("certs:add empty.pem key.pem"), setup: func(s *scene) { pemFiles(s); s.write("empty.pem", "") }},
	{name: "certificate is a directory", args: words("certs:add . key.pem"), setup: pemFiles},

	{name: "Procfile is a directory", args: words("pull x:1 -a demo"), setup: wrote("Procfile/x", "")},
	{name: "Procfile in binary", args: words("pull x:1 -a demo"), setup: wrote("Procfile", "\x00\xff\x7fELF")},
	{name: "Procfile of another shape", args: words("pull x:1 -a demo"), setup: wrote("Procfile", "web:\n  command: x\n")},
	{name: "Procfile without end", args: words("pull x:1 -a demo"), setup: func(s *scene) {
		if err := os.Symlink("/dev/zero", "Procfile"); err != nil {
			s.t.Fatal(err)
		}
	}},

	{name: "no git, create", args: words("create demo"), setup: noGit},
	{name: "no git, create without remote", args: words("create demo --no-remote"), setup: noGit, calls: []exchange{{request: `POST /v1/apps/ {"id":"demo"}`, status: 201, answer: appJSON("demo")}}},
	{name: "no git, remote", args: words("git:remote -a demo"), setup: noGit},
	{name: "no git, app of the directory", args: words("perms"), setup: noGit, calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":[]}`}}},
	{name: "no git, destroy", args: words("destroy --confirm=demo"), setup: noGit, calls: []exchange{{request: "DELETE /v1/apps/demo/", status: 204}}},
	{name: "directory gone", args: words("ps"), setup: noDirectory},
	{name: "directory gone, app named", args: words("perms -a demo"), setup: noDirectory, calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":[]}`}}},

	{name: "name with controls", args: []string{"destroy", "-a", "x\x1b[2J", "--confirm", "x\x1b[2J"}},
	{name: "name with a line end", args: []string{"ps:restart", "-a", "demo\n"}},
	{name: "name in no encoding", args: []string{"info", "-a", "\xff"}},
	{name: "name without end", args: []string{"info", "-a", strings.Repeat("long", 300)}},
	{name: "key's name with controls", args: []string{"keys:remove", "a\x07"}},
	{name: "option with controls", args: []string{"apps", "--\x1b[31m"}},
	{name: "restart a number without end", args: words("ps:restart web.99999999999999999999 -a demo")},
	{name: "version without end", args: words("rollback v99999999999999999999 -a demo")},
}
