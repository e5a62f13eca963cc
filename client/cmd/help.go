package cmd

import (
	"fmt"
	"slices"
	"strings"
)

// row is a line of a help: a word and what it means.
type row struct{ word, help string }

// rows are aligned, the words indented.
func rows(indent string, rs []row) string {
	width := 0
	for _, r := range rs {
		width = max(width, len(r.word))
	}
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%s%-*s  %s\n", indent, width, r.word, r.help)
	}
	return b.String()
}

// mainHelp is what `deis help` prints.
func mainHelp() string {
	var subcommands []row
	for _, g := range groups {
		switch g.name {
		case "auth", "shortcuts", "completion":
		case "keys":
			subcommands = append(subcommands, row{}, row{g.name, g.help})
		default:
			subcommands = append(subcommands, row{g.name, g.help})
		}
	}
	auth := []row{
		{"register", "create an account with a controller"},
		{"login", "log in to a controller"},
		{"logout", "log out of the controller"},
	}
	short := []row{
		{"create", "create an app"},
		{"scale", "run more or fewer processes of a type"},
		{"info", "describe an app"},
		{"open", "open an app in the browser"},
		{"logs", "read an app's log"},
		{"run", "run a command in a container of its own"},
		{"destroy", "remove an app"},
		{"pull", "deploy an image from a registry"},
	}
	sections := []string{
		"",
		"deis deploys applications to a Deis platform and looks after them there.",
		"",
		usageLine,
		"",
		"Options:",
		"",
		rows("  ", []row{{"-h --help", "print this help"}, {"-v --version", "print the client's version"}}),
		"Accounts ('deis help auth' says more):",
		"",
		rows("  ", auth),
		"Commands ('deis help <command>' says more):",
		"",
		rows("  ", subcommands),
		"Shortcuts ('deis shortcuts' lists all):",
		"",
		rows("  ", short),
		"In a repository with a Procfile or a Dockerfile, 'deis create' makes an app of it",
		"and 'git push deis master' deploys it. 'deis help completion' tells how the TAB key",
		"completes all this.",
	}
	lines := strings.Split(strings.Join(sections, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// valid is the group's help.
func (g group) valid(f *Factory) string {
	var rs []row
	for _, v := range g.verbs(f) {
		rs = append(rs, row{v.Name(), v.Short})
	}
	return fmt.Sprintf("\nValid commands for %s:\n\n%s\nUse 'deis help [command]' to learn more about one of them.\n", g.name, rows("", rs))
}

// help is the verb's own.
func (v *verb) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", strings.TrimSpace(v.Long), v.usageLine())
	if len(v.positionals) > 0 {
		b.WriteString("\nArguments:\n")
		for _, p := range v.positionals {
			fmt.Fprintf(&b, "  %s\n    %s\n", p.name, p.help)
		}
	}
	if len(v.flags) > 0 {
		b.WriteString("\nOptions:\n")
		for _, f := range v.flags {
			fmt.Fprintf(&b, "  %s\n    %s\n", f.spelled(), f.help)
		}
	}
	return b.String()
}

// spelled is how a flag may be given.
func (f flag) spelled() string {
	long := "--" + f.name
	if f.value != "" {
		long += "=" + f.value
	}
	return strings.Join(slices.DeleteFunc([]string{short(f.short), long}, func(s string) bool { return s == "" }), " ")
}

func short(letter string) string {
	if letter == "" {
		return ""
	}
	return "-" + letter
}
