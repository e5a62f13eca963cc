// Bench measures the rows of the performance table, each against what the same
// work costs without the platform, and writes docs/performance.md and
// bench/results/<date>.json. A file is a row.
//
//	go run ./bench [-rounds n] [-quick] [row...]
//
// Without rows it measures all of them; rows not measured keep their last
// result. The platform that the rows share runs under a random name on free
// ports and is removed at the end, also after an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/deis/deis/tests/platform"
)

// row is one that can be asked for; it measures a line for each of its bars.
type row struct {
	name    string
	bars    []Bar
	measure func(ctx context.Context, b *bench) ([]Line, error)
}

// rows of the table, in its order.
var rows = []row{pushRow, configRow, scaleRow, routedRow, routerRow, clientRow, apiRow, reconcileRow, rewriteRow, logsRow, killRow, idleRow, imagesRow, demoRow, freshRow}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("rounds", 7, "rounds of a row; one whose rounds take long makes about half as many")
	quick := flags.Bool("quick", false, "few short rounds to try the bench itself; nothing is written")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: go run ./bench [-rounds n] [-quick] [row...]\nrows: %s\n", strings.Join(names(), " "))
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lines, err := measure(ctx, chosen, *rounds, *quick)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	for _, l := range lines {
		if l.missed() {
			return 1
		}
	}
	return 0
}

// choose finds the rows asked for, all if none is.
func choose(asked []string) ([]row, error) {
	if len(asked) == 0 {
		return rows, nil
	}
	var chosen []row
	for _, name := range asked {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q (rows: %s)", name, strings.Join(names(), " "))
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

func names() []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.name)
	}
	return all
}

// measure runs rows one after the other; what fails in one is its line's. An
// interrupt ends it, and nothing is written then.
func measure(ctx context.Context, chosen []row, rounds int, quick bool) (lines []Line, err error) {
	root, err := platform.Root()
	if err != nil {
		return nil, err
	}
	this, err := thisRun(ctx, root)
	if err != nil {
		return nil, err
	}
	b, err := newBench(root, rounds, quick)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, r := range chosen {
		began := time.Now()
		measured, err := r.measure(ctx, b)
		if ctx.Err() != nil {
			return nil, errors.New("interrupted: nothing is written")
		}
		if err != nil {
			measured = nil
			for _, bar := range r.bars {
				measured = append(measured, bar.failed(err))
			}
		}
		for i := range measured {
			measured[i].Row, measured[i].Run = r.name, this
			fmt.Println(measured[i])
		}
		fmt.Printf("  (%s took %.0f s)\n", r.name, time.Since(began).Seconds())
		lines = append(lines, measured...)
	}
	if quick {
		return lines, nil
	}
	old, err := latest(root)
	if err != nil {
		return nil, err
	}
	return lines, write(root, this.At, merge(old, lines))
}
