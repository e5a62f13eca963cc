package cmd

import (
	"strings"
	"testing"
)

func TestSuggestions(t *testing.T) {
	for word, want := range map[string]string{
		"ps:scael":      "'ps:scale'",
		"ps:sclae":      "'ps:scale'",
		"PS:SCALE":      "'ps:scale'",
		"pss:scale":     "'ps:scale'",
		"sp:scale":      "'ps:scale'",
		"psscale":       "'ps:scale'",
		"ps-scale":      "'ps:scale'",
		"scael":         "'scale'",
		"destory":       "'destroy'",
		"aps":           "'apps' or 'ps'",
		"confg:list":    "'config:list'",
		"config:unste":  "'config:unset'",
		"config:sett":   "'config:set'",
		"restart":       "'ps:restart'",
		"whoam":         "'whoami'",
		"logn":          "'login' or 'logs'",
		"sharing:ad":    "'sharing:add'",
		"credential":    "'credentials'",
		"shortcut":      "'shortcuts'",
		"heroku":        "",
		"list":          "", // of too many groups
		"apps:":         "",
		":":             "",
		"":              "",
		"apps:nope":     "",
		"nope:list":     "",
		"version:xyzzy": "",

		strings.Repeat("x", 100000): "",
	} {
		s := newScene(t)
		noSession(s)
		io, _, _ := testIOStreams("")
		text := noMatch(NewFactory(io, s.env), word)
		hint := strings.TrimPrefix(text, "Found no matching command, try 'deis help'\nUsage: deis <command> [<args>...]")
		if want != "" {
			want = "\nDid you mean " + want + "?"
		}
		if hint != want {
			t.Errorf("%q: %q, want %q", word, hint, want)
		}
	}
}

// TestSuggestionsAreLast: behind a group's verbs and behind plugins.
func TestSuggestionsAreLast(t *testing.T) {
	const none = "Found no matching command, try 'deis help'\nUsage: deis <command> [<args>...]\n"
	for _, call := range []string{"ps:scael web=1", "pss:scale web=1"} {
		s := newScene(t)
		if stdout, stderr, code := s.run(words(call)...); stdout != "" || stderr != none+"Did you mean 'ps:scale'?\n" || code != exitFailed {
			t.Errorf("%s: exit %d, %q, %q", call, code, stdout, stderr)
		}
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"a", ""}: 1, {"", "ab"}: 2, {"scale", "scale"}: 0, {"scael", "scale"}: 1, {"scal", "scale"}: 1, {"sscale", "scale"}: 1,
		{"zcale", "scale"}: 1, {"kitten", "sitting"}: 3, {"ca", "abc"}: 3,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}
