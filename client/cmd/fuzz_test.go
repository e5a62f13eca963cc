package cmd

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzParse: whatever is typed, a verb's grammar refuses it or pflag reads it
// as the grammar did: each flag given once, the same positionals.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"-a\ndemo\n-l\n3", "--app=demo\nweb=1\n--\n-x", "-ax\n--he", "-io\n-a=x", "--", "-\n--=\n-\x00"} {
		f.Add(uint8(0), seed)
	}
	var names []string
	factory := NewFactory(nil, nil)
	factory.IO, _, _ = testIOStreams("")
	for _, g := range groups {
		for _, v := range g.verbs(factory) {
			names = append(names, v.Name())
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, typed string) {
		v := resolve(factory, []string{names[int(which)%len(names)]}).verb
		args := strings.Split(typed, "\n")
		canonical, help, err := v.parse(args)
		if help || err != nil {
			return
		}
		end := slices.Index(canonical, "--")
		if end < 0 || !v.fits(len(canonical)-end-1) {
			t.Fatalf("%q: %q", args, canonical)
		}
		for _, p := range canonical[end+1:] {
			if !slices.Contains(args, p) {
				t.Errorf("%q: positional %q is not one of them", args, p)
			}
		}
		seen := map[string]bool{}
		for _, option := range canonical[:end] {
			name, _, _ := strings.Cut(option, "=")
			if seen[name] {
				t.Errorf("%q: %s twice", args, name)
			}
			seen[name] = true
		}
		if err := v.Flags().Parse(canonical); err != nil {
			t.Errorf("%q, read as %q: %v", args, canonical, err)
		}
		if !slices.Equal(v.Flags().Args(), canonical[end+1:]) {
			t.Errorf("%q: pflag's positionals are %q", canonical, v.Flags().Args())
		}
	})
}

// FuzzPrintable: no text of others steers a terminal, and what cannot is left
// as it is.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"404 NOT FOUND\ndetail: Not found\n", "\x1b[2J", "\u009b31m", "a\u202eb", "\xff\xfe", `\x1b`, "é\t日本\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q: %q is no text", text, got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || turnsText(r)) {
				t.Errorf("%q: %q is left in %q", text, r, got)
			}
		}
		if printable(got) != got {
			t.Errorf("%q changes again", got)
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && (unicode.IsControl(r) || turnsText(r)) }) && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
