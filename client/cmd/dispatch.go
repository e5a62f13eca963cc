package cmd

import (
	"slices"
	"strings"
)

// group is the commands that share what stands before the colon.
type group struct {
	name  string
	help  string
	lists bool // the bare name means name:list
	verbs func(*Factory) []*verb
}

// groups are all commands, in the order of the main help.
var groups = []group{
	{"auth", "manage users and their logins", false, authVerbs},
	{"apps", "create, inspect and destroy applications", true, appsVerbs},
	{"ps", "manage an app's processes", true, psVerbs},
	{"config", "manage an app's environment", true, configVerbs},
	{"domains", "manage an app's domain names", true, domainsVerbs},
	{"builds", "deploy images, list what was built", true, buildsVerbs},
	{"credentials", "manage what an app shows to other registries", true, credentialsVerbs},
	{"limits", "manage what an app's processes may use", true, limitsVerbs},
	{"tags", "manage where an app's processes may run", true, tagsVerbs},
	{"releases", "list an app's releases, go back to one", true, releasesVerbs},
	{"certs", "manage TLS certificates", true, certsVerbs},
	{"keys", "manage the SSH keys that may push", true, keysVerbs},
	{"perms", "manage who may work on an app", true, permsVerbs},
	{"git", "manage the git remote of an app", false, gitVerbs},
	{"users", "list the platform's users", true, usersVerbs},
	{"version", "print the client's version", false, versionVerbs},
	{"shortcuts", "list the shortcuts", false, shortcutsVerbs},
	{"completion", "let a shell complete commands", false, completionVerbs},
}

const usageLine = "Usage: deis <command> [<args>...]"

// call is what the arguments of the program ask for: one of help, plugin and
// verb, else a refusal.
type call struct {
	help    string
	plugin  string
	verb    *verb
	args    []string // of verb or plugin
	refusal string
}

// resolve finds what is called.
func resolve(f *Factory, argv []string) call {
	argv = rewrite(argv)
	if len(argv) == 0 || strings.HasPrefix(argv[0], "-") {
		return call{refusal: usageLine}
	}
	word, args := argv[0], argv[1:]
	if word == "help" {
		return call{help: mainHelp()}
	}
	name, _, _ := strings.Cut(word, ":")
	i := slices.IndexFunc(groups, func(g group) bool { return g.name == name })
	if i < 0 {
		return call{plugin: word, args: args}
	}
	return groups[i].resolve(f, word, args)
}

// rewrite brings the ways to ask for help and version into one form, and
// expands shortcuts.
func rewrite(argv []string) []string {
	if len(argv) == 1 {
		switch argv[0] {
		case "-h", "--help":
			return []string{"help"}
		case "-v", "--version":
			return []string{"version"}
		}
	}
	if len(argv) > 1 && slices.Contains([]string{"help", "--help", "-h"}, argv[0]) {
		argv = append(slices.Clone(argv[1:]), "--help")
	}
	if len(argv) > 0 {
		if full, ok := shortcut(argv[0]); ok {
			argv = append([]string{full}, argv[1:]...)
		}
	}
	return argv
}

// resolve finds a verb of the group.
func (g group) resolve(f *Factory, word string, args []string) call {
	root := newRoot(f)
	verbs := map[string]*verb{}
	for _, v := range g.verbs(f) {
		root.AddCommand(v.Command)
		verbs[v.Name()] = v
	}
	v := verbs[word]
	bare := v == nil && word == g.name
	if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") && v == nil && (bare || g.lists) {
		return call{help: g.valid(f)}
	}
	switch {
	case bare && g.lists:
		v = verbs[g.name+":list"]
	case bare:
		return call{help: g.valid(f)}
	case v == nil:
		return call{refusal: noMatch(f, word)}
	}
	return call{verb: v, args: args}
}
