package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/deis/deis/client/controller"
	"github.com/deis/deis/client/settings"
	"github.com/deis/deis/internal/version"
)

// completionTime bounds an answer to the shell, all that is asked for it
// together: someone has pressed TAB.
const completionTime = time.Second

// completing tells a call of the shells' completion scripts.
func completing(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// complete answers a completion script: `__complete`, the words of the line,
// the last of them the one to complete. Cobra has the protocol and knows the
// options; sources.go knows the values. Whatever goes wrong means no answer,
// and nothing is said: the user's line is half written.
func complete(ctx context.Context, f *Factory, args []string) int {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	words := slices.Clone(args)
	if len(words) > 2 {
		words[1] = whole(words[1])
	}
	root := completionRoot(f)
	root.SetArgs(words)
	if root.ExecuteContext(ctx) != nil {
		return exitFailed
	}
	return exitOK
}

// whole is the verb that a shortcut or the bare name of a group stands for.
func whole(word string) string {
	if full, ok := shortcut(word); ok {
		return full
	}
	if slices.ContainsFunc(groups, func(g group) bool { return g.lists && g.name == word }) {
		return word + ":list"
	}
	return word
}

// completionRoot is every command, with the sources of its values.
func completionRoot(f *Factory) *cobra.Command {
	root := newRoot(f)
	root.SetErr(io.Discard)
	root.Version = version.Platform // brings --version
	for _, g := range groups {
		for _, v := range g.verbs(f) {
			v.ValidArgsFunction = f.completePositional(v)
			for _, fl := range v.flags {
				if fl.value != "" {
					_ = v.RegisterFlagCompletionFunc(fl.name, f.completeFlag(v, fl)) // fails for unknown flags only
				}
			}
			for _, pair := range v.exclusive {
				v.MarkFlagsMutuallyExclusive(pair[0], pair[1])
			}
			root.AddCommand(v.Command)
		}
	}
	root.ValidArgsFunction = func(_ *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return fitting(f.otherWords(true), toComplete, nil), cobra.ShellCompDirectiveNoFileComp
	}
	root.SetHelpCommand(&cobra.Command{Use: "help", Short: "say more about a command",
		ValidArgsFunction: func(c *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			all := f.otherWords(false)
			for _, verb := range c.Root().Commands() {
				if verb.IsAvailableCommand() {
					all = append(all, cobra.CompletionWithDesc(verb.Name(), verb.Short))
				}
			}
			return fitting(all, toComplete, nil), cobra.ShellCompDirectiveNoFileComp
		}})
	return root
}

// otherWords are those a call may begin with beside the verbs.
func (f *Factory) otherWords(plugins bool) []cobra.Completion {
	var all []cobra.Completion
	for _, g := range groups {
		if g.verbs(f)[0].Name() != g.name {
			all = append(all, cobra.CompletionWithDesc(g.name, g.help))
		}
	}
	for _, s := range shortcuts {
		if !slices.ContainsFunc(groups, func(g group) bool { return g.name == s.word }) {
			all = append(all, cobra.CompletionWithDesc(s.word, s.help))
		}
	}
	if plugins {
		all = append(all, f.plugins()...)
	}
	return all
}

// plugins are the programs on the PATH that deis runs as its own commands.
func (f *Factory) plugins() []cobra.Completion {
	var all []cobra.Completion
	for _, dir := range filepath.SplitList(f.Getenv("PATH")) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), "deis-")
			if !ok || e.IsDir() {
				continue
			}
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil || runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
				continue
			}
			name = strings.TrimSuffix(name, ".exe")
			all = append(all, cobra.CompletionWithDesc(name, "a plugin"))
		}
	}
	return all
}

// completePositional completes what is no option.
func (f *Factory) completePositional(v *verb) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		n := len(args)
		if last := len(v.positionals) - 1; last >= 0 && n > last && v.positionals[last].kind == many {
			n = last
		}
		if n >= len(v.positionals) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f.completeFrom(c, v.sourceOf(v.positionals[n].name), args[n:], toComplete)
	}
}

// completeFlag completes the value of an option.
func (f *Factory) completeFlag(v *verb, fl flag) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f.completeFrom(c, v.sourceOf("--"+fl.name), nil, toComplete)
	}
}

// completeFrom answers with what a source has and what is not given yet.
func (f *Factory) completeFrom(c *cobra.Command, s source, given []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if s.files {
		return nil, cobra.ShellCompDirectiveDefault
	}
	if s.assigns && strings.Contains(toComplete, "=") {
		return nil, cobra.ShellCompDirectiveNoFileComp // the value is anybody's guess
	}
	values, directive := s.words, cobra.ShellCompDirectiveNoFileComp
	if s.list != nil {
		values = f.valuesFor(c, s)
	}
	if s.assigns {
		values = slices.Clone(values)
		for i := range values {
			values[i] += "="
		}
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	if s.inOrder {
		directive |= cobra.ShellCompDirectiveKeepOrder
	}
	return fitting(values, toComplete, given), directive
}

// fitting are the values that begin as what is typed and are not given yet.
// What could play tricks on a terminal is left out.
func fitting(values []string, typed string, given []string) []cobra.Completion {
	var fit []cobra.Completion
	for _, value := range values {
		word, _, _ := strings.Cut(value, "\t")
		name, _, assigns := strings.Cut(word, "=")
		switch {
		case !strings.HasPrefix(word, typed), strings.ContainsFunc(strings.Replace(value, "\t", "", 1), unicode.IsControl):
		case slices.ContainsFunc(given, func(g string) bool {
			if assigns {
				g, _, _ = strings.Cut(g, "=")
			}
			return g == name
		}):
		default:
			fit = append(fit, value)
		}
	}
	return fit
}

// valuesFor asks the controller that the user is logged in to, or remembers
// its last answer. Without a session there is nobody to ask.
func (f *Factory) valuesFor(c *cobra.Command, s source) []string {
	ctx := c.Context()
	session, err := f.Session()
	if err != nil {
		return nil
	}
	if on, err := c.Flags().GetBool("admin"); err == nil && on && s.admin != nil {
		s = *s.admin
	}
	app := ""
	if s.ofApp {
		if app, err = c.Flags().GetString("app"); err != nil {
			return nil
		}
		if app, _, err = f.appOf(ctx, session, app); err != nil {
			return nil
		}
	}
	return f.recall(s.name, session, app, func() ([]string, error) { return f.askFor(ctx, s, session, app) })
}

// askFor asks the controller. What it refuses to tell is nothing to complete.
func (f *Factory) askFor(ctx context.Context, s source, session *settings.Session, app string) ([]string, error) {
	client, err := f.Client(session)
	if err != nil {
		return nil, err
	}
	values, err := s.list(ctx, client, app)
	var refused *controller.Error
	if errors.As(err, &refused) && refused.Status < 500 {
		return nil, nil
	}
	return values, err
}
