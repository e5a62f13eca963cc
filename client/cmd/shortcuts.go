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

type shortcutsOptions struct{ *Factory }

func newShortcuts(f *Factory, runF func(context.Context, *shortcutsOptions) error) *verb {
	v := newVerb("shortcuts", "list the shortcuts", "Lists the shortcuts and the commands they stand for.")
	return action(v, &shortcutsOptions{f}, runF, runShortcuts)
}

func runShortcuts(_ context.Context, o *shortcutsOptions) error {
	o.printf("Valid shortcuts:\n\n%s", rows("", shortcuts))
	return nil
}
