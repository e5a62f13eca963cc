package cmd

import (
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseDotenv(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"":                                {},
		"A=1":                             {"A": "1"},
		"A=1\nB=2\n":                      {"A": "1", "B": "2"},
		"A=1\r\nB=2\r\n":                  {"A": "1", "B": "2"},
		"A=1\r":                           {"A": "1"},
		"\ufeffA=1\n":                     {"A": "1"},
		"\n \n# comment\n\t# B=2\nA=1":    {"A": "1"},
		"A=1\nA=2":                        {"A": "2"},
		"export A=1\nexport\t B='2'":      {"A": "1", "B": "2"},
		"export=1":                        {"export": "1"},
		"  A=1":                           {"A": "1"},
		"A=":                              {"A": ""},
		"A=\nB=":                          {"A": "", "B": ""},
		"A=a=b":                           {"A": "a=b"},
		"A= spaced out ":                  {"A": " spaced out "},
		"A=a # not a comment":             {"A": "a # not a comment"},
		"A=it's \"so\"":                   {"A": "it's \"so\""},
		`A={"json": true}`:                {"A": `{"json": true}`},
		`A=back\nslash`:                   {"A": `back\nslash`},
		`A='it''`:                         nil,
		`A="a b"`:                         {"A": "a b"},
		`A='a "b" \n $c'`:                 {"A": `a "b" \n $c`},
		`A=""`:                            {"A": ""},
		`A=''`:                            {"A": ""},
		`A="a\nb\tc\rd\"e\\f\$g\` + "`\"": {"A": "a\nb\tc\rd\"e\\f$g`"},
		`A="\d+ \"`:                       nil,
		`A="\d+ \'"`:                      {"A": `\d+ \'`},
		"A=\"two\nlines\"\nB=2":           {"A": "two\nlines", "B": "2"},
		"A='two\r\n\r\n# lines\n'\nB=2":   {"A": "two\n\n# lines\n", "B": "2"},
		`A="1" # comment`:                 {"A": "1"},
		"A='1'\t \nB=2":                   {"A": "1", "B": "2"},
		"A=ünïcode":                       {"A": "ünïcode"},
	} {
		got, err := parseDotenv("f", text)
		if want == nil {
			if err == nil {
				t.Errorf("%q: %q", text, got)
			}
			continue
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestDotenvComplaints: they name lines, and nothing of what those hold.
func TestDotenvComplaints(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nsecret\nB=2\nA B=secret":        "f, line 2: not KEY=value\nf, line 4: not KEY=value",
		"A = secret":                          "f, line 1: not KEY=value",
		"export":                              "f, line 1: not KEY=value",
		"export =secret":                      "f, line 1: not KEY=value",
		"1A=secret":                           "f, line 1: not KEY=value",
		"A-B=secret":                          "f, line 1: not KEY=value",
		"=secret":                             "f, line 1: not KEY=value",
		"junk\n\nA=\"secret\nB=2\n":           "f, line 1: not KEY=value\nf, line 3: the quote is not closed",
		"A='two\nlines' secret\nsecret\nB=2":  "f, line 2: there is text behind the closing quote\nf, line 3: not KEY=value",
		"A=\x00secret":                        "f is not text",
		"\x7fELF\x01\xff\xfe":                 "f is not text",
		"A=" + strings.Repeat("x", maxDotenv): "f is larger than a config may be, 4 MiB",
	} {
		if got, err := parseDotenv("f", text); err == nil || err.Error() != want || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40q: %v, %v, want %q", text, got, err, want)
		}
	}
}

// TestFormatDotenv: quotes are where they are needed only.
func TestFormatDotenv(t *testing.T) {
	vars := map[string]string{
		"PLAIN": "b c", "HASH": "a #b", "URL": "http://x?a=b&c", "EMPTY": "", "SPACE": " x", "QUOTE": `"x"`, "APOSTROPHE": "it's",
		"LINES": "one\ntwo\n", "BOTH": "it's\n\"$x\" `y` \\", "CR": "a\r\nb", "SINGLE": "'x'",
	}
	want := `APOSTROPHE=it's
BOTH="it's
\"\$x\" \` + "`y\\`" + ` \\"
CR="a\r
b"
EMPTY=''
HASH=a #b
LINES='one
two
'
PLAIN=b c
QUOTE='"x"'
SINGLE="'x'"
SPACE=' x'
URL=http://x?a=b&c
`
	got := formatDotenv(vars)
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if again, err := parseDotenv("f", got); err != nil || !maps.Equal(again, vars) {
		t.Errorf("%q, %v", again, err)
	}
}

// FuzzDotenv: what is pulled is pushed again as it was, and complaints hold
// nothing of a file.
func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{"", "A=1\n# c\nexport B='x y'\r\nC=\"a\\n\n\"", "\ufeffA=it's", "A=\"", "A='1' x", "\r", "A= \\\"`$'"} {
		f.Add(seed, seed)
	}
	complaint := regexp.MustCompile(`^(f, line [0-9]+: (not KEY=value|the quote is not closed|there is text behind the closing quote)\n?)+$|^f is not text$|^f is larger than a config may be, 4 MiB$`)
	f.Fuzz(func(t *testing.T, text, value string) {
		vars, err := parseDotenv("f", text)
		if err != nil {
			if !complaint.MatchString(err.Error()) {
				t.Errorf("%q", err)
			}
			vars = map[string]string{}
		}
		if utf8.ValidString(value) && !strings.Contains(value, "\x00") {
			vars["VALUE"] = value
		}
		again, err := parseDotenv("f", formatDotenv(vars))
		if err != nil || !maps.Equal(again, vars) {
			t.Errorf("%q, %v, want %q of %q", again, err, vars, formatDotenv(vars))
		}
	})
}

// TestInputComes: a pipe and a file that hold something are input, an empty
// one, a device and a socket are not, and a pipe that brings nothing is waited
// for so long only.
func TestInputComes(t *testing.T) {
	open := func(name, text string) *os.File {
		path := t.TempDir() + "/" + name
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	closed := open("closed", "A=1")
	closed.Close()
	full, writer := pipe()
	go func() { _, _ = writer.WriteString("A=1\n") }()
	empty, ended := pipe()
	ended.Close()
	for name, c := range map[string]struct {
		in   *os.File
		want bool
	}{
		"file": {open("full", "A=1"), true}, "empty file": {open("empty", ""), false}, "pipe": {full, true}, "empty pipe": {empty, false},
		"/dev/null": {null, false}, "closed": {closed, false},
	} {
		if got, err := newIOStreams(c.in, null, null).InputComes(t.Context()); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	idle, _ := pipe()
	s := newIOStreams(idle, null, null)
	s.patience = time.Millisecond
	if got, err := s.InputComes(t.Context()); got || err == nil || err.Error() != "Nothing came on standard input within 1ms: say -p .env for that file, or -p - to wait for longer." {
		t.Errorf("idle pipe: %v, %v", got, err)
	}
	idle, _ = pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newIOStreams(idle, null, null).InputComes(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestPullThenPush: what config:pull writes to a pipe config:push sets again.
func TestPullThenPush(t *testing.T) {
	values := `"values":{"A":"it's\n\"quoted\"","EMPTY":"","SSH_KEY":"LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0KeAotLS0tLUVORCBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0K"}`
	s := newScene(t, exchange{request: configCall.request, status: 200, answer: configJSON(values)},
		exchange{request: "POST /v1/apps/demo/config/ {" + values + "}", status: 201, answer: configJSON("")}, configCall)
	pulled, stderr, code := s.run(words("config:pull -p -")...)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d, %q", code, stderr)
	}
	if _, err := os.Stat(dotenv); err == nil {
		t.Error("a file was written")
	}
	s.in = pulled
	if stdout, stderr, code := s.run(words("config:push")...); code != exitOK || !strings.HasPrefix(stdout, "Creating config... done") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}
