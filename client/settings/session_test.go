package settings

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestPath(t *testing.T) {
	for profile, want := range map[string]string{
		"": "/home/bob/.deis/client.json", "prod": "/home/bob/.deis/prod.json",
		"team/prod": "/home/bob/.deis/team/prod.json", "/tmp/x": "", "../x": "", "a/../../x": "", "x\ny": "",
	} {
		got, err := Path(env(map[string]string{"HOME": "/home/bob", "DEIS_PROFILE": profile}))
		if (err == nil) != (want != "") || got != want {
			t.Errorf("%q: %s, %v", profile, got, err)
		}
	}
	if _, err := Path(env(nil)); err == nil {
		t.Error("no home, no error")
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".deis", "client.json")
	if _, err := Load(path); !errors.Is(err, ErrNotLoggedIn) {
		t.Fatal(err)
	}
	s := &Session{Username: "bob", SSLVerify: true, Controller: "http://deis.example.com", Token: "abc"}
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if want := `{"username":"bob","ssl_verify":true,"controller":"http://deis.example.com","token":"abc","response_limit":100}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if got, err := Load(path); err != nil || *got != *s {
		t.Errorf("%+v, %v", got, err)
	}
	if err := Delete(path); err != nil {
		t.Error(err)
	}
	if err := Delete(path); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestLoadOthers: what other versions and editors leave behind.
func TestLoadOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"username":"bob","ssl_verify":false,"controller":"http://x/","token":"t","response_limit":0,"later":[1]}`)
	s, err := Load(path)
	if err != nil || s.ResponseLimit != 100 || s.SSLVerify || s.RemoteURL("a") != "ssh://git@x:2222/a.git" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := s.Save(path); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("the mode was not tightened:", info.Mode(), err)
	}
	for text, want := range map[string]string{
		"":                         " is not a session: unexpected end of JSON input; log in again to replace it",
		"{":                        " is not a session: unexpected end of JSON input; log in again to replace it",
		"\x00\xff":                 " is not a session: invalid character '\\x00' looking for beginning of value; log in again to replace it",
		`[]`:                       " is not a session: json: cannot unmarshal array into Go value of type settings.Session; log in again to replace it",
		`{"username":1}`:           " is not a session: json: cannot unmarshal number into Go struct field Session.username of type string; log in again to replace it",
		`{}`:                       " names no controller; log in again to replace it",
		`null`:                     " names no controller; log in again to replace it",
		`{"controller":"ftp://x"}`: ` is not a session: "ftp://x" is not the address of a controller, such as https://deis.example.com; log in again to replace it`,
	} {
		write(text)
		if _, err := Load(path); err == nil || err.Error() != path+want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := Load(filepath.Dir(path)); err == nil || err.Error() != "read "+filepath.Dir(path)+": is a directory; remove it and log in again" {
		t.Error(err)
	}
}

func TestSaveKeepsLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(real, nil, 0o600), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	if err := (&Session{Username: "bob", Controller: "http://x"}).Save(link); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(real); err != nil || s.Username != "bob" {
		t.Error(s, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("no link any more")
	}
}
