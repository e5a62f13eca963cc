package cmd

import (
	"fmt"
	"slices"
	"strings"
)

// parse reads a verb's arguments by the grammar of Deis v1, which is wider
// than pflag's and stricter: any unique prefix of a long flag will do (flags
// that came later do not spoil one), a flag is given once, `--flag=` counts as
// not given, booleans take no value. It returns the same call as pflag reads
// it, `--name=value ... -- positionals`. help is set if help was asked for,
// whatever else is wrong with the call.
func (v *verb) parse(args []string) (canonical []string, help bool, err error) {
	p := parser{verb: v, args: args}
	for len(p.args) > 0 && !p.help {
		arg := p.next()
		switch {
		case arg == "--":
			p.positionals = append(p.positionals, p.args...)
			p.args = nil
		case strings.HasPrefix(arg, "--"):
			p.long(arg[2:])
		case strings.HasPrefix(arg, "-") && arg != "-":
			p.shorts(arg[1:])
		default:
			p.positionals = append(p.positionals, arg)
		}
	}
	if p.help {
		return nil, true, nil
	}
	if p.err == nil && !v.fits(len(p.positionals)) {
		p.fail("")
	}
	for _, pair := range v.exclusive {
		if slices.Contains(p.given, pair[0]) && slices.Contains(p.given, pair[1]) {
			p.fail("--%s and --%s exclude each other", pair[0], pair[1])
		}
	}
	return append(append(p.options, "--"), p.positionals...), false, p.err
}

// parser holds what of a call has been read. The first error stays, and
// reading goes on: help may be asked for further on.
type parser struct {
	verb        *verb
	args        []string
	options     []string
	positionals []string
	given       []string
	help        bool
	err         error
}

func (p *parser) next() string {
	arg := p.args[0]
	p.args = p.args[1:]
	return arg
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = p.verb.refuse(format, args...)
	}
}

// long reads a flag behind its two dashes.
func (p *parser) long(text string) {
	name, value, hasValue := strings.Cut(text, "=")
	var candidates []flag
	for _, f := range append(slices.Clone(p.verb.flags), helpFlag) {
		if f.name == name {
			candidates = []flag{f}
			break
		}
		if strings.HasPrefix(f.name, name) {
			candidates = append(candidates, f)
		}
	}
	if old := slices.DeleteFunc(slices.Clone(candidates), func(f flag) bool { return f.newer }); len(old) > 0 {
		candidates = old
	}
	switch len(candidates) {
	case 0:
		p.fail("--%s is not an option", name)
	case 1:
		p.flag(candidates[0], "--"+candidates[0].name, value, hasValue)
	default:
		var names []string
		for _, f := range candidates {
			names = append(names, "--"+f.name)
		}
		p.fail("--%s is not a unique prefix: %s", name, strings.Join(names, ", "))
	}
}

// shorts reads one-letter flags behind their dash: booleans may be bundled,
// and a value may follow its letter at once.
func (p *parser) shorts(text string) {
	for text != "" {
		letter, rest := text[:1], text[1:]
		i := slices.IndexFunc(p.verb.flags, func(f flag) bool { return f.short == letter })
		switch {
		case i >= 0 && p.verb.flags[i].value != "":
			p.flag(p.verb.flags[i], "-"+letter, strings.TrimPrefix(rest, "="), rest != "")
			return
		case i >= 0:
			p.flag(p.verb.flags[i], "-"+letter, "", false)
		case letter == helpFlag.short:
			p.help = true
			return
		default:
			p.fail("-%s is not an option", letter)
			return
		}
		text = rest
	}
}

func (p *parser) flag(f flag, spelled, value string, hasValue bool) {
	switch {
	case f.name == helpFlag.name:
		p.help = true
		return
	case f.value == "" && hasValue:
		p.fail("%s must not have an argument", spelled)
		return
	case f.value != "" && !hasValue:
		if len(p.args) == 0 || p.args[0] == "--" {
			p.fail("%s requires argument", spelled)
			return
		}
		value = p.next()
	}
	if slices.Contains(p.given, f.name) {
		p.fail("%s is given twice", spelled)
		return
	}
	if f.value != "" && value == "" {
		return
	}
	p.given = append(p.given, f.name)
	if f.value == "" {
		p.options = append(p.options, "--"+f.name)
	} else {
		p.options = append(p.options, fmt.Sprintf("--%s=%s", f.name, value))
	}
}

var helpFlag = flag{name: "help", short: "h"}
