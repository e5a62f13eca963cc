package cmd

import (
	"context"
	"fmt"
	"regexp"

	"github.com/deis/deis/client/controller"
)

func limitsVerbs(f *Factory) []*verb {
	return []*verb{newLimitsList(f, nil), newLimitsSet(f, nil), newLimitsUnset(f, nil)}
}

type limitsListOptions struct {
	*Factory
	App, Output string
}

// limits is the part of a config that limits:list shows in JSON.
type limits struct {
	Memory map[string]string `json:"memory"`
	CPU    map[string]int    `json:"cpu"`
}

func newLimitsList(f *Factory, runF func(context.Context, *limitsListOptions) error) *verb {
	o := &limitsListOptions{Factory: f}
	v := newVerb("limits:list", "list an app's limits", "Lists what an app's processes may use, by type.")
	v.forApp(&o.App)
	v.printed(&o.Output)
	return action(v, o, runF, runLimitsList)
}

func runLimitsList(ctx context.Context, o *limitsListOptions) error {
	t, err := o.target(ctx, o.App)
	if err != nil {
		return err
	}
	return o.listLimits(ctx, t, o.Output)
}

func (f *Factory) listLimits(ctx context.Context, t target, as string) error {
	config, err := t.api.Config(ctx, t.app)
	if err != nil {
		return err
	}
	return f.show(as, limits{config.Memory, config.CPU}, func() {
		f.printf("=== %s Limits\n\n--- Memory\n", t.app)
		printLimits(f, config.Memory)
		f.printf("\n--- CPU\n")
		printLimits(f, config.CPU)
	})
}

func printLimits[V any](f *Factory, limits map[string]V) {
	if len(limits) == 0 {
		f.printf("Unlimited\n")
		return
	}
	aligned(f.IO.Out, limits, 5)
}

type limitsSetOptions struct {
	*Factory
	App         string
	CPU, Memory bool
	Limits      []string
}

func newLimitsSet(f *Factory, runF func(context.Context, *limitsSetOptions) error) *verb {
	o := &limitsSetOptions{Factory: f}
	v := newVerb("limits:set", "set limits", "Sets what an app's processes may use, by type, which makes a release.")
	v.many(&o.Limits, "<type>=<limit>...", "a type and its limit: memory with a unit, such as web=512M, or CPU shares, such as web=512")
	v.boolean(&o.CPU, "cpu", "c", "limit the share of the CPU, 0 to 1024")
	v.boolean(&o.Memory, "memory", "m", "limit the memory; the default")
	v.forApp(&o.App)
	return action(v, o, runF, runLimitsSet)
}

var limitPattern = regexp.MustCompile(`^([A-Za-z0-9_-]+)=([0-9]+[bkmgBKMG]{1,2}|[0-9]{1,4})$`)

func parseLimits(args []string) (map[string]any, error) {
	limits := map[string]any{}
	var complaints []string
	for _, arg := range args {
		m := limitPattern.FindStringSubmatch(arg)
		if m == nil {
			complaints = append(complaints, fmt.Sprintf("%s doesn't fit format type=#unit or type=#", arg))
			continue
		}
		limits[m[1]] = m[2]
	}
	return limits, invalid(complaints, "Examples: web=2G worker=500M db=1024")
}

func runLimitsSet(ctx context.Context, o *limitsSetOptions) error {
	limits, err := parseLimits(o.Limits)
	if err != nil {
		return err
	}
	return o.applyLimits(ctx, o.App, o.CPU, limits)
}

// applyLimits changes limits, of the CPU or the memory, and lists all.
func (f *Factory) applyLimits(ctx context.Context, app string, cpu bool, limits map[string]any) error {
	t, err := f.target(ctx, app)
	if err != nil {
		return err
	}
	change := controller.ConfigChange{Memory: limits}
	if cpu {
		change = controller.ConfigChange{CPU: limits}
	}
	err = f.deploying(ctx, t, "Applying limits... ", func(ctx context.Context) error {
		_, err := t.api.ChangeConfig(ctx, t.app, change)
		return err
	})
	if err != nil {
		return err
	}
	f.printf("done\n\n")
	return f.listLimits(ctx, t, outputText)
}

type limitsUnsetOptions struct {
	*Factory
	App         string
	CPU, Memory bool
	Types       []string
}

func newLimitsUnset(f *Factory, runF func(context.Context, *limitsUnsetOptions) error) *verb {
	o := &limitsUnsetOptions{Factory: f}
	v := newVerb("limits:unset", "remove limits", "Removes limits of an app's processes, by type, which makes a release.")
	v.many(&o.Types, "<type>...", "a type")
	v.boolean(&o.CPU, "cpu", "c", "the limit of the CPU")
	v.boolean(&o.Memory, "memory", "m", "the limit of the memory; the default")
	v.forApp(&o.App)
	v.exclusive = [][2]string{{"cpu", "memory"}}
	return action(v, o, runF, runLimitsUnset)
}

func runLimitsUnset(ctx context.Context, o *limitsUnsetOptions) error {
	return o.applyLimits(ctx, o.App, o.CPU, unset(o.Types))
}
