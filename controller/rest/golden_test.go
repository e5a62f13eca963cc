package rest

import (
	"testing"
)

const (
	userJSON       = `{"id":3,"email":"a@example.com","username":"al.ice","first_name":"A","last_name":"B","is_superuser":false,"is_staff":false,"groups":[],"user_permissions":[],"last_login":"2014-01-02T04:04:05.678901Z","date_joined":"2014-01-02T03:04:05.678901Z","is_active":true}`
	bobJSON        = `{"id":2,"email":"","username":"bob","first_name":"","last_name":"","is_superuser":false,"is_staff":false,"groups":[],"user_permissions":[],"last_login":"2014-01-02T03:04:05.678901Z","date_joined":"2014-01-02T03:04:05.678901Z","is_active":true}`
	keyJSON        = `{"uuid":"u-key","owner":"bob","fingerprint":"aa:bb","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","id":"bob@home","public":"ssh-rsa AAAA <bob>"}`
	appJSON        = `{"uuid":"u-app","id":"demo","owner":"bob","url":"demo.example.com","structure":{"web":2},"created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC"}`
	newAppJSON     = `{"uuid":"u-app","id":"demo","owner":"bob","url":"demo.example.com","structure":{},"created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC"}`
	configJSON     = `{"uuid":"u-config","app":"demo","owner":"bob","values":{"A":"<ü>"},"memory":{"web":"1G"},"cpu":{"web":512},"tags":{},"created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC"}`
	buildJSON      = `{"owner":"bob","app":"demo","image":"nginx","sha":"","procfile":{},"dockerfile":"","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","uuid":"u-build"}`
	firstJSON      = `{"uuid":"u-release","app":"demo","owner":"bob","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","version":1,"summary":"bob deployed nginx","config":"u-config","build":null}`
	releaseJSON    = `{"uuid":"u-release","app":"demo","owner":"bob","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","version":3,"summary":"bob deployed nginx","config":"u-config","build":"u-build"}`
	containerJSON  = `{"owner":"bob","app":"demo","release":"v3","type":"web","num":1,"state":"up","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","uuid":"u-container"}`
	credentialJSON = `{"owner":"bob","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","app":"demo","registry":"quay.io","username":"robot"}`
	domainJSON     = `{"owner":"bob","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","app":"demo","domain":"www.example.org"}`
	certJSON       = `{"id":5,"owner":"bob","expires":"2014-01-02T04:04:05UTC","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC","common_name":"www.example.org"}`
	pushBody       = `{"receive_user":"bob","receive_repo":"demo","sha":"ab12","fingerprint":"aa:bb","ssh_connection":"1 2 3 4","ssh_original_command":"git-receive-pack"}`
	pushJSON       = `{"uuid":"u-push","owner":"bob","app":"demo","sha":"ab12","fingerprint":"aa:bb","receive_user":"bob","receive_repo":"demo","ssh_connection":"1 2 3 4","ssh_original_command":"git-receive-pack","created":"2014-01-02T03:04:05UTC","updated":"2014-01-02T04:04:05UTC"}`
	page1          = `{"Size":100,"Number":1,"Last":false}`
)

func listJSON(one string) string {
	return `{"count":1,"next":null,"previous":null,"results":[` + one + `]}`
}

// success is one call of a route that succeeds.
type success struct {
	method, path, body string
	status             string
	want               string
	call               string
}

// successes has every route at least once.
var successes = []success{
	{"GET", "/healthz", "", "200 OK", "OK", ""},
	{"GET", "/v1/", "", "200 OK", "{}", ""},

	{"POST", "/v1/auth/register", `{"username":"al.ice","password":" p ","email":"a@example.com","first_name":"A","last_name":"B","is_superuser":true}`, "201 CREATED", userJSON,
		`Register["bob",{"Username":"al.ice","Password":" p ","Email":"a@example.com","FirstName":"A","LastName":"B"}]`},
	{"POST", "/v1/auth/login/", `{"username":"bob","password":"secret"}`, "200 OK", `{"token":"0123456789abcdef"}`, `Login["bob","secret"]`},
	{"DELETE", "/v1/auth/cancel", "", "204 NO CONTENT", "", `CancelUser["bob",""]`},
	{"DELETE", "/v1/auth/cancel", `{"username":"al"}`, "204 NO CONTENT", "", `CancelUser["bob","al"]`},
	{"POST", "/v1/auth/passwd", `{"password":"old","new_password":"new"}`, "200 OK", `{"status":"password set"}`,
		`ChangePassword["bob",{"From":"127.0.0.1","Username":"","Password":"old","NewPassword":"new"}]`},
	{"POST", "/v1/auth/passwd", `{"username":"al","new_password":"new"}`, "200 OK", `{"status":"password set"}`,
		`ChangePassword["bob",{"From":"127.0.0.1","Username":"al","Password":null,"NewPassword":"new"}]`},
	{"POST", "/v1/auth/tokens/", "", "200 OK", `{"token":"fedcba9876543210"}`, `RegenerateToken["bob","",false]`},
	{"POST", "/v1/auth/tokens/", `{"username":"al"}`, "200 OK", `{"token":"fedcba9876543210"}`, `RegenerateToken["bob","al",false]`},
	{"POST", "/v1/auth/tokens/", `{"all":false}`, "200 OK", `""`, `RegenerateToken["bob","",true]`},

	{"GET", "/v1/apps", "", "200 OK", listJSON(appJSON), `Apps["bob",` + page1 + `]`},
	{"POST", "/v1/apps", "", "201 CREATED", newAppJSON, `CreateApp["bob",{"ID":null,"Structure":null}]`},
	{"POST", "/v1/apps", `{"id":"demo","structure":"{\"web\":1}"}`, "201 CREATED", newAppJSON, `CreateApp["bob",{"ID":"demo","Structure":{"web":1}}]`},
	{"GET", "/v1/apps/demo", "", "200 OK", appJSON, `App["bob","demo"]`},
	{"POST", "/v1/apps/demo", `{"owner":"al"}`, "200 OK", "", `TransferApp["bob","demo","al"]`},
	{"POST", "/v1/apps/demo", "", "200 OK", "", `TransferApp["bob","demo",""]`},
	{"DELETE", "/v1/apps/demo", "", "204 NO CONTENT", "", `DestroyApp["bob","demo"]`},

	{"GET", "/v1/apps/demo/config", "", "200 OK", configJSON, `Config["bob","demo"]`},
	{"POST", "/v1/apps/demo/config", `{"values":{"A":1.50,"B":null,"C":true},"memory":"{\"web\":\"1G\"}","cpu":{"web":"512"},"owner":"x"}`, "201 CREATED", configJSON,
		`SetConfig["bob","demo",{"Values":{"A":1.50,"B":null,"C":true},"Memory":{"web":"1G"},"CPU":{"web":"512"},"Tags":null}]`},

	{"GET", "/v1/apps/demo/builds", "", "200 OK", listJSON(buildJSON), `Builds["bob","demo",` + page1 + `]`},
	{"POST", "/v1/apps/demo/builds", `{"image":"nginx","procfile":"{\"web\":\"run\"}"}`, "201 CREATED", buildJSON,
		`CreateBuild["bob","demo",{"Image":"nginx","SHA":"","Procfile":{"web":"run"},"Dockerfile":"","Push":""}]`},
	{"GET", "/v1/apps/demo/builds/de305d54-75b4-431b-adb2-eb6b9e546014", "", "200 OK", buildJSON,
		`Build["bob","demo","de305d54-75b4-431b-adb2-eb6b9e546014"]`},

	{"GET", "/v1/apps/demo/releases", "", "200 OK", listJSON(firstJSON), `Releases["bob","demo",` + page1 + `]`},
	{"GET", "/v1/apps/demo/releases/v3", "", "200 OK", releaseJSON, `Release["bob","demo",3]`},
	{"POST", "/v1/apps/demo/releases/rollback", "", "201 CREATED", `{"version":9}`, `Rollback["bob","demo",0]`},
	{"POST", "/v1/apps/demo/releases/rollback", `{"version":"2"}`, "201 CREATED", `{"version":9}`, `Rollback["bob","demo",2]`},
	{"POST", "/v1/apps/demo/releases/rollback", `{"version":-1}`, "201 CREATED", `{"version":9}`, `Rollback["bob","demo",-1]`},

	{"GET", "/v1/apps/demo/containers", "", "200 OK", listJSON(containerJSON), `Containers["bob","demo","",` + page1 + `]`},
	{"GET", "/v1/apps/demo/containers/web", "", "200 OK", listJSON(containerJSON), `Containers["bob","demo","web",` + page1 + `]`},
	{"GET", "/v1/apps/demo/containers/web/1", "", "200 OK", containerJSON, `Container["bob","demo","web",1]`},
	{"POST", "/v1/apps/demo/containers/restart", "", "200 OK", "[" + containerJSON + "]", `Restart["bob","demo","",0]`},
	{"POST", "/v1/apps/demo/containers/web/restart", "", "200 OK", "[" + containerJSON + "]", `Restart["bob","demo","web",0]`},
	{"POST", "/v1/apps/demo/containers/web/1/restart", "", "200 OK", "[" + containerJSON + "]", `Restart["bob","demo","web",1]`},
	{"POST", "/v1/apps/demo/scale", `{"web":2,"worker":"1"}`, "204 NO CONTENT", "", `Scale["bob","demo",{"web":2,"worker":"1"}]`},
	{"POST", "/v1/apps/demo/scale", "", "204 NO CONTENT", "", `Scale["bob","demo",null]`},
	{"GET", "/v1/apps/demo/logs", "", "200 OK", "one\ntwo\n", `Logs["bob","demo",1000]`},
	{"GET", "/v1/apps/demo/logs?log_lines=7", "", "200 OK", "one\ntwo\n", `Logs["bob","demo",7]`},
	{"GET", "/v1/apps/demo/logs?log_lines=junk", "", "200 OK", "one\ntwo\n", `Logs["bob","demo",100]`},
	{"GET", "/v1/apps/demo/logs?follow=0", "", "200 OK", "one\ntwo\n", `Logs["bob","demo",1000]`},
	{"GET", "/v1/apps/demo/logs?follow=1", "", "200 OK", "one\ntwo\n", `FollowLogs["bob","demo",{"Lines":1000,"Position":null}]`},
	{"GET", "/v1/apps/demo/logs?follow=true&log_lines=0&position=0123456789abcdef-12", "", "200 OK", "one\ntwo\n",
		`FollowLogs["bob","demo",{"Lines":0,"Position":{"Log":"0123456789abcdef","Offset":12}}]`},
	{"GET", "/v1/apps/demo/run/stream", "", "426 UPGRADE REQUIRED", `{"detail":"This takes a WebSocket."}`, `App["bob","demo"]`}, // see TestSession
	{"POST", "/v1/apps/demo/run", `{"command":"echo 'x'"}`, "200 OK", `[3,"hello <world>\n"]`, `Run["bob","demo","echo 'x'"]`},

	{"GET", "/v1/apps/demo/domains", "", "200 OK", listJSON(domainJSON), `Domains["bob","demo",` + page1 + `]`},
	{"POST", "/v1/apps/demo/domains", `{"domain":"www.example.org"}`, "201 CREATED", domainJSON, `AddDomain["bob","demo","www.example.org"]`},
	{"DELETE", "/v1/apps/demo/domains/www.example.org", "", "204 NO CONTENT", "", `RemoveDomain["bob","demo","www.example.org"]`},
	{"DELETE", "/v1/apps/demo/domains/*.1.xip.io", "", "204 NO CONTENT", "", `RemoveDomain["bob","demo","*.1.xip.io"]`},

	{"GET", "/v1/apps/demo/credentials", "", "200 OK", listJSON(credentialJSON), `Credentials["bob","demo",` + page1 + `]`},
	{"POST", "/v1/apps/demo/credentials", `{"registry":"quay.io","username":"robot","password":"s3cret"}`, "201 CREATED", credentialJSON,
		`SetCredential["bob","demo","quay.io","robot","s3cret"]`},
	{"DELETE", "/v1/apps/demo/credentials/quay.io:5000", "", "204 NO CONTENT", "", `RemoveCredential["bob","demo","quay.io:5000"]`},

	{"GET", "/v1/apps/demo/perms", "", "200 OK", `{"users":[]}`, `Perms["bob","demo"]`},
	{"POST", "/v1/apps/demo/perms", `{"username":"al"}`, "201 CREATED", "", `Share["bob","demo","al"]`},
	{"DELETE", "/v1/apps/demo/perms/b.o+b@x-y_z", "", "204 NO CONTENT", "", `Unshare["bob","demo","b.o+b@x-y_z"]`},

	{"GET", "/v1/keys", "", "200 OK", listJSON(keyJSON), `Keys["bob",` + page1 + `]`},
	{"POST", "/v1/keys", `{"id":"bob@home","public":"ssh-rsa AAAA","name":"x"}`, "201 CREATED", keyJSON, `AddKey["bob","bob@home","ssh-rsa AAAA"]`},
	{"GET", "/v1/keys/bob@home", "", "200 OK", keyJSON, `Key["bob","bob@home"]`},
	{"GET", "/v1/keys/a%20b/c/", "", "200 OK", keyJSON, `Key["bob","a b/c"]`},
	{"DELETE", "/v1/keys/bob@home", "", "204 NO CONTENT", "", `RemoveKey["bob","bob@home"]`},

	{"GET", "/v1/certs", "", "200 OK", listJSON(certJSON), `Certs["bob",` + page1 + `]`},
	{"POST", "/v1/certs/", `{"certificate":"C\n","key":"K\n"}`, "201 CREATED", certJSON, `AddCert["bob",{"Certificate":"C\n","Key":"K\n","CommonName":""}]`},
	{"POST", "/v1/certs", `{"certificate":"C","key":"K","common_name":"www.example.org"}`, "201 CREATED", certJSON, `AddCert["bob",{"Certificate":"C","Key":"K","CommonName":"www.example.org"}]`},
	{"GET", "/v1/certs/www.example.org", "", "200 OK", certJSON, `Cert["bob","www.example.org"]`},
	{"DELETE", "/v1/certs/www.example.org", "", "204 NO CONTENT", "", `RemoveCert["bob","www.example.org"]`},
	{"DELETE", "/v1/certs/*.example.org/", "", "204 NO CONTENT", "", `RemoveCert["bob","*.example.org"]`},

	{"GET", "/v1/admin/perms", "", "200 OK", listJSON(`{"username":"root","is_superuser":true}`), `Admins["bob",` + page1 + `]`},
	{"POST", "/v1/admin/perms", `{"username":"al"}`, "201 CREATED", "", `SetAdmin["bob","al",true]`},
	{"DELETE", "/v1/admin/perms/bob.smith", "", "204 NO CONTENT", "", `SetAdmin["bob","bob.smith",false]`},
	{"GET", "/v1/users", "", "200 OK", listJSON(bobJSON), `Users["bob",` + page1 + `]`},

	{"POST", "/v1/hooks/push", pushBody, "201 CREATED", pushJSON,
		`PushHook[{"UUID":"","App":"","Owner":"","SHA":"ab12","Fingerprint":"aa:bb","ReceiveUser":"bob","ReceiveRepo":"demo","SSHConnection":"1 2 3 4","SSHOriginalCommand":"git-receive-pack","Created":"0001-01-01T00:00:00Z","Updated":"0001-01-01T00:00:00Z"}]`},
	{"POST", "/v1/hooks/config", `{"receive_user":"bob","receive_repo":"demo"}`, "200 OK", configJSON, `ConfigHook["bob","demo"]`},
	{"POST", "/v1/hooks/build", `{"receive_user":"bob","receive_repo":"demo","image":"demo","sha":"ab12cd34","procfile":{},"dockerfile":"true"}`, "200 OK",
		`{"release":{"version":4},"domains":["demo.example.com"]}`,
		`BuildHook["bob","demo",{"Image":"demo","SHA":"ab12cd34","Procfile":{},"Dockerfile":"true","Push":""}]`},
	{"POST", "/v1/hooks/builds", `{"receive_user":"bob","receive_repo":"demo","image":"demo","sha":"ab12cd34"}`, "200 OK",
		`{"release":{"version":4},"domains":["demo.example.com"]}`,
		`BuildHook["bob","demo",{"Image":"demo","SHA":"ab12cd34","Procfile":null,"Dockerfile":"","Push":""}]`},
}

func TestSuccesses(t *testing.T) {
	f := &fake{}
	c := serve(t, f, quiet())
	tested := map[string]bool{}
	for _, s := range successes {
		got := c.do(s.method, s.path, s.body)
		if got.status != s.status || got.body != s.want {
			t.Errorf("%s %s %s:\n%s %s, want\n%s %s", s.method, s.path, s.body, got.status, got.body, s.status, s.want)
		}
		if call := f.noted(); call != s.call {
			t.Errorf("%s %s %s calls\n%s, want\n%s", s.method, s.path, s.body, call, s.call)
		}
		tested[s.method+" "+patternOf(s.path)] = true
	}
	for _, r := range Routes() {
		if !tested[r.Method+" "+r.Pattern] {
			t.Errorf("%s %s is not tested", r.Method, r.Pattern)
		}
	}
}

func TestContentTypes(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for path, want := range map[string]string{
		"/healthz":           "text/html; charset=utf-8",
		"/v1/apps":           "application/json",
		"/v1/apps/demo/logs": "text/plain",
		"/nowhere":           "text/html; charset=utf-8",
	} {
		if got := c.do("GET", path, "").header.Get("Content-Type"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := c.do("POST", "/v1/apps/demo/run", `{"command":"ls"}`).header.Get("Content-Type"); got != "text/plain" {
		t.Errorf("run: %q", got)
	}
}

func TestReleaseHeaders(t *testing.T) {
	c := serve(t, &fake{}, quiet())
	for path, want := range map[string]string{
		"/v1/apps/demo/config":            "7",
		"/v1/apps/demo/builds":            "8",
		"/v1/apps/demo/releases/rollback": "",
	} {
		got := c.do("POST", path, `{"image":"nginx"}`).header
		if got.Get("Deis-Release") != want || got.Get("X-Deis-Release") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
}
