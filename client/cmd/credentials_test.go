package cmd

func credentialJSON(registry, username string) string {
	return `{"owner":"bob","created":"` + when + `","updated":"` + when + `","app":"demo","registry":"` + registry + `","username":"` + username + `"}`
}

var setCredential = exchange{request: `POST /v1/apps/demo/credentials/ {"registry":"quay.io","username":"robot","password":"p w"}`, status: 201, answer: credentialJSON("quay.io", "robot")}

var credentialsStories = []story{
	{name: "list", args: words("credentials:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/credentials/?page_size=100", status: 200,
		answer: pageJSON(2, credentialJSON("quay.io", "robot"), credentialJSON("docker.io", "bob"))}}},
	{name: "list some by the group's name", args: words("credentials -l 1"), calls: []exchange{{request: "GET /v1/apps/demo/credentials/?page_size=1", status: 200, answer: pageJSON(2, credentialJSON("quay.io", "robot"))}}},
	{name: "list, none", args: words("credentials"), calls: []exchange{{request: "GET /v1/apps/demo/credentials/?page_size=100", status: 200, answer: pageJSON(0)}}},
	{name: "list, no such app", args: words("credentials:list -a demo"), calls: []exchange{{request: "GET /v1/apps/demo/credentials/?page_size=100", status: 404, answer: notFound}}},
	{name: "set", args: []string{"credentials:set", "quay.io", "--username=robot", "--password=p w", "-a", "demo"}, calls: []exchange{setCredential}},
	{name: "set, password from standard input", only: inPipe, args: words("credentials:set quay.io --username=robot --password-stdin -a demo"), in: "p w\r\n", calls: []exchange{setCredential}},
	{name: "set, no password comes", only: inPipe, args: words("credentials:set quay.io --username=robot --password-stdin -a demo"), in: "\n"},
	{name: "set, asked", args: []string{"credentials:set", "quay.io", "--password=p w", "-a", "demo"}, in: "robot\n", calls: []exchange{setCredential}},
	{name: "set, all asked", only: atTerminal, args: words("credentials:set quay.io -a demo"), in: "robot\np w\n", calls: []exchange{setCredential}},
	{name: "set, no terminal for the password", only: inPipe, args: words("credentials:set quay.io --username=robot -a demo")},
	{name: "set, password from two places", args: words("credentials:set quay.io --username=robot --password=x --password-stdin")},
	{name: "set, password from where the name is asked for", args: words("credentials:set quay.io --password-stdin")},
	{name: "set for the platform's registry", args: words("credentials:set 127.0.0.1:5000 --username=robot --password=secret -a demo"), calls: []exchange{
		{request: `POST /v1/apps/demo/credentials/ {"registry":"127.0.0.1:5000","username":"robot","password":"secret"}`, status: 400, answer: `{"registry":["The registry 127.0.0.1:5000 is the platform's own."]}`}}},
	{name: "set for none", args: words("credentials:set --username=robot")},
	{name: "remove", args: words("credentials:remove registry.example.com:5000 -a demo"), calls: []exchange{{request: `DELETE /v1/apps/demo/credentials/registry.example.com:5000`, status: 204}}},
	{name: "remove, none", args: words("credentials:remove quay.io"), calls: []exchange{{request: `DELETE /v1/apps/demo/credentials/quay.io`, status: 404, answer: notFound}}},
}
