package cmd

import "context"

// shortcuts stand for a command of a group, by their exact name only.
var shortcuts = []row{
	{"create", "apps:create"},
	{"destroy", "apps:destroy"},
	{"info", "apps:info"},
	{"login", "auth:login"},
	{"logout", "auth:logout"},
	{"logs", "apps:logs"},
	{"open", "apps:open"},
	{"passwd", "auth:passwd"},
	{"pull", "builds:create"},
	{"register", "auth:register"},
	{"rollback", "releases:rollback"},
	{"run", "apps:run"},
	{"scale", "ps:scale"},
	{"sharing", "perms:list"},
	{"sharing:list", "perms:list"},
	{"sharing:add", "perms:create"},
	{"sharing:remove", "perms:delete"},
	{"whoami", "auth:whoami"},
}

func shortcut(word string) (full string, ok bool) {
	for _, s := range shortcuts {
		if s.word == word {
			return s.help, true
		}
	}
	return "", false
}

func shortcutsVerbs(f *Factory) []*verb { return []*verb{newShortcuts(f, nil)} }

type shortcutsOptions struct {
	*Factory
	Output string
}

// shortcutInfo is a shortcut as shortcuts shows it in JSON.
type shortcutInfo struct {
	Shortcut string `json:"shortcut"`
	Command  string `json:"command"`
}

func newShortcuts(f *Factory, runF func(context.Context, *shortcutsOptions) error) *verb {
	o := &shortcutsOptions{Factory: f}
	v := newVerb("shortcuts", "list the shortcuts", "Lists the shortcuts and the commands they stand for.")
	v.printed(&o.Output)
	return action(v, o, runF, runShortcuts)
}

func runShortcuts(_ context.Context, o *shortcutsOptions) error {
	all := listed[shortcutInfo]{Count: len(shortcuts)}
	for _, s := range shortcuts {
		all.Results = append(all.Results, shortcutInfo{s.word, s.help})
	}
	return o.show(o.Output, all, func() { o.printf("Valid shortcuts:\n\n%s", rows("", shortcuts)) })
}
