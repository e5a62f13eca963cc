package cmd

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestHelpGolden(t *testing.T) {
	s := newScene(t)
	var got strings.Builder
	show := func(args ...string) {
		out, errOut, code := s.run(args...)
		fmt.Fprintf(&got, "$ deis %s\n%s", strings.Join(args, " "), out)
		if errOut != "" || code != 0 {
			t.Errorf("%v: exit %d, stderr %q", args, code, errOut)
		}
		for line := range strings.Lines(out) {
			if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
				t.Errorf("%v: spaces at the end of %q", args, line)
			}
		}
		got.WriteString("\n")
		if shown, code := s.runAtTerminal(args...); visible(shown) != out || code != 0 {
			t.Errorf("%v: at a terminal: exit %d, %q", args, code, shown)
		}
	}
	show("help")
	f := NewFactory(s.io(), nil)
	for _, g := range groups {
		verbs := g.verbs(f)
		if verbs[0].Name() != g.name {
			show("help", g.name)
		}
		for _, v := range verbs {
			show("help", v.Name())
		}
	}
	compare(t, "help.golden", got.String())
}

func (s *scene) io() *IOStreams {
	io, _, _ := testIOStreams("")
	return io
}

// TestDispatch: which help, which error, on which stream, with which code.
func TestDispatch(t *testing.T) {
	const (
		usage = "Usage: deis <command> [<args>...]\n"
		none  = "Found no matching command, try 'deis help'\n" + usage
		out   = true
	)
	for call, want := range map[string]struct {
		stdout bool
		prefix string // of stdout or stderr; the other is empty
		code   int
	}{
		"":                          {!out, usage, 1},
		"--foo apps":                {!out, usage, 1},
		"-x":                        {!out, usage, 1},
		"help":                      {out, "\ndeis deploys", 0},
		"-h":                        {out, "\ndeis deploys", 0},
		"--help":                    {out, "\ndeis deploys", 0},
		"-v":                        {out, "1.14.0\n", 0},
		"help ps:scale":             {out, "Runs as many", 0},
		"--help ps:scale":           {out, "Runs as many", 0},
		"-h scale":                  {out, "Runs as many", 0},
		"scale -h":                  {out, "Runs as many", 0},
		"help apps":                 {out, "\nValid commands for apps:\n\napps:create ", 0},
		"apps -h":                   {out, "\nValid commands for apps:\n", 0},
		"apps:nope --help":          {out, "\nValid commands for apps:\n", 0},
		"apps -a x -h":              {out, "Lists the apps", 0},
		"ps -a x -h":                {out, "Lists an app's processes", 0},
		"auth":                      {out, "\nValid commands for auth:\n\nauth:register ", 0},
		"auth what --ever":          {out, "\nValid commands for auth:\n", 0},
		"git":                       {out, "\nValid commands for git:\n", 0},
		"help version":              {out, "Prints the version", 0},
		"apps:nope":                 {!out, none, 1},
		"apps:nope x -h":            {!out, none, 1},
		"auth:nope -h":              {!out, none, 1},
		"version:nope":              {!out, none, 1},
		"nope":                      {!out, none, 1},
		"nope:list -a x":            {!out, none, 1},
		"sharing:nope":              {!out, none, 1},
		"../../bin/sh -c exit":      {!out, none, 1},
		"ps:scale -a x":             {!out, "Usage: deis ps:scale <type>=<num>... [options]\n", 1},
		"ps:scale --unknown -a x a": {!out, "--unknown is not an option\nUsage: deis ps:scale <type>=<num>... [options]\n", 1},
	} {
		t.Run(call, func(t *testing.T) {
			s := newScene(t)
			noSession(s)
			stdout, stderr, code := s.run(words(call)...)
			shown, other := stderr, stdout
			if want.stdout {
				shown, other = stdout, stderr
			}
			if code != want.code || !strings.HasPrefix(shown, want.prefix) || other != "" || !want.stdout && shown != want.prefix {
				t.Errorf("exit %d\nstdout %q\nstderr %q\nwant %+v", code, stdout, stderr, want)
			}
		})
	}
}

func TestShortcutsLeadToCommands(t *testing.T) {
	f := NewFactory((&scene{}).io(), os.Environ())
	for _, s := range shortcuts {
		if call := resolve(f, []string{s.word}); call.verb == nil || call.verb.Name() != s.help {
			t.Errorf("%s: %+v", s.word, call)
		}
	}
	if got := rewrite([]string{"users:list"}); got[0] != "users:list" {
		t.Error(got)
	}
}
