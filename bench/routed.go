package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

var routedRow = row{name: "routed", bars: []Bar{routedBar}, measure: measureRouted}

var routedBar = Bar{What: "container answers → routed", Text: "≤ 50 ms, no reload", Allowed: constant(0.050)}

// startDelay gives time to find a new container before it answers.
const startDelay = time.Second

// measureRouted scales an app from none to one: from the container's own first
// 200, at its address, to the first through the router.
func measureRouted(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "routed")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	if err := a.deis(ctx, "config:set", "START_DELAY="+startDelay.String(), "-a", a.name); err != nil {
		return nil, err
	}
	var took []float64
	var reloads float64
	for range b.rounds(false) + 1 { // the first does not count
		if err := a.deis(ctx, "scale", "cmd=0", "-a", a.name); err != nil {
			return nil, err
		}
		if err := a.settled(ctx, 0); err != nil {
			return nil, err
		}
		before, err := b.reloads(ctx)
		if err != nil {
			return nil, err
		}
		seconds, err := a.route(ctx)
		if err != nil {
			return nil, err
		}
		after, err := b.reloads(ctx)
		if err != nil {
			return nil, err
		}
		reloads += after - before
		took = append(took, seconds)
	}
	line := routedBar.alone(NewSeries(Seconds, took[1:]))
	line.Met = line.Met && reloads == 0
	line.Note = fmt.Sprintf("scale 0 → 1, the publisher looks every 20 ms; nginx was reloaded %.0f times", reloads)
	return []Line{line}, nil
}

// route starts the app's only container and measures how much later than itself
// the router answers.
func (a *app) route(ctx context.Context) (float64, error) {
	var own, routed time.Time
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.deis(gctx, "scale", "cmd=1", "-a", a.name) })
	g.Go(func() (err error) {
		var url string
		_, err = when(gctx, 10*time.Millisecond, "a container starts", func(ctx context.Context) bool {
			all, err := a.containers(ctx)
			if err != nil || len(all) == 0 || all[0].State != "running" {
				return false
			}
			ip, err := a.addressOf(ctx, all[0].ID)
			url = "http://" + ip + ":5000/"
			return err == nil
		})
		if err != nil {
			return err
		}
		if status, _ := fetch(gctx, a.direct, url); status == http.StatusOK {
			return fmt.Errorf("the container answered before it was found")
		}
		own, err = when(gctx, time.Millisecond, "the container answers", func(ctx context.Context) bool {
			status, _ := fetch(ctx, a.direct, url)
			return status == http.StatusOK
		})
		return err
	})
	g.Go(func() (err error) {
		routed, err = when(gctx, 2*time.Millisecond, "the router answers", func(ctx context.Context) bool { return a.body(ctx) != "" })
		return err
	})
	err := g.Wait()
	return routed.Sub(own).Seconds(), err
}

// reloads counts how often the router's nginx was reloaded or started.
func (b *bench) reloads(ctx context.Context) (float64, error) {
	status, text := fetch(ctx, b.direct, "http://127.0.0.1:"+b.platform.Env["ROUTER_HEALTH_PORT"]+"/metrics")
	if status != http.StatusOK {
		return 0, fmt.Errorf("the router's metrics: status %d", status)
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "deis_router_reloads_total") && !strings.HasPrefix(line, "deis_router_nginx_starts_total") {
			continue
		}
		fields := strings.Fields(line)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}
