package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestPath(t *testing.T) {
	for profile, want := range map[string]string{
		"": "/home/bob/.deis/client.json", "prod": "/home/bob/.deis/prod.json",
		"/tmp/x": "/home/bob/.deis/tmp/x.json", "../x": "/home/bob/x.json",
	} {
		got, err := Path(env(map[string]string{"HOME": "/home/bob", "DEIS_PROFILE": profile}))
		if err != nil || got != want {
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
	write(`{`)
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path) {
		t.Error(err)
	}
}

func TestSaveKeepsLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(real, nil, 0o600), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	if err := (&Session{Username: "bob"}).Save(link); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(real); err != nil || s.Username != "bob" {
		t.Error(s, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("no link any more")
	}
}
