package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzSession: any file is a session that is kept as it was read, or an error
// that names the file.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		`{"username":"bob","ssl_verify":true,"controller":"http://deis.example.com","token":"abc","response_limit":100}`,
		`{"controller":"x"}`, `{"controller":"http://[::1]:80","response_limit":-1,"ssh_port":99999}`, "", "{", "null", "[1]", "\x00\xff",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "client.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "log in again") {
				t.Error(err)
			}
			return
		}
		if s.ResponseLimit <= 0 || s.Controller == "" {
			t.Errorf("%q: %+v", b, s)
		}
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
		if again, err := Load(path); err != nil || *again != *s {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}

// FuzzRemotes: of whatever git says about remotes, an app is one segment, and
// only one of the session's platform.
func FuzzRemotes(f *testing.F) {
	for _, seed := range []string{
		"deis\tssh://git@deis.example.com:2222/demo.git (fetch)\n", "a\tgit@deis.example.com:demo.git (push)", "b\t../x (fetch)",
		"c\tssh://%zz (fetch)\n", "d\tgit@[::1]:x.git (fetch)", "deis\t\n\t (fetch)\n", "e\t/srv/deis.example.com:2222/x (push)\n",
	} {
		f.Add(seed)
	}
	s := &Session{Controller: "http://deis.example.com"}
	f.Fuzz(func(t *testing.T, out string) {
		for _, r := range parseRemotes(out) {
			app, ok := s.AppOf(r.URL)
			if ok != (app != "") || strings.ContainsAny(app, "/.") {
				t.Errorf("%q: %q, %v", r.URL, app, ok)
			}
			if ok && !strings.Contains(strings.ToLower(r.URL), "deis.example.com") && !strings.Contains(r.URL, "%") {
				t.Errorf("%q is of another platform, and yet %q", r.URL, app)
			}
		}
	})
}

// FuzzController: an address that is accepted is kept at once in its last form.
func FuzzController(f *testing.F) {
	for _, seed := range []string{"deis.example.com", "deis.example.com:8000", "HTTPS://x/y?z#q", "http://bob:pw@x", "[::1]:80", "://", "http://%zz", "x:y", " x", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		address, err := ParseController(typed)
		if err != nil {
			return
		}
		if again, err := ParseController(address); err != nil || again != address {
			t.Errorf("%q: %q, then %q, %v", typed, address, again, err)
		}
	})
}
