package cmd

import "os"

var (
	probeCall = exchange{request: "GET /v1/", status: 401, answer: `{"detail":"Authentication credentials were not provided."}`, token: "-"}
	loginCall = exchange{request: `POST /v1/auth/login/ {"username":"carol","password":"pw"}`, status: 200, answer: `{"token":"new"}`, token: "-"}
)

// session checks the session file.
func session(want string) func(*scene) { return file("../.deis/client.json", want) }

// noFile checks that the session is gone.
func noFile(s *scene) {
	if _, err := os.Stat("../.deis/client.json"); !os.IsNotExist(err) {
		s.t.Error("the session is still there:", err)
	}
}

const (
	carol = `{"username":"carol","ssl_verify":true,"controller":"http://controller","token":"new","response_limit":100}`
	bob   = `{"username":"bob","ssl_verify":true,"controller":"http://controller","token":"abc","response_limit":100}`
)

var authStories = []story{
	{name: "register", args: words("auth:register CONTROLLER --username carol --password pw --email c@example.com"), setup: noSession, calls: []exchange{probeCall,
		{request: `POST /v1/auth/register/ {"username":"carol","password":"pw","email":"c@example.com"}`, status: 201, token: "-"}, loginCall}, check: session(carol)},
	{name: "register by shortcut, for another", args: words("register CONTROLLER --username=carol --password=pw --email=c@example.com"), calls: []exchange{probeCall,
		{request: `POST /v1/auth/register/ {"username":"carol","password":"pw","email":"c@example.com"}`, status: 201}, loginCall}, check: session(carol)},
	{name: "register, asked", args: words("register CONTROLLER --password=pw"), in: "carol\nc@example.com\n", calls: []exchange{probeCall,
		{request: `POST /v1/auth/register/ {"username":"carol","password":"pw","email":"c@example.com"}`, status: 201}, loginCall}},
	{name: "register, taken", args: words("register CONTROLLER --username=carol --password=pw --email=c@example.com"), calls: []exchange{probeCall,
		{request: `POST /v1/auth/register/ {"username":"carol","password":"pw","email":"c@example.com"}`, status: 400, answer: `{"username":["This field must be unique."],"email":["Enter a valid email address."]}`}}, check: session(bob)},
	{name: "register, no terminal for the password", args: words("register CONTROLLER --username=carol"), calls: []exchange{probeCall}, only: inPipe},
	{name: "register, all asked", args: words("register CONTROLLER"), in: "carol\npw\npw\nc@example.com\n", only: atTerminal, calls: []exchange{probeCall,
		{request: `POST /v1/auth/register/ {"username":"carol","password":"pw","email":"c@example.com"}`, status: 201}, loginCall}, check: session(carol)},
	{name: "register, password mistyped", args: words("register CONTROLLER --username=carol"), in: "pw\nwp\n", only: atTerminal, calls: []exchange{probeCall}, check: session(bob)},

	{name: "login", args: words("auth:login CONTROLLER --username=carol --password=pw --ssl-verify=false --ssh-port=10022"), calls: []exchange{probeCall, loginCall},
		check: session(`{"username":"carol","ssl_verify":false,"controller":"http://controller","token":"new","response_limit":100,"ssh_port":10022}`)},
	{name: "login by shortcut, asked", args: words("login CONTROLLER/path/?q --password=pw --ssh-port 2222"), in: "carol\n", calls: []exchange{probeCall, loginCall}, check: session(carol)},
	{name: "login, password from standard input", only: inPipe, args: words("login CONTROLLER --username=carol --password-stdin"), in: "pw\n", calls: []exchange{probeCall, loginCall}, check: session(carol)},
	{name: "login, no password comes", only: inPipe, args: words("login CONTROLLER --username=carol --password-stdin"), check: session(bob)},
	{name: "login, password from two places", args: words("login CONTROLLER --username=carol --password-stdin --password=pw")},
	{name: "login, password from standard input for nobody", args: words("login CONTROLLER --password-stdin"), in: "pw\n"},
	{name: "login as Deis v1 let it be shortened", args: words("login CONTROLLER --user=carol --pass=pw"), calls: []exchange{probeCall, loginCall}, check: session(carol)},
	{name: "login, all asked", args: words("login CONTROLLER"), in: "carol\ntwo words\n", only: atTerminal, calls: []exchange{probeCall,
		{request: `POST /v1/auth/login/ {"username":"carol","password":"two words"}`, status: 200, answer: `{"token":"new"}`, token: "-"}}, check: session(carol)},
	{name: "login, refused", args: words("login CONTROLLER --username=carol --password=pw"), calls: []exchange{probeCall,
		{request: loginCall.request, status: 400, token: "-", answer: `{"non_field_errors":["Unable to log in with provided credentials."]}`}}, check: session(bob)},
	{name: "login where no controller is", args: words("login CONTROLLER --username=carol --password=pw"), calls: []exchange{{request: "GET /v1/", status: 200, token: "-"}}},
	{name: "login where it redirects to another host", args: words("login CONTROLLER --username=carol --password=pw"), calls: []exchange{{request: "GET /v1/", status: 302, moved: "/login", token: "-"}, {request: "GET /login", status: 200, token: "-"}}},
	{name: "login at no address", args: words("login ftp://x --username=carol --password=pw")},
	{name: "login, wrong ssl-verify", args: words("login CONTROLLER --ssl-verify=maybe")},
	{name: "login, wrong SSH port", args: words("login CONTROLLER --ssh-port=0")},
	{name: "login, no CA file", args: words("login CONTROLLER --ca-file=none.pem")},
	{name: "login, CA file without certificates", args: words("login CONTROLLER --ca-file=ca.pem"), setup: func(s *scene) { s.write("ca.pem", "x") }},
	{name: "login nowhere", args: words("login")},
	{name: "login, session cannot be saved", args: words("login CONTROLLER --username=carol --password=pw"), setup: func(s *scene) {
		_ = os.RemoveAll("../.deis")
		s.write("../.deis", "a file")
	}, calls: []exchange{probeCall, loginCall}},

	{name: "logout", args: words("auth:logout"), check: noFile},
	{name: "logout by shortcut, twice", args: words("logout"), setup: noSession},
	{name: "logout with an argument", args: words("logout now")},

	{name: "passwd", args: words("auth:passwd --password=old --new-password=new"), calls: []exchange{{request: `POST /v1/auth/passwd/ {"password":"old","new_password":"new"}`, status: 200, answer: `{"status":"password set"}`}}},
	{name: "passwd of another", args: words("passwd --username=carol --new-password=new"), calls: []exchange{{request: `POST /v1/auth/passwd/ {"username":"carol","new_password":"new"}`, status: 200}}},
	{name: "passwd, wrong", args: words("passwd --password=old --new-password=new"), calls: []exchange{{request: `POST /v1/auth/passwd/ {"password":"old","new_password":"new"}`, status: 400, answer: `{"detail":"Current password does not match"}`}}},

	{name: "passwd, no terminal for the password", args: words("passwd"), only: inPipe},
	{name: "passwd, asked", args: words("passwd"), in: "old\nnew\nnew\n", only: atTerminal, calls: []exchange{{request: `POST /v1/auth/passwd/ {"password":"old","new_password":"new"}`, status: 200}}},
	{name: "passwd, mistyped", args: words("passwd --password=old"), in: "new\nwen\n", only: atTerminal},

	{name: "whoami", args: words("auth:whoami")},
	{name: "whoami, nobody", args: words("whoami"), setup: noSession},
	{name: "whoami, broken session", args: words("whoami"), setup: func(s *scene) { s.write("../.deis/client.json", "{") }},
	{name: "whoami of another profile", args: words("whoami"), setup: func(s *scene) {
		s.env = append(s.env, "DEIS_PROFILE=prod")
		s.write("../.deis/prod.json", `{"username":"op","controller":"https://prod.example.com"}`)
	}},

	{name: "cancel", args: words("auth:cancel --username=carol --password=pw --yes"), calls: []exchange{loginCall, {request: `DELETE /v1/auth/cancel/ {"username":"carol"}`, status: 204, token: "new"}}, check: noFile},
	{name: "cancel oneself, asked", args: words("auth:cancel --password=pw"), in: "carol\ny\n", calls: []exchange{loginCall, {request: `DELETE /v1/auth/cancel/`, status: 204, token: "new"}}, check: noFile},
	{name: "cancel another", args: words("auth:cancel --username=carol"), in: "Y\n", calls: []exchange{{request: `DELETE /v1/auth/cancel/ {"username":"carol"}`, status: 204}}, check: session(bob)},
	{name: "cancel, no", args: words("auth:cancel --username=carol"), in: "yes\n"},
	{name: "cancel, has apps", args: words("auth:cancel --username=carol --yes"), calls: []exchange{{request: `DELETE /v1/auth/cancel/ {"username":"carol"}`, status: 409, answer: `{"detail":"carol still has applications assigned. Delete or transfer ownership"}`}}, check: session(bob)},

	{name: "regenerate", args: words("auth:regenerate"), calls: []exchange{{request: "POST /v1/auth/tokens/", status: 200, answer: `{"token":"next"}`}},
		check: session(`{"username":"bob","ssl_verify":true,"controller":"http://controller","token":"next","response_limit":100}`)},
	{name: "regenerate that of a user", args: words("auth:regenerate -u bob"), calls: []exchange{{request: `POST /v1/auth/tokens/ {"username":"bob"}`, status: 200, answer: `{"token":"next"}`}}, check: session(bob)},
	{name: "regenerate all", args: words("auth:regenerate --all -u bob"), calls: []exchange{{request: `POST /v1/auth/tokens/ {"all":true}`, status: 200, answer: `""`}}, check: session(bob)},
	{name: "regenerate, refused", args: words("auth:regenerate --all"), calls: []exchange{{request: `POST /v1/auth/tokens/ {"all":true}`, status: 403, answer: forbidden}}},
	{name: "regenerate, boolean with value", args: words("auth:regenerate --all=true")},
}
