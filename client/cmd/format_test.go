package cmd

import (
	"bytes"
	"testing"
)

func TestLogColor(t *testing.T) {
	for line, want := range map[string]int{
		"no":          33,
		"":            33,
		"\x1b[0m: \t": 33,
		"2015-01-01T00:00:00UTC demo[web.1]: a: b": 36,
		"2015-01-01T00:00:00UTC deis[api]: x":      35,
		"2015-01-01T00:00:00UTC test[worker.1]: x": 32,
	} {
		if got := logColor(line) + 30; got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}

func TestAligned(t *testing.T) {
	var b bytes.Buffer
	aligned(&b, map[string]string{"longer": "1", "a": "2"}, 3)
	if want := "a        2\nlonger   1\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestOpener(t *testing.T) {
	for goos, want := range map[string]string{"linux": "xdg-open", "freebsd": "xdg-open", "darwin": "open", "windows": "cmd"} {
		if got := opener(goos, "http://x?a&b"); got[0] != want {
			t.Errorf("%s: %q", goos, got)
		}
	}
}
