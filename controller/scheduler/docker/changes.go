package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

// Changes follows the Engine's events (see scheduler.Scheduler).
func (s *Scheduler) Changes(ctx context.Context) <-chan string {
	changes := make(chan string)
	go func() {
		defer close(changes)
		// Ends with ctx only.
		_ = retry.Forever(ctx, s.log, "follow the Engine's events", func(ctx context.Context) error { return s.follow(ctx, changes) })
	}()
	return changes
}

// follow sends changes until the stream of events breaks.
func (s *Scheduler) follow(ctx context.Context, changes chan<- string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("label", labels.Platform+"="+s.cfg.Platform), filters.Arg("label", labels.Job))
	for _, action := range []events.Action{events.ActionDie, events.ActionDestroy, events.ActionPause} {
		args.Add("event", string(action))
	}
	stream, broken := s.engine.Events(ctx, events.ListOptions{Filters: args})
	// What happened before this subscription was not seen.
	if !send(ctx, changes, "") {
		return ctx.Err()
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-broken:
			return fmt.Errorf("events: %w", err)
		case m := <-stream:
			if m.Action == events.ActionDestroy {
				s.mu.Lock()
				delete(s.ids, m.Actor.Attributes[labels.UUID])
				s.mu.Unlock()
			}
			if !send(ctx, changes, m.Actor.Attributes[labels.App]) {
				return ctx.Err()
			}
		}
	}
}

func send(ctx context.Context, changes chan<- string, app string) bool {
	select {
	case changes <- app:
		return true
	case <-ctx.Done():
		return false
	}
}
