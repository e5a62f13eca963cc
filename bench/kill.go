package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
)

var killRow = row{name: "kill", bars: killBars, measure: measureKill}

// killBars is a bar for each component.
var killBars = barsOf(components)

// components that are killed, in the order of a round.
var components = []string{"etcd", "filter", "database", "registry", "logger", "logspout", "publisher", "controller", "builder", "router"}

// healthy is how long a container must have run for the Engine to start it
// again without a growing pause.
const healthy = 10 * time.Second

func barsOf(components []string) []Bar {
	var bars []Bar
	for _, c := range components {
		bars = append(bars, Bar{What: "killed → serving again: " + c, Text: "≤ 2 s", Allowed: constant(2)})
	}
	return bars
}

// measureKill kills the main process of each component, and of a bare container
// whose time is the Engine's own, until the new one says that it is ready.
func measureKill(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "kill")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	image, err := a.image(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := b.dockerRun(ctx, "--restart", "always", image)
	if err != nil {
		return nil, err
	}
	defer b.removeBare(context.WithoutCancel(ctx))
	var limit []float64
	ours := map[string][]float64{}
	failed := map[string]error{}
	for range b.rounds(false) {
		took, err := b.killed(ctx, bare, func(ctx context.Context, c container.InspectResponse, _ time.Time) bool {
			return b.serves(ctx, c, b.appsNetwork(), ":5000/")
		})
		if err != nil {
			return nil, err
		}
		limit = append(limit, took)
		for _, name := range components {
			if failed[name] != nil {
				continue
			}
			took, err := b.killed(ctx, b.platform.Container(name), b.serving(name))
			if err != nil {
				failed[name] = err
				continue
			}
			ours[name] = append(ours[name], took)
		}
	}
	var lines []Line
	for i, name := range components {
		if failed[name] != nil {
			lines = append(lines, killBars[i].failed(failed[name]))
			continue
		}
		line := killBars[i].against("a bare container, killed", NewSeries(Seconds, limit), NewSeries(Seconds, ours[name]))
		line.Note = "the slowest round took " + Seconds.Format(line.Ours.Max())
		lines = append(lines, line)
	}
	return lines, nil
}

// killed kills a container's main process and gives the seconds until the next
// one serves.
func (b *bench) killed(ctx context.Context, name string, serves func(context.Context, container.InspectResponse, time.Time) bool) (float64, error) {
	var old container.InspectResponse
	_, err := when(ctx, 200*time.Millisecond, name+" is settled", func(ctx context.Context) bool {
		c, err := b.engine.ContainerInspect(ctx, name)
		if err != nil || !c.State.Running {
			return false
		}
		started, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
		old = c
		return err == nil && time.Since(started) > healthy && serves(ctx, c, time.Time{})
	})
	if err != nil {
		return 0, err
	}
	if old.State.Pid <= 1 {
		return 0, fmt.Errorf("%s has no main process", name)
	}
	began := time.Now()
	if err := syscall.Kill(old.State.Pid, syscall.SIGKILL); err != nil {
		return 0, fmt.Errorf("kill %s: %w", name, err)
	}
	at, err := when(ctx, 10*time.Millisecond, name+" serves again", func(ctx context.Context) bool {
		c, err := b.engine.ContainerInspect(ctx, name)
		return err == nil && c.State.Running && c.State.Pid != old.State.Pid && serves(ctx, c, began)
	})
	return at.Sub(began).Seconds(), err
}

// serving tells how a component says that it is ready.
func (b *bench) serving(name string) func(context.Context, container.InspectResponse, time.Time) bool {
	network := b.platform.Name + "-platform"
	switch name {
	case "filter":
		return func(ctx context.Context, c container.InspectResponse, since time.Time) bool {
			for _, m := range c.Mounts {
				if info, err := os.Stat(filepath.Join(m.Source, "ready")); err == nil && info.ModTime().After(since) {
					return true
				}
			}
			return false
		}
	case "etcd":
		return func(ctx context.Context, c container.InspectResponse, _ time.Time) bool {
			return b.serves(ctx, c, network, ":2379/health")
		}
	case "router", "publisher":
		variable := map[string]string{"router": "ROUTER_HEALTH_PORT", "publisher": "PUBLISHER_HEALTH_PORT"}[name]
		return func(ctx context.Context, _ container.InspectResponse, _ time.Time) bool {
			status, _ := fetch(ctx, b.direct, "http://127.0.0.1:"+b.platform.Env[variable]+"/readyz")
			return status == http.StatusOK
		}
	}
	return func(ctx context.Context, c container.InspectResponse, _ time.Time) bool {
		return b.serves(ctx, c, network, ":9000/readyz")
	}
}

// serves asks a container at its address on a network.
func (b *bench) serves(ctx context.Context, c container.InspectResponse, network, path string) bool {
	n := c.NetworkSettings.Networks[network]
	if n == nil || n.IPAddress == "" {
		return false
	}
	status, _ := fetch(ctx, b.direct, "http://"+n.IPAddress+path)
	return status == http.StatusOK
}
