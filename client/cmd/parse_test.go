package cmd

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// everything has a flag and a positional of each kind.
type everything struct {
	app, file, first, second string
	all, interactive         bool
	limit, lines             *int
	allowed                  string
}

func parseEverything(t *testing.T, args []string) (o everything, out string, err error) {
	t.Helper()
	io, stdout, _ := testIOStreams("")
	v := newVerb("x:y", "do", "Does.")
	v.required(&o.first, "<first>", "")
	v.optional(&o.second, "<second>", "")
	v.forApp(&o.app)
	v.option(&o.file, "file", "f", "FILE", "")
	v.boolean(&o.all, "all", "", "")
	v.boolean(&o.interactive, "interactive", "i", "")
	v.limited(&o.limit)
	v.integer(&o.lines, "lines", "n", "N", "")
	v.option(&o.allowed, "allowed", "", "WHO", "")
	v.newer()
	v.exclusive = [][2]string{{"all", "file"}}
	v = action(v, &o, nil, func(context.Context, *everything) error { return nil })
	root := newRoot(&Factory{IO: io})
	root.AddCommand(v.Command)
	err = run(t.Context(), v, args)
	return o, stdout.String(), err
}

func TestParse(t *testing.T) {
	four := 4
	for call, want := range map[string]everything{
		"one":                      {first: "one"},
		"one two":                  {first: "one", second: "two"},
		"one -a demo":              {first: "one", app: "demo"},
		"-a demo one":              {first: "one", app: "demo"},
		"one -ademo two":           {first: "one", second: "two", app: "demo"},
		"-a=demo one":              {first: "one", app: "demo"},
		"--app demo one":           {first: "one", app: "demo"},
		"--app=demo one":           {first: "one", app: "demo"},
		"--app=a=b one":            {first: "one", app: "a=b"},
		"--ap demo one":            {first: "one", app: "demo"},
		"--ap=demo one --al":       {first: "one", app: "demo", all: true},
		"--app= one":               {first: "one"},
		"--app --all one":          {first: "one", app: "--all"},
		"-if x one":                {first: "one", interactive: true, file: "x"},
		"-ifx one":                 {first: "one", interactive: true, file: "x"},
		"-l4 one":                  {first: "one", limit: &four},
		"--lim 4 one --line=4":     {first: "one", limit: &four, lines: &four},
		"-- one -a":                {first: "one", second: "-a"},
		"one -":                    {first: "one", second: "-"},
		"one -- --":                {first: "one", second: "--"},
		"-- -h":                    {first: "-h"},
		"one -f -1":                {first: "one", file: "-1"},
		"--interactive one --app=": {first: "one", interactive: true},
		"--al one --allow=us":      {first: "one", all: true, allowed: "us"}, // --al was unique before --allowed came
	} {
		got, _, err := parseEverything(t, words(call))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", call, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const usage = "Usage: deis x:y <first> [<second>] [options]"
	for call, want := range map[string]string{
		"":                      usage,
		"one two three":         usage,
		"one -a":                "-a requires argument\n" + usage,
		"one --app":             "--app requires argument\n" + usage,
		"one --ap":              "--app requires argument\n" + usage,
		"-a -- one":             "-a requires argument\n" + usage,
		"one --all=true":        "--all must not have an argument\n" + usage,
		"one --all=":            "--all must not have an argument\n" + usage,
		"one --nope":            "--nope is not an option\n" + usage,
		"one -x":                "-x is not an option\n" + usage,
		"one -ix":               "-x is not an option\n" + usage,
		"one --a":               "--a is not a unique prefix: --app, --all\n" + usage,
		"one --li=3":            "--li is not a unique prefix: --limit, --lines\n" + usage,
		"one -a x --app y":      "--app is given twice\n" + usage,
		"one -i -i":             "-i is given twice\n" + usage,
		"one --all -f x":        "--all and --file exclude each other\n" + usage,
		"one --nope --all=true": "--nope is not an option\n" + usage,
	} {
		_, _, err := parseEverything(t, words(call))
		var refused *usageError
		if !errors.As(err, &refused) || refused.Error() != want {
			t.Errorf("%q: %q, want %q", call, err, want)
		}
	}
	if _, _, err := parseEverything(t, words("one -l x")); err == nil || err.Error() != `--limit: strconv.Atoi: parsing "x": invalid syntax` {
		t.Error(err)
	}
}

func TestHelpWins(t *testing.T) {
	for _, call := range []string{"-h", "--help", "--hel", "one two three -h", "--nope -h", "-x --help", "-ih", "one --all=true -h"} {
		if _, out, err := parseEverything(t, words(call)); err != nil || !strings.HasPrefix(out, "Does.\n\nUsage: deis x:y") {
			t.Errorf("%q: %q, %v", call, out, err)
		}
	}
}

// TestOptions holds the front end of some commands: what a call fills in.
func TestOptions(t *testing.T) {
	f := &Factory{}
	f.IO, _, _ = testIOStreams("")
	call := func(v *verb, line string) {
		t.Helper()
		newRoot(f).AddCommand(v.Command)
		if err := run(t.Context(), v, words(line)); err != nil {
			t.Errorf("%s %s: %v", v.Name(), line, err)
		}
	}
	call(newAppsCreate(f, func(_ context.Context, o *appsCreateOptions) error {
		o.Factory = nil
		if want := (appsCreateOptions{ID: "demo", Remote: "deis", Buildpack: "u", NoRemote: true}); *o != want {
			t.Errorf("apps:create %+v", o)
		}
		return nil
	}), "--no -b u demo")
	call(newPsScale(f, func(_ context.Context, o *psScaleOptions) error {
		if o.App != "demo" || !reflect.DeepEqual(o.Counts, words("web=1 worker=2")) {
			t.Errorf("ps:scale %+v", o)
		}
		return nil
	}), "web=1 -a demo worker=2")
	call(newAppsRun(f, func(_ context.Context, o *appsRunOptions) error {
		if o.App != "demo" || !reflect.DeepEqual(o.Command, words("ls -a x --help")) {
			t.Errorf("apps:run %+v", o)
		}
		return nil
	}), "-a demo -- ls -a x --help")
}
