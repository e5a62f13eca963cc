package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/deis/deis/internal/version"
)

// manCommand writes the manual pages into a folder, which there must be. It is
// for whoever packs the program, as `make dist` does, and in no help.
const manCommand = "__man"

// writeMan writes deis(1), and a page for each group with commands of its own.
func writeMan(f *Factory, dir string) error {
	date := f.Now().UTC()
	if epoch, err := strconv.ParseInt(f.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		date = time.Unix(epoch, 0).UTC() // https://reproducible-builds.org/specs/source-date-epoch
	}
	if err := os.WriteFile(filepath.Join(dir, "deis.1"), []byte(manMain(date)), 0o644); err != nil {
		return err
	}
	for _, g := range groups {
		if err := os.WriteFile(filepath.Join(dir, "deis-"+g.name+".1"), []byte(g.man(f, date)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// environment and files are what the commands read beside their arguments.
var (
	environment = []row{
		{"DEIS_PROFILE", "the name of the session file, client by default"},
		{"DEIS_APP", "the app, unless -a names one"},
		{"DEIS_DRINK_OF_CHOICE", "what to wait with, coffee by default"},
		{"HOME", "where .deis and .ssh are (on Windows HOMEDRIVE and HOMEPATH)"},
		{"PATH", "where git, the opener of the browser and plugins are: deis foo runs deis-foo"},
		{"XDG_CACHE_HOME", "where completion keeps what the controller said, ~/.cache by default"},
		{"http_proxy, https_proxy, no_proxy", "the proxies to the controller"},
	}
	manFiles = []row{
		{"~/.deis/<profile>.json", "the session: controller, user and token"},
		{"~/.ssh/*.pub", "the keys that deis keys:add offers"},
		{"~/.cache/deis", "names for completion, as the controller said them"},
		{".env", "what deis config:pull writes and deis config:push reads"},
		{"Procfile", "the process types, for deis builds:create"},
	}
)

// manMain is deis(1).
func manMain(date time.Time) string {
	p := newPage("deis", "deploy applications to a Deis platform and look after them there", date)
	p.macro("SH", "SYNOPSIS")
	p.line(`\fBdeis\fP \fIcommand\fP [\fIargs\fP...]`)
	p.macro("SH", "DESCRIPTION")
	p.text("In a repository with a Procfile or a Dockerfile, 'deis create' makes an app of it and 'git push deis master' deploys it. " +
		"'deis help' lists the commands, 'deis help <command>' describes one.")
	p.macro("SH", "COMMANDS")
	for _, g := range groups {
		p.macro("TP", "")
		p.line(`\fBdeis\-` + g.name + `\fP(1)`)
		p.text(g.help)
	}
	p.terms("SHORTCUTS", shortcuts)
	p.terms("ENVIRONMENT", environment)
	p.terms("FILES", manFiles)
	p.macro("SH", "EXIT STATUS")
	p.text("0 for success and help, 1 for a failure, 130 when interrupted. 'deis apps:run' and plugins end with the code of what they ran.")
	return p.String()
}

// man is the group's page.
func (g group) man(f *Factory, date time.Time) string {
	verbs := g.verbs(f)
	p := newPage("deis-"+g.name, g.help, date)
	p.macro("SH", "SYNOPSIS")
	for i, v := range verbs {
		if i > 0 {
			p.macro("br", "")
		}
		words := strings.SplitN(strings.TrimPrefix(v.usageLine(), "Usage: "), " ", 3)
		p.line(strings.TrimSpace(`\fBdeis ` + roff(words[1]) + `\fP ` + roff(strings.Join(words[2:], " "))))
	}
	p.macro("SH", "DESCRIPTION")
	if g.lists {
		p.text(fmt.Sprintf("'deis %[1]s' alone means 'deis %[1]s:list'.", g.name))
	}
	for _, v := range verbs {
		p.macro("SS", "deis "+v.Name())
		p.text(v.Long)
		for _, a := range v.positionals {
			p.term(a.name, a.help)
		}
		for _, fl := range v.flags {
			p.term(strings.Replace(fl.spelled(), " ", ", ", 1), fl.help)
		}
	}
	p.macro("SH", "SEE ALSO")
	p.line(`\fBdeis\fP(1)`)
	return p.String()
}

// page is a manual page while it is written, in the macros of man(7).
type page struct{ strings.Builder }

func newPage(name, what string, date time.Time) *page {
	p := new(page)
	fmt.Fprintf(p, ".TH %s 1 %s %q %q\n", strings.ToUpper(name), date.Format(time.DateOnly), "deis "+version.Platform, "Deis Manual")
	p.macro("SH", "NAME")
	p.line(roff(name) + ` \- ` + roff(what))
	return p
}

func (p *page) line(text string) { fmt.Fprintf(p, "%s\n", text) }

func (p *page) macro(name, args string) {
	p.line(strings.TrimSpace("." + name + " " + roff(args)))
}

// text is paragraphs; those that are indented keep their lines.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.macro("PP", "")
		}
		indented := strings.HasPrefix(paragraph, " ")
		if indented {
			p.macro("nf", "")
		}
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.line(roff(strings.TrimSpace(line)))
		}
		if indented {
			p.macro("fi", "")
		}
	}
}

// terms is a section of rows.
func (p *page) terms(section string, rows []row) {
	p.macro("SH", section)
	for _, r := range rows {
		p.term(r.word, r.help)
	}
}

func (p *page) term(word, help string) {
	p.macro("TP", "")
	p.line(`\fB` + roff(word) + `\fP`)
	p.text(help)
}

// roff is text as it reads: no line of it is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
