package main

import (
	"context"
	"fmt"
	"time"
)

var configRow = row{name: "config", bars: []Bar{configBar}, measure: measureConfig}

var configBar = Bar{What: "`config:set` → 200 from the new release", Text: "≤ 1.25× + 0.5 s", Allowed: factor(1.25, 0.5)}

// measureConfig sets a variable, against `docker run` of the app's image.
func measureConfig(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "config")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	sets := 0
	var returned []float64
	ours := func(ctx context.Context) (float64, error) {
		sets++
		until, end, err := during(ctx, func(ctx context.Context) error {
			return a.deis(ctx, "config:set", fmt.Sprintf("ROUND=%d", sets), "-a", a.name)
		}, a.nextRelease(ctx))
		if err != nil {
			return 0, err
		}
		returned = append(returned, end)
		return until, a.settled(ctx, 1)
	}
	limit := func(ctx context.Context) (float64, error) {
		image, err := a.image(ctx) // older releases' images are removed
		if err != nil {
			return 0, err
		}
		return b.bareRun(ctx, image)
	}
	l, o, err := interleave(ctx, b.rounds(false), Seconds, limit, ours)
	if err != nil {
		return nil, err
	}
	line := configBar.against("`docker run` of the same image to its 200", l, o)
	line.Note = "`config:set` itself returned after " + NewSeries(Seconds, returned[1:]).String()
	return []Line{line}, nil
}

// bareRun is the time from `docker run` to the container's 200.
func (b *bench) bareRun(ctx context.Context, image string) (float64, error) {
	began := time.Now()
	id, err := b.dockerRun(ctx, image)
	if err != nil {
		return 0, err
	}
	at, err := b.answers(ctx, id)
	if err != nil {
		return 0, err
	}
	return at.Sub(began).Seconds(), b.remove(ctx, id)
}
