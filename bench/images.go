package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

var imagesRow = row{name: "images", bars: []Bar{imagesBar}, measure: measureImages}

var imagesBar = Bar{What: "`make images`, nothing changed", Text: "≤ 5 s", Allowed: constant(5)}

// measureImages makes the images again and again.
func measureImages(ctx context.Context, b *bench) ([]Line, error) {
	var took []float64
	for i := range b.rounds(false) + 1 { // the first may build
		began := time.Now()
		out, err := b.command(ctx, nil, "make", "--no-print-directory", "images")
		if err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		if strings.Contains(out, "building") {
			return nil, fmt.Errorf("something changed meanwhile:\n%s", out)
		}
		took = append(took, time.Since(began).Seconds())
	}
	return []Line{imagesBar.alone(NewSeries(Seconds, took))}, nil
}
