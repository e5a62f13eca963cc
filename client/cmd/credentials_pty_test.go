//go:build linux

package cmd

import "testing"

func TestCredentialsAtTerminal(t *testing.T) {
	s := newScene(t, setCredential)
	tt := s.start(t.Context(), "credentials:set", "quay.io")
	tt.expect(`^username: $`)
	tt.typing("robot\n")
	tt.expect(`^robot\r\npassword: $`)
	tt.noEcho(true)
	tt.typing("p w\n")
	tt.expect(`^\r\nSetting credentials for quay.io of demo... done\r\n$`)
	tt.exit(0)
	tt.noEcho(false)
}
