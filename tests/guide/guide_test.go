package guide

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const pages = "../../docs/using"

// blockless are the pages that show no command, and why.
var blockless = map[string]string{
	"README.md": "it lists the others",
}

// TestPages reads each page: its blocks must be well formed, it must have some,
// and the index must lead to it.
func TestPages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(pages, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	index, err := os.ReadFile(filepath.Join(pages, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := Blocks(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if reason := blockless[name]; (len(blocks) == 0) != (reason != "") {
			t.Errorf("%s has %d console blocks; the reason to have none: %q", name, len(blocks), reason)
		}
		if name != "README.md" && strings.Count(string(index), "]("+name+")") != 1 {
			t.Errorf("README.md does not lead to %s", name)
		}
		if n := strings.Count(string(text), "\n"); n > 150 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
	for name := range blockless {
		if _, err := os.Stat(filepath.Join(pages, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestBlocks(t *testing.T) {
	page := strings.Join([]string{
		"# Page", "", "```console", "$ cd app", "$ cat >f <<END", "> one", "> END", "$ cat f", "one", "", "> two", "```", "", "```sh", "$ not run", "```", "",
	}, "\n")
	blocks, err := Blocks(page)
	if err != nil || len(blocks) != 1 || len(blocks[0].Steps) != 3 {
		t.Fatal(blocks, err)
	}
	s := blocks[0].Steps
	if s[1].Command != "cat >f <<END\none\nEND" || s[1].Line != 5 || s[2].Command != "cat f" || strings.Join(s[2].Output, "|") != "one||> two" {
		t.Errorf("%+v", s)
	}
	for name, page := range map[string]string{
		"no output":         "```console\n$ true\n```\n",
		"any output":        "```console\n$ true\n...\n\n```\n",
		"no command":        "```console\nhello\n```\n",
		"no end":            "```console\n$ true\nhello\n",
		"another form":      "```console title\n$ true\nhello\n```\n",
		"indented":          "  ```console\n$ true\nhello\n```\n",
		"nothing inside":    "```console\n```\n",
		"only empty output": "```console\n$ true\n\n```\n",
	} {
		if _, err := Blocks(page); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"a\nb", "a\nb\n", true},
		{"a\nb", "a\nb\n\n  \n", true},
		{"a  b", "a  b   \r\n", true},
		{"a", "a\nb", false},
		{"a\nb", "a", false},
		{"", "", true},
		{"", "a", false},
		{"a.c", "abc", false},
		{"...\nb", "x\ny\nb", true},
		{"...\nb", "b", true},
		{"...\nb", "x\nb\ny", false},
		{"a\n...", "a", true},
		{"a\n...", "b\na", false},
		{"a\n  ...\nc\n...\ne", "a\nb\nc\nd\nd\ne", true},
		{"a ...", "a b c", true},
		{"a ...", "ab", false},
		{"wait... done", "wait... done", true},
		{"wait... done", "wait... now done", false},
		{"v<n>\t<time>\tann", "v3\t2014-01-01T00:00:00UTC\tann", true},
		{"<time> listening", "2014/01/01 00:00:00 listening", true},
		{"<time>", "2014-01-01", false},
		{"v<n>", "v", false},
		{"<uuid> <time>", "1a3e6e60-853f-401b-98b3-3bf4b96c7a3f 2014-01-01T00:00:00UTC", true},
		{"deployed <hex>", "deployed f22807f", true},
		{"deployed <hex>", "deployed nothing", false},
		{"<version>", "1.14.0", true},
		{"<command> [<args>...]", "<command> [<args>...]", true},
		{"<command>", "ps", false},
	} {
		if got := Fits(strings.Split(c.shown, "\n"), c.printed); got != c.want {
			t.Errorf("%q shows %q: %v", c.shown, c.printed, got)
		}
	}
}
