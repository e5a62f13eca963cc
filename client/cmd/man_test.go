package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMan: a page for deis and one for each group, which name every command,
// argument and option; one of them is golden.
func TestMan(t *testing.T) {
	s := newScene(t)
	dir := t.TempDir()
	s.env = append(s.env, "SOURCE_DATE_EPOCH=1400000000")
	if out, errOut, code := s.run("__man", dir); out != "" || errOut != "" || code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	f := NewFactory(s.io(), nil)
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(pages) != len(groups)+1 {
		t.Errorf("%v %v", pages, err)
	}
	for _, g := range groups {
		text := s.read(filepath.Join(dir, "deis-"+g.name+".1"))
		for _, v := range g.verbs(f) {
			wants := []string{".SS deis " + roff(v.Name()) + "\n"}
			for _, p := range v.positionals {
				wants = append(wants, `\fB`+roff(p.name)+`\fP`)
			}
			for _, fl := range v.flags {
				wants = append(wants, roff("--"+fl.name))
			}
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("deis-%s.1 has no %q", g.name, want)
				}
			}
		}
		if !strings.Contains(s.read(filepath.Join(dir, "deis.1")), `\fBdeis\-`+g.name+`\fP(1)`) {
			t.Errorf("deis.1 does not name deis-%s(1)", g.name)
		}
		for line := range strings.Lines(text) {
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "'") {
				t.Errorf("deis-%s.1 has a line that roff minds: %q", g.name, line)
			}
		}
	}
	compare(t, "deis-ps.1", s.read(filepath.Join(dir, "deis-ps.1")))

	_, errOut, code := s.run("__man", filepath.Join(dir, "none"))
	if code != 1 || !strings.HasPrefix(errOut, "Error: open ") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", ".env": `\&.env`, "a.b": "a.b", "'q'": `\(aqq\(aq`, `C:\x`: `C:\ex`, "--app": `\-\-app`,
	} {
		if got := roff(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestManKnowsTheEnvironment: the page lists what the package's comment does.
func TestManKnowsTheEnvironment(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "\n// Environment: ")
	text, _, _ = strings.Cut(text, "\n//\n")
	var documented, listed []string
	for _, name := range regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)*\b|\b[a-z]+_proxy\b`).FindAllString(text, -1) {
		if name != "CI" && !strings.HasPrefix(name, "HOME") || name == "HOME" {
			documented = append(documented, name)
		}
	}
	for _, r := range environment {
		listed = append(listed, strings.Split(r.word, ", ")...)
	}
	slices.Sort(documented)
	slices.Sort(listed)
	if !slices.Equal(documented, listed) {
		t.Errorf("doc.go has %q, the page %q", documented, listed)
	}
}
