package controller

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// handOverTime is how long operations in flight may go on when the controller
// ends. It leaves enough of the time until it is killed to undo them.
const handOverTime = 15 * time.Second

// attend runs the loops, and serve until ctx ends. The loops outlive serve by as
// long as requests in flight need them; what is still in flight after the
// patience is told by handOver to undo itself and answer. A loop that fails ends
// all.
func attend(ctx context.Context, loops []func(context.Context) error, handOver func(), patience time.Duration, serve func(context.Context) error) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, running := errgroup.WithContext(running)
	for _, loop := range loops {
		g.Go(func() error { return loop(running) })
	}
	g.Go(func() error {
		defer stop()
		serving, end := context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(running, end)()
		done, watched := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-done:
				return
			case <-serving.Done():
			}
			select {
			case <-done:
			case <-time.After(patience):
				handOver()
			}
		}()
		err := serve(serving)
		close(done)
		<-watched
		return err
	})
	return g.Wait()
}
