package cmd

const (
	rsaKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ bob@example.com"
	edKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm"
)

func keyJSON(id, public string) string {
	return `{"uuid":"` + uuid + `","owner":"bob","fingerprint":"1:2","created":"` + when + `","updated":"` + when + `","id":"` + id + `","public":"` + public + `"}`
}

func sshKeys(s *scene) {
	s.write("../.ssh/id_rsa.pub", rsaKey+"\n")
	s.write("../.ssh/id_ed25519.pub", edKey+"\n")
	s.write("../.ssh/broken.pub", "no key\n")
	s.write("../.ssh/config", "")
}

var keysStories = []story{
	{name: "list", args: words("keys:list"), calls: []exchange{{request: "GET /v1/keys/?page_size=100", status: 200, answer: pageJSON(3, keyJSON("zoe", rsaKey+`\n`), keyJSON("bob laptop", edKey), keyJSON("short", "ssh-rsa AA"))}}},
	{name: "list some", args: words("keys -l 1"), calls: []exchange{{request: "GET /v1/keys/?page_size=1", status: 200, answer: pageJSON(2, keyJSON("zoe", rsaKey))}}},
	{name: "list, not logged in", args: words("keys"), setup: noSession},
	{name: "add", args: words("keys:add ../.ssh/id_rsa.pub"), setup: sshKeys, calls: []exchange{{request: `POST /v1/keys/ {"id":"bob@example.com","public":"` + rsaKey + `"}`, status: 201, answer: keyJSON("x", "y")}}},
	{name: "add without comment", args: words("keys:add ../.ssh/id_ed25519.pub"), setup: sshKeys, calls: []exchange{{request: `POST /v1/keys/ {"id":"id_ed25519","public":"` + edKey + `"}`, status: 201, answer: keyJSON("x", "y")}}},
	{name: "add one of a security key", args: words("keys:add sk.pub"), setup: func(s *scene) {
		s.write("sk.pub", "sk-ssh-ed25519@openssh.com AAAA my  key \n")
	}, calls: []exchange{{request: `POST /v1/keys/ {"id":"my  key","public":"sk-ssh-ed25519@openssh.com AAAA my  key"}`, status: 201, answer: keyJSON("x", "y")}}},
	{name: "add what is no key", args: words("keys:add ../.ssh/broken.pub"), setup: sshKeys},
	{name: "add, no file", args: words("keys:add none.pub")},
	{name: "add, duplicate", args: words("keys:add ../.ssh/id_rsa.pub"), setup: sshKeys, calls: []exchange{{request: `POST /v1/keys/ {"id":"bob@example.com","public":"` + rsaKey + `"}`, status: 400, answer: `{"public":["This field must be unique."]}`}}},
	{name: "add, chosen", args: words("keys:add"), setup: sshKeys, in: "2\n", calls: []exchange{{request: `POST /v1/keys/ {"id":"bob@example.com","public":"` + rsaKey + `"}`, status: 201, answer: keyJSON("x", "y")}}},
	{name: "add, path typed", args: words("keys:add"), setup: sshKeys, in: "0\n../.ssh/id_rsa.pub\n", calls: []exchange{{request: `POST /v1/keys/ {"id":"bob@example.com","public":"` + rsaKey + `"}`, status: 201, answer: keyJSON("x", "y")}}},
	{name: "add, one past the last", args: words("keys:add"), setup: sshKeys, in: "3\n"},
	{name: "add, below zero", args: words("keys:add"), setup: sshKeys, in: "-1\n"},
	{name: "add, no number", args: words("keys:add"), setup: sshKeys, in: "x\n"},
	{name: "add, no directory", args: words("keys:add")},
	{name: "remove", args: []string{"keys:remove", "bob@example.com"}, calls: []exchange{{request: "DELETE /v1/keys/bob@example.com", status: 204}}},
	{name: "remove one with a space", args: []string{"keys:remove", "my key"}, calls: []exchange{{request: "DELETE /v1/keys/my%20key", status: 204}}},
	{name: "remove one with a dash", args: words("keys:remove -- -x"), calls: []exchange{{request: "DELETE /v1/keys/-x", status: 204}}},
	{name: "remove, none", args: words("keys:remove none"), calls: []exchange{{request: "DELETE /v1/keys/none", status: 404, answer: notFound}}},
}

func certJSON(name, expires string) string {
	return `{"id":1,"owner":"bob","expires":"` + expires + `","created":"` + when + `","updated":"` + when + `","common_name":"` + name + `"}`
}

func certFiles(s *scene) {
	s.write("cert.pem", "CERT\n")
	s.write("key.pem", "KEY\n")
}

var certsStories = []story{
	{name: "list", args: words("certs:list"), calls: []exchange{{request: "GET /v1/certs/?page_size=100", status: 200, answer: pageJSON(2, certJSON("www.example.com", "2016-12-31T00:00:00UTC"), certJSON("a.example.com", "2017-12-31T00:00:00UTC"))}}},
	{name: "list, short name", args: words("certs -l 5"), calls: []exchange{{request: "GET /v1/certs/?page_size=5", status: 200, answer: pageJSON(1, certJSON("a.b", "2016-12-31T00:00:00UTC"))}}},
	{name: "list, none", args: words("certs"), calls: []exchange{{request: "GET /v1/certs/?page_size=100", status: 200, answer: pageJSON(0)}}},
	{name: "list, token refused", args: words("certs"), calls: []exchange{{request: "GET /v1/certs/?page_size=100", status: 401, answer: `{"detail":"Invalid token"}`}}},
	{name: "add", args: words("certs:add cert.pem key.pem"), setup: certFiles, calls: []exchange{{request: `POST /v1/certs/ {"certificate":"CERT\n","key":"KEY\n"}`, status: 201, answer: `{}`}}},
	{name: "add with name", args: words("certs:add cert.pem key.pem --common-name=foo.com"), setup: certFiles, calls: []exchange{{request: `POST /v1/certs/ {"certificate":"CERT\n","key":"KEY\n","common_name":"foo.com"}`, status: 201}}},
	{name: "add with names", args: words("certs:add cert.pem key.pem --common-name=x --subject-alt-names=a.com,b.com"), setup: certFiles, calls: []exchange{
		{request: `POST /v1/certs/ {"certificate":"CERT\n","key":"KEY\n","common_name":"a.com"}`, status: 201},
		{request: `POST /v1/certs/ {"certificate":"CERT\n","key":"KEY\n","common_name":"b.com"}`, status: 201}}},
	{name: "add, no file", args: words("certs:add cert.pem none.pem"), setup: certFiles},
	{name: "add, no key", args: words("certs:add cert.pem"), setup: certFiles},
	{name: "add, refused", args: words("certs:add cert.pem key.pem"), setup: certFiles, calls: []exchange{{request: `POST /v1/certs/ {"certificate":"CERT\n","key":"KEY\n"}`, status: 400, answer: `{"certificate":["Could not load certificate"]}`}}},
	{name: "remove", args: words("certs:remove *.example.com"), calls: []exchange{{request: "DELETE /v1/certs/%2A.example.com", status: 204}}},
	{name: "remove, none", args: words("certs:remove example.com"), calls: []exchange{{request: "DELETE /v1/certs/example.com", status: 404, answer: notFound}}},
}

var permsStories = []story{
	{name: "list", args: words("perms:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":["zoe","carol"]}`}}},
	{name: "list by shortcut", args: words("sharing -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 200, answer: `{"users":[]}`}}},
	{name: "list administrators", args: words("perms --admin"), calls: []exchange{{request: "GET /v1/admin/perms/?page_size=100", status: 200, answer: pageJSON(2, `{"username":"zoe","is_superuser":true}`, `{"username":"bob","is_superuser":true}`)}}},
	{name: "list some administrators", args: words("perms --admin -l 1"), calls: []exchange{{request: "GET /v1/admin/perms/?page_size=1", status: 200, answer: pageJSON(2, `{"username":"zoe"}`)}}},
	{name: "list, refused", args: words("perms:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/perms/", status: 403, answer: forbidden}}},
	{name: "list administrators of an app", args: words("perms:list -a demo --admin")},
	{name: "list so many of an app", args: words("perms:list -a demo -l 4")},
	{name: "create", args: words("perms:create carol -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/perms/ {"username":"carol"}`, status: 201}}},
	{name: "create by shortcut", args: words("sharing:add carol"), setup: gitRemote("deis", "git@127.0.0.1:other.git"), calls: []exchange{{request: `POST /v1/apps/other/perms/ {"username":"carol"}`, status: 201}}},
	{name: "create an administrator", args: words("perms:create carol --admin"), calls: []exchange{{request: `POST /v1/admin/perms/ {"username":"carol"}`, status: 201}}},
	{name: "create, refused", args: words("perms:create carol -a demo"), calls: []exchange{{request: `POST /v1/apps/demo/perms/ {"username":"carol"}`, status: 403, answer: forbidden}}},
	{name: "create nobody", args: words("perms:create -a demo")},
	{name: "delete", args: words("perms:delete a/b -a demo"), calls: []exchange{{request: `DELETE /v1/apps/demo/perms/a%2Fb`, status: 204}}},
	{name: "delete by shortcut", args: words("sharing:remove bob.smith -a demo"), calls: []exchange{{request: `DELETE /v1/apps/demo/perms/bob.smith`, status: 204}}},
	{name: "delete an administrator", args: words("perms:delete carol --admin"), calls: []exchange{{request: `DELETE /v1/admin/perms/carol`, status: 204}}},
	{name: "delete, refused", args: words("perms:delete carol --admin"), calls: []exchange{{request: `DELETE /v1/admin/perms/carol`, status: 403, answer: forbidden}}},
}
