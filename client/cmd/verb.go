package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// verb is one command, such as apps:create: the command as cobra knows it,
// and what its help and the grammar of its arguments say beside.
type verb struct {
	*cobra.Command
	positionals []positional
	flags       []flag
	usage       string         // the Usage line's arguments; made up unless set
	exclusive   [][2]string    // flags of which one may be given
	checks      []func() error // what a value's type says, after the grammar
}

type positional struct {
	name, help string
	kind       arity
	assign     func([]string)
}

type arity int

const (
	required arity = iota // exactly one
	optional              // one or none
	many                  // one or more; the last positional
)

// flag is an option. Booleans have no value.
type flag struct {
	name, short string
	value       string
	help        string
	newer       bool // than Deis v1
}

// newVerb makes a verb. short is its row in the group's help; long, a
// paragraph, opens its own.
func newVerb(name, short, long string) *verb {
	return &verb{Command: &cobra.Command{Use: name, Short: short, Long: long}}
}

// action makes v do run, or runF, which is how tests see what was parsed.
func action[O any](v *verb, o *O, runF, run func(context.Context, *O) error) *verb {
	if runF != nil {
		run = runF
	}
	v.RunE = func(c *cobra.Command, args []string) error {
		v.assign(args)
		for _, check := range v.checks {
			if err := check(); err != nil {
				return err
			}
		}
		return run(c.Context(), o)
	}
	return v
}

// required adds a positional that must be given.
func (v *verb) required(to *string, name, help string) {
	v.positionals = append(v.positionals, positional{name, help, required, func(a []string) { *to = a[0] }})
}

// optional adds a positional that may be given.
func (v *verb) optional(to *string, name, help string) {
	v.positionals = append(v.positionals, positional{name, help, optional, func(a []string) { *to = a[0] }})
}

// many adds the last positional, given once or more.
func (v *verb) many(to *[]string, name, help string) {
	v.positionals = append(v.positionals, positional{name, help, many, func(a []string) { *to = a }})
}

func (v *verb) assign(args []string) {
	for _, p := range v.positionals {
		switch {
		case p.kind == many:
			p.assign(args)
			return
		case len(args) > 0:
			p.assign(args[:1])
			args = args[1:]
		}
	}
}

// fits tells whether so many positionals are what the verb takes.
func (v *verb) fits(n int) bool {
	least, most := 0, 0
	for _, p := range v.positionals {
		if p.kind != optional {
			least++
		}
		most++
		if p.kind == many {
			most = n
		}
	}
	return n >= least && n <= max(least, most)
}

// boolean adds a flag without value.
func (v *verb) boolean(to *bool, name, short, help string) {
	v.flags = append(v.flags, flag{name: name, short: short, help: help})
	v.Flags().BoolVarP(to, name, short, *to, help)
}

// option adds a flag with a value; *to is its default.
func (v *verb) option(to *string, name, short, value, help string) {
	v.flags = append(v.flags, flag{name: name, short: short, value: value, help: help})
	v.Flags().StringVarP(to, name, short, *to, help)
}

// newer says that Deis v1 did not have the last flag: what was a unique prefix
// then goes on meaning what it meant.
func (v *verb) newer() { v.flags[len(v.flags)-1].newer = true }

// integer adds a flag whose value is a whole number; *to stays nil without it.
func (v *verb) integer(to **int, name, short, value, help string) {
	text := new(string)
	v.option(text, name, short, value, help)
	v.checks = append(v.checks, func() error {
		if *text == "" {
			return nil
		}
		n, err := strconv.Atoi(*text)
		if err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
		*to = &n
		return nil
	})
}

// passwordStdin adds the flag that takes the password from standard input, so
// that it is in no list of processes. The name cannot be asked for there too.
func (v *verb) passwordStdin(to *bool, username *string) {
	v.boolean(to, "password-stdin", "", "read the password from standard input, all of it but a line end; takes --username")
	v.newer()
	v.exclusive = append(v.exclusive, [2]string{"password", "password-stdin"})
	v.checks = append(v.checks, func() error {
		if *to && *username == "" {
			return v.refuse("--password-stdin takes --username")
		}
		return nil
	})
}

// forApp adds the flag that names the app.
func (v *verb) forApp(to *string) {
	v.option(to, "app", "a", "APP", "the app's name; by default DEIS_APP, else that of the git remote, else of the directory")
}

// limited adds the flag that bounds a list.
func (v *verb) limited(to **int) {
	v.integer(to, "limit", "l", "N", "how many to list; by default what the session file says")
}

// usageLine is how the verb is called.
func (v *verb) usageLine() string {
	usage := v.usage
	if usage == "" {
		for _, p := range v.positionals {
			if p.kind == optional {
				usage += " [" + p.name + "]"
			} else {
				usage += " " + p.name
			}
		}
		if len(v.flags) > 0 {
			usage += " [options]"
		}
	}
	return "Usage: deis " + strings.TrimSpace(v.Name()+" "+strings.TrimSpace(usage))
}

// usageError is a call that the verb's grammar refuses.
type usageError struct {
	verb   *verb
	reason string // may be empty
}

func (e *usageError) Error() string {
	return strings.TrimPrefix(e.reason+"\n"+e.verb.usageLine(), "\n")
}

// refuse is a usage error found after parsing.
func (v *verb) refuse(format string, args ...any) error {
	return &usageError{v, fmt.Sprintf(format, args...)}
}
