package settings

import "testing"

func TestParseController(t *testing.T) {
	for typed, want := range map[string]string{
		"deis.example.com":             "http://deis.example.com",
		"deis.example.com:8000":        "http://deis.example.com:8000",
		"10.0.0.1:80":                  "http://10.0.0.1:80",
		"[::1]:8000":                   "http://[::1]:8000",
		"localhost:8080":               "http://localhost:8080",
		"https://deis.example.com/x?y": "https://deis.example.com",
		"HTTP://deis.example.com/":     "http://deis.example.com",
		"deis.example.com/path":        "http://deis.example.com",
		"ftp://deis.example.com":       "",
		"http://":                      "",
		"":                             "",
		"http://bob:pw@deis.com":       "",
		"http://deis.com:x":            "",
	} {
		if got, err := ParseController(typed); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}

func TestRemoteURLAndBack(t *testing.T) {
	for _, c := range []struct {
		controller string
		port       int
		url        string
	}{
		{"http://deis.example.com:8000", 0, "ssh://git@deis.example.com:2222/demo.git"},
		{"https://Deis.Example.com", 10022, "ssh://git@deis.example.com:10022/demo.git"},
		{"http://deis.localhost:8080", 0, "ssh://git@localhost:2222/demo.git"},
		{"http://localhost", 2223, "ssh://git@localhost:2223/demo.git"},
		{"http://[::1]:80", 0, "ssh://git@[::1]:2222/demo.git"},
	} {
		s := &Session{Controller: c.controller, SSHPort: c.port}
		if got := s.RemoteURL("demo"); got != c.url {
			t.Errorf("%s: %s, want %s", c.controller, got, c.url)
		}
		if app, ok := s.AppOf(c.url); !ok || app != "demo" {
			t.Errorf("%s: %q %v", c.url, app, ok)
		}
	}
}

func TestAppOf(t *testing.T) {
	for _, c := range []struct{ controller, url, want string }{
		{"http://deis.example.com", "ssh://git@deis.example.com/demo.git", "demo"},
		{"http://deis.example.com", "ssh://git@deis.example.com:2222/demo", "demo"},
		{"http://deis.example.com", "git@deis.example.com:demo.git", "demo"},
		{"http://deis.example.com", "deis.example.com:demo.git", "demo"},
		{"http://deis.example.com", "git@DEIS.example.com:/path/demo.git", "demo"},
		{"http://deis.example.com", "ssh://git@[::1]:2222/demo.git", ""},
		{"http://[::1]:8000", "git@[::1]:demo.git", "demo"},
		{"http://deis.example.com", "git@github.com:me/deis.example.com.git", ""},
		{"http://deis.example.com", "ssh://git@xdeis.example.com:2222/demo.git", ""},
		{"http://deis.example.com", "ssh://git@deis.example.com.evil.com:2222/demo.git", ""},
		{"http://deis.example.com", "/srv/deis.example.com:2222/demo.git", ""},
		{"http://deis.example.com", "../demo.git", ""},
		{"http://deis.example.com", "ssh://git@deis.example.com:2222/", ""},
		{"http://deis.example.com", "ssh://%zz", ""},
		{"http://deis.localhost:8080", "ssh://git@localhost:2222/demo.git", "demo"},
		{"http://deis.localhost:8080", "ssh://git@deis.localhost:2222/demo.git", "demo"},
		{"http://deis.localhost:8080", "ssh://git@localhost:2223/demo.git", ""},
		{"http://deis.localhost:8080", "ssh://git@other.localhost:2222/demo.git", ""},
		{"http://deis.example.com", "ssh://git@localhost:2222/demo.git", ""},
		{"", "ssh://git@localhost:2222/demo.git", ""},
	} {
		app, ok := (&Session{Controller: c.controller}).AppOf(c.url)
		if app != c.want || ok != (c.want != "") {
			t.Errorf("%s at %s: %q %v, want %q", c.url, c.controller, app, ok, c.want)
		}
	}
}
