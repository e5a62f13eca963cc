package router

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	env := map[string]string{}
	s, err := SettingsFromEnv(func(k string) string { return env[k] })
	if err != nil || s.Nginx.HTTPPort != 80 || len(s.Nginx.Listen) != 1 || !s.Nginx.Listen[0].IsLoopback() || s.ExternalPort != 80 {
		t.Error(s, err)
	}
	env = map[string]string{"LISTEN": "127.0.0.1, 172.17.0.1,::1", "HTTP_PORT": "8080", "HOST": "10.0.0.1", "STOP_TIMEOUT": "3"}
	if s, err = SettingsFromEnv(func(k string) string { return env[k] }); err != nil || len(s.Nginx.Listen) != 3 || s.Host != "10.0.0.1" || s.Nginx.Stop != 3*time.Second {
		t.Error(s, err)
	}
	env = map[string]string{"LISTEN": "localhost", "HTTP_PORT": "443", "ROUTER_DIR": "/run/a;b", "HOST": "x", "SSH_PORT": "0"}
	_, err = SettingsFromEnv(func(k string) string { return env[k] })
	for _, name := range []string{"LISTEN", "HTTP", "ROUTER_DIR", "HOST", "SSH_PORT"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestFilterStands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ready")
	if filterStands("", time.Now()) != nil || filterStands(path, time.Now()) == nil {
		t.Error("no file")
	}
	boot, err := os.ReadFile(bootID)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, boot, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := filterStands(path, time.Now()); err != nil {
		t.Error(err)
	}
	if filterStands(path, time.Now().Add(time.Minute)) == nil {
		t.Error("an old file")
	}
	if err := os.WriteFile(path, []byte("another boot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if filterStands(path, time.Now()) == nil {
		t.Error("another boot's file")
	}
}
