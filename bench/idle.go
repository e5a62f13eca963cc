package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/deis/deis/internal/retry"
)

var idleRow = row{name: "idle", bars: []Bar{memoryBar, cpuBar}, measure: measureIdle}

var (
	memoryBar = Bar{What: "control plane idle: memory", Text: "≤ 512 MiB", Allowed: constant(512 << 20)}
	cpuBar    = Bar{What: "control plane idle: processor", Text: "≤ 2 % of a core", Allowed: constant(0.02)}
)

// windows are measurements of the processor; they make a minute.
const windows, window = 3, 20 * time.Second

// measureIdle sums up what all components hold and use while nothing is asked
// of them and one app runs.
func measureIdle(ctx context.Context, b *bench) ([]Line, error) {
	a, err := b.testApp(ctx, "idle")
	if err != nil {
		return nil, err
	}
	defer a.destroy()
	if err := retry.Sleep(ctx, window); err != nil { // what the push left to do is done
		return nil, err
	}
	var memory, processor []float64
	held, used := map[string]float64{}, map[string]float64{}
	for range windows {
		before, err := b.processorTime(ctx)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := retry.Sleep(ctx, window); err != nil {
			return nil, err
		}
		after, err := b.processorTime(ctx)
		if err != nil {
			return nil, err
		}
		passed := time.Since(began)
		cpu, resident := 0.0, 0.0
		for _, c := range components {
			share := (after[c] - before[c]).Seconds() / passed.Seconds()
			size, err := b.resident(ctx, c)
			if err != nil {
				return nil, err
			}
			cpu, resident = cpu+share, resident+size
			held[c], used[c] = size, used[c]+share/windows
		}
		memory, processor = append(memory, resident), append(processor, cpu)
	}
	m, p := memoryBar.alone(NewSeries(Bytes, memory)), cpuBar.alone(NewSeries(Cores, processor))
	m.Note = "what all processes of the components' containers hold, each shared page counted once: " + largest(held, Bytes)
	p.Note = "a minute in three windows, one app running: " + largest(used, Cores)
	return []Line{m, p}, nil
}

// processorTime is what each component has used so far.
func (b *bench) processorTime(ctx context.Context) (map[string]time.Duration, error) {
	used := map[string]time.Duration{}
	for _, c := range components {
		so, err := b.usedBy(ctx, b.platform.Container(c))
		if err != nil {
			return nil, err
		}
		used[c] = so
	}
	return used, nil
}

// usedBy is the processor time that a container has used so far.
func (b *bench) usedBy(ctx context.Context, name string) (time.Duration, error) {
	r, err := b.engine.ContainerStatsOneShot(ctx, name)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	var stats container.StatsResponse
	err = json.NewDecoder(r.Body).Decode(&stats)
	return time.Duration(stats.CPUStats.CPUUsage.TotalUsage), err
}

// resident is the memory of a component's processes, pages that several share
// in equal parts.
func (b *bench) resident(ctx context.Context, component string) (float64, error) {
	top, err := b.engine.ContainerTop(ctx, b.platform.Container(component), []string{"-o", "pid"})
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, process := range top.Processes {
		size, err := proportional(process[0])
		if os.IsNotExist(err) {
			continue // it has ended since
		}
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// proportional reads a process's share of memory.
func proportional(pid string) (float64, error) {
	f, err := os.Open("/proc/" + pid + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if size, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(size, "kB")), 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("process %s: no Pss in smaps_rollup", pid)
}

// largest lists the components by what they take.
func largest(of map[string]float64, unit Unit) string {
	order := slices.Clone(components)
	slices.SortStableFunc(order, func(x, y string) int {
		if of[x] > of[y] {
			return -1
		}
		return 1
	})
	var said []string
	for _, c := range order {
		said = append(said, c+" "+strings.TrimSuffix(unit.Format(of[c]), " of a core"))
	}
	return strings.Join(said, ", ")
}
