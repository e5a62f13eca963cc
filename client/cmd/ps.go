package cmd

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/deis/deis/client/controller"
)

func psVerbs(f *Factory) []*verb {
	return []*verb{newPsList(f, nil), newPsRestart(f, nil), newPsScale(f, nil)}
}

type psListOptions struct {
	*Factory
	App, Output string
	Limit       *int
}

func newPsList(f *Factory, runF func(context.Context, *psListOptions) error) *verb {
	o := &psListOptions{Factory: f}
	v := newVerb("ps:list", "list an app's processes", "Lists an app's processes with their state and release.")
	v.forApp(&o.App)
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runPsList)
}

func runPsList(ctx context.Context, o *psListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	page, err := t.api.ListContainers(ctx, t.app, t.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() { o.printProcesses(t.app, page) })
}

// printProcesses prints an app's processes by type and number.
func (f *Factory) printProcesses(app string, page controller.Page[controller.Container]) {
	f.printf("=== %s Processes%s\n", app, count(page))
	byType := map[string][]controller.Container{}
	for _, c := range page.Results {
		byType[c.Type] = append(byType[c.Type], c)
	}
	for _, procType := range slices.Sorted(maps.Keys(byType)) {
		containers := byType[procType]
		slices.SortStableFunc(containers, func(a, b controller.Container) int { return a.Num - b.Num })
		f.printf("--- %s:\n", procType)
		for _, c := range containers {
			f.printf("%s.%d %s (%s)\n", c.Type, c.Num, c.State, c.Release)
		}
	}
}

type psScaleOptions struct {
	*Factory
	App    string
	Counts []string
}

func newPsScale(f *Factory, runF func(context.Context, *psScaleOptions) error) *verb {
	o := &psScaleOptions{Factory: f}
	v := newVerb("ps:scale", "run more or fewer processes of a type", "Runs as many processes of each type as asked for.")
	v.many(&o.Counts, "<type>=<num>...", "a type of the Procfile, such as web or worker, and how many of it to run; cmd is that of an app without Procfile")
	v.forApp(&o.App)
	return action(v, o, runF, runPsScale)
}

var scalePattern = regexp.MustCompile(`^([A-Za-z0-9_-]+)=([0-9]+)$`)

func parseCounts(args []string) (map[string]int, error) {
	counts := map[string]int{}
	var complaints []string
	for _, arg := range args {
		m := scalePattern.FindStringSubmatch(arg)
		if m == nil {
			complaints = append(complaints, fmt.Sprintf("'%s' does not match the pattern 'type=num', ex: web=2", arg))
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, err
		}
		counts[m[1]] = n
	}
	return counts, invalid(complaints)
}

func runPsScale(ctx context.Context, o *psScaleOptions) error {
	counts, err := parseCounts(o.Counts)
	if err != nil {
		return err
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	return o.brew(ctx, t, "Scaling", func(ctx context.Context) error { return t.api.Scale(ctx, t.app, counts) })
}

// brew does what takes long to an app's processes, then lists them.
func (f *Factory) brew(ctx context.Context, t target, what string, fn func(context.Context) error) error {
	started := f.Now()
	if err := f.deploying(ctx, t, fmt.Sprintf("%s processes... but first, %s!\n", what, f.drink()), fn); err != nil {
		return err
	}
	f.took(started)
	page, err := t.api.ListContainers(ctx, t.app, t.ResponseLimit)
	if err != nil {
		return err
	}
	f.printProcesses(t.app, page)
	return nil
}

type psRestartOptions struct {
	*Factory
	App, Process string
}

func newPsRestart(f *Factory, runF func(context.Context, *psRestartOptions) error) *verb {
	o := &psRestartOptions{Factory: f}
	v := newVerb("ps:restart", "restart an app's processes", "Restarts an app's processes: all, those of a type, or one of them.")
	v.optional(&o.Process, "<type>", "a type, such as web, or a process, such as web.1")
	v.forApp(&o.App)
	return action(v, o, runF, runPsRestart)
}

func runPsRestart(ctx context.Context, o *psRestartOptions) error {
	parts := strings.Split(o.Process, ".")
	var num *int
	if len(parts) > 1 {
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return err
		}
		num = &n
	}
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	return o.brew(ctx, t, "Restarting", func(ctx context.Context) error {
		_, err := t.api.Restart(ctx, t.app, parts[0], num)
		return err
	})
}
