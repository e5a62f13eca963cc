package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

var scaleRow = row{name: "scale", bars: []Bar{scaleBar}, measure: measureScale}

var scaleBar = Bar{What: "`scale` 1 → 20, all routed", Text: "≤ 1.15×", Allowed: factor(1.15, 0)}

// more is how many containers are started at once.
const more = 19

// measureScale scales an app, against the same number of bare containers that
// are made and started through the Engine's API by 1, 2, 4 or 8 at a time,
// whichever is best.
func measureScale(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "scale")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	image, err := a.image(ctx)
	if err != nil {
		return nil, err
	}
	process := "cmd"
	bare := map[int][]float64{}
	var scaled []float64
	for range b.rounds(true) {
		for _, parallel := range []int{1, 2, 4, 8} {
			took, err := b.startMany(ctx, image, more, parallel)
			if err != nil {
				return nil, err
			}
			bare[parallel] = append(bare[parallel], took)
		}
		began := time.Now()
		if err := a.deis(ctx, "scale", fmt.Sprintf("%s=%d", process, 1+more), "-a", a.name); err != nil {
			return nil, err
		}
		scaled = append(scaled, time.Since(began).Seconds())
		if err := a.settled(ctx, 1+more); err != nil {
			return nil, err
		}
		if err := a.deis(ctx, "scale", process+"=1", "-a", a.name); err != nil {
			return nil, err
		}
		if err := a.settled(ctx, 1); err != nil {
			return nil, err
		}
	}
	best := slices.MinFunc([]int{1, 2, 4, 8}, func(x, y int) int {
		if quantile(bare[x], 0.5) < quantile(bare[y], 0.5) {
			return -1
		}
		return 1
	})
	line := scaleBar.against(fmt.Sprintf("Engine API, %d at a time, until all answer", best), NewSeries(Seconds, bare[best]), NewSeries(Seconds, scaled))
	line.Note = "ours ends when `deis scale` returns, which is when all are announced; bare by number at a time:"
	for _, parallel := range []int{1, 2, 4, 8} {
		line.Note += fmt.Sprintf(" %d: %s", parallel, Seconds.Format(quantile(bare[parallel], 0.5)))
	}
	return []Line{line}, nil
}

// startMany makes and starts n bare containers, some at a time, and waits until
// all answer.
func (b *bench) startMany(ctx context.Context, image string, n, parallel int) (float64, error) {
	began := time.Now()
	var mu sync.Mutex
	var ids []string
	g, gctx := errgroup.WithContext(ctx)
	slots := make(chan struct{}, parallel)
	for range n {
		g.Go(func() error {
			slots <- struct{}{}
			id, err := b.createBare(gctx, image)
			<-slots
			if err != nil {
				return err
			}
			mu.Lock()
			ids = append(ids, id)
			mu.Unlock()
			_, err = b.answers(gctx, id)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	return took, b.remove(ctx, ids...)
}
