package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var logsRow = row{name: "logs", bars: []Bar{followBar}, measure: measureLogs}

var followBar = Bar{What: "`deis logs -f`: a line, printed by the app → by the client, p99", Text: "≤ 200 ms", Allowed: constant(0.2)}

// measureLogs has an app print the time, and looks how old that is when the
// client prints it.
func measureLogs(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.deploy(ctx, "logs", "./tests/app", map[string]string{"Dockerfile": "FROM scratch\nCOPY app /app\nCMD [\"/app\", \"clock\"]\n"})
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	lines := 500
	if b.few {
		lines = 100
	}
	var p99, median []float64
	slowest := 0.0
	for range b.rounds(false) {
		ages, err := a.followed(ctx, lines)
		if err != nil {
			return nil, err
		}
		p99, median = append(p99, quantile(ages, 0.99)), append(median, quantile(ages, 0.5))
		slowest = max(slowest, quantile(ages, 1))
	}
	line := followBar.alone(NewSeries(Seconds, p99))
	line.Note = fmt.Sprintf("a round is %d lines, about 50 a second; their median was %s, the slowest of all %s", lines, NewSeries(Seconds, median), Seconds.Format(slowest))
	return []Line{line}, nil
}

// followed are the ages in seconds of so many lines, as the client prints them.
func (a *app) followed(ctx context.Context, lines int) (ages []float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(a.root, "bin/deis"), "logs", "-f", "-n", "0", "-a", a.name)
	cmd.Env = append(os.Environ(), a.user.Env()...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // by the signal, if all went well
	}()
	const settling = 50 // lines, while the client comes in
	for in := bufio.NewScanner(out); len(ages) < settling+lines && in.Scan(); {
		_, text, _ := strings.Cut(in.Text(), "[cmd.1]: ")
		printed, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue // a line of the platform's
		}
		ages = append(ages, time.Since(time.Unix(0, printed)).Seconds())
	}
	if len(ages) < settling+lines {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("deis logs -f ended after %d lines: %s", len(ages), said.String()))
	}
	return ages[settling:], nil
}
