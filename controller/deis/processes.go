package deis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Process is a container with the state that the scheduler sees.
type Process struct {
	Container
	State State
}

// Containers lists the app's containers of a process type, of all types but
// one-off runs if it is empty, oldest first. The states come in one query.
func (c *Controller) Containers(ctx context.Context, by User, app, processType string, p Page) ([]Process, int, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return nil, 0, err
	}
	all, err := c.processes(ctx, app)
	if err != nil {
		return nil, 0, err
	}
	selected := slices.DeleteFunc(all, func(p Process) bool { return processType != "" && p.Type != processType })
	return paginate(selected, p)
}

// Container finds one of the app's containers.
func (c *Controller) Container(ctx context.Context, by User, app, processType string, num int) (Process, error) {
	if _, err := c.authorize(ctx, by, app, Collaborate); err != nil {
		return Process{}, err
	}
	all, err := c.processes(ctx, app)
	if err != nil {
		return Process{}, err
	}
	for _, p := range all {
		if p.Type == processType && p.Num == num {
			return p, nil
		}
	}
	return Process{}, errNotFound()
}

// processes are the containers that are not leaving, with their states.
func (c *Controller) processes(ctx context.Context, app string) ([]Process, error) {
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return nil, err
	}
	statuses, err := c.Scheduler.States(ctx, app)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]Status, len(statuses))
	for _, s := range statuses {
		seen[s.UUID] = s
	}
	var out []Process
	for _, row := range rows {
		if row.Phase == Leaving {
			continue
		}
		st, ok := seen[row.UUID]
		state := shownState(row, st, time.Now())
		if !ok {
			state = StateInitialized
			if row.Phase != Starting {
				state = StateDestroyed
			}
		}
		out = append(out, Process{Container: row, State: state})
	}
	return out, nil
}

// paginate cuts a page out of a whole list.
func paginate[T any](all []T, p Page) ([]T, int, error) {
	size := max(p.Size, 1)
	pages := max((len(all)+size-1)/size, 1)
	number := max(p.Number, 1)
	if p.Last {
		number = pages
	}
	if number > pages {
		return nil, 0, errNotFound()
	}
	from := (number - 1) * size
	return all[from:min(from+size, len(all))], len(all), nil
}

// maxContainers bounds how many containers of a type one app may ask for.
const maxContainers = 1000

// Scale sets how many containers of each process type named there should run.
func (c *Controller) Scale(ctx context.Context, by User, app string, in map[string]any) error {
	a, err := c.authorize(ctx, by, app, Collaborate)
	if err != nil {
		return err
	}
	want, err := parseStructure(in)
	if err != nil || len(want) == 0 {
		return err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return err
	}
	ctx, unlock, err := c.lock(ctx, app, lockWait)
	if err != nil {
		return err
	}
	defer unlock()
	a, err = c.sameApp(ctx, a) // its structure, now that nobody else changes it
	if err != nil {
		return err
	}
	latest, err := c.Records.LatestRelease(ctx, app)
	if err != nil {
		return err
	}
	s, err := fill(ctx, c.Records, latest)
	if err != nil {
		return err
	}
	if s.build.UUID == "" {
		return Errorf(Invalid, "No build associated with this release")
	}
	for t := range want {
		if !s.build.has(t) {
			return Errorf(Invalid, "Container type %s does not exist in application", t)
		}
	}
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return err
	}
	structure, add, surplus := planScale(a, latest, inPhase(rows, Serving), want)
	c.event(app, by.Username+" scaled containers "+describe(want))
	started, err := c.start(ctx, app, add, s)
	if err = because(ctx, err); err != nil {
		c.undo(ctx, app)
		c.fail(app, "scaling failed: "+sentence(err))
		return err
	}
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if err := tx.SetPhase(ctx, uuids(started), Serving); err != nil {
			return err
		}
		if err := tx.SetPhase(ctx, uuids(surplus), Leaving); err != nil {
			return err
		}
		return tx.SetStructure(ctx, app, structure)
	})
	if err = because(ctx, err); err != nil {
		c.undo(ctx, app)
		c.fail(app, "scaling failed: "+sentence(err))
		return err
	}
	c.hit(ctx, afterScaleCommit)
	c.retire(ctx, app, surplus)
	c.hit(ctx, beforeAnswer)
	return nil
}

// planScale says which containers a new structure adds and which it no longer
// wants: the newest go first, and new numbers go on from the highest.
func planScale(app App, r Release, serving []Container, want map[string]int) (structure map[string]int, add, surplus []Container) {
	structure = map[string]int{}
	have := map[string][]Container{}
	for _, row := range serving {
		have[row.Type] = append(have[row.Type], row)
		structure[row.Type]++
	}
	for t, n := range app.Structure {
		if n == 0 {
			if _, ok := structure[t]; !ok {
				structure[t] = 0
			}
		}
	}
	for _, t := range sortedTypes(want) {
		structure[t] = want[t]
		highest := 0
		for _, row := range have[t] {
			highest = max(highest, row.Num)
		}
		for i := len(have[t]); i < want[t]; i++ {
			highest++
			add = append(add, newContainer(app, r, t, highest))
		}
		if extra := len(have[t]) - want[t]; extra > 0 {
			surplus = append(surplus, have[t][len(have[t])-extra:]...)
		}
	}
	return structure, add, surplus
}

// parseStructure reads {"web": 2}: whole numbers, also as texts; fractions are
// cut off, as Deis v1 did.
func parseStructure(in map[string]any) (map[string]int, error) {
	out := make(map[string]int, len(in))
	for t, v := range in {
		n, ok := whole(v)
		switch {
		case !ok:
			shown := fmt.Sprint(v)
			if text, _ := scalar(v); text != nil {
				shown = *text
			}
			return nil, Errorf(Invalid, "Invalid scaling format: invalid literal for int() with base 10: '%s'", shown)
		case n < 0:
			return nil, Errorf(Invalid, "Must be greater than or equal to zero")
		case n > maxContainers:
			return nil, Errorf(Invalid, "Must be at most %d", maxContainers)
		}
		out[t] = int(n)
	}
	return out, nil
}

func describe(structure map[string]int) string {
	parts := make([]string, 0, len(structure))
	for _, t := range sortedTypes(structure) {
		parts = append(parts, fmt.Sprintf("%s=%d", t, structure[t]))
	}
	return strings.Join(parts, " ")
}

// Restart replaces containers by new ones of the same release: all of the app,
// of a type, or one of it. It goes one at a time, so that an app with several
// keeps serving.
func (c *Controller) Restart(ctx context.Context, by User, app, processType string, num int) ([]Process, error) {
	a, err := c.authorize(ctx, by, app, Collaborate)
	if err != nil {
		return nil, err
	}
	if err := c.etcdAnswers(ctx); err != nil {
		return nil, err
	}
	ctx, unlock, err := c.lock(ctx, app, lockWait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if _, err := c.sameApp(ctx, a); err != nil {
		return nil, err
	}
	rows, err := c.Records.Containers(ctx, app)
	if err != nil {
		return nil, err
	}
	chosen := slices.DeleteFunc(inPhase(rows, Serving), func(r Container) bool {
		return processType != "" && r.Type != processType || num != 0 && r.Num != num
	})
	if len(chosen) == 0 {
		return []Process{}, nil
	}
	c.event(app, by.Username+" restarted "+strings.Join(names(chosen), " "))
	for _, row := range chosen {
		if err := because(ctx, c.restart(ctx, row)); err != nil {
			c.fail(app, "restart failed: "+sentence(err))
			c.queue.add(app)
			return nil, err
		}
	}
	c.hit(ctx, beforeAnswer)
	all, err := c.processes(ctx, app)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p Process) bool {
		return !slices.ContainsFunc(chosen, func(r Container) bool { return r.UUID == p.UUID })
	}), nil
}

// restart replaces one container. Its row stays and says so: a container that
// is withdrawn is never announced again, so one that was left running by a
// controller that died would serve nobody.
func (c *Controller) restart(ctx context.Context, row Container) error {
	s, err := c.snapshot(ctx, c.Records, row.App, row.Version)
	if err != nil {
		return err
	}
	one := []Container{row}
	if err := c.Records.SetPhase(ctx, uuids(one), Replacing); err != nil {
		return err
	}
	c.hit(ctx, afterReplacing)
	if err := c.clear(ctx, one, c.Drain); err != nil {
		return err
	}
	c.hit(ctx, afterOldCleared)
	if err := c.forgive(ctx, one); err != nil {
		return err
	}
	if err := c.Records.SetPhase(ctx, uuids(one), Serving); err != nil {
		return err
	}
	c.hit(ctx, afterServingAgain)
	return c.launch(ctx, row.App, one, s)
}

func names(rows []Container) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Job().Process()
	}
	return out
}
