// Probe is schedulertest's program as the only file of an image.
package main

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/deis/deis/controller/scheduler/schedulertest/program"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	resized := make(chan struct{}, 1)
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, syscall.SIGWINCH)
	go func() {
		for range winch {
			select {
			case resized <- struct{}{}:
			default:
			}
		}
	}()
	os.Exit(program.Run(ctx, program.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Limits: limits, Name: name, Size: size, Resized: resized, Trap: trap,
	}))
}

func size() (rows, cols int) {
	cols, rows, _ = term.GetSize(0) // 0x0 if it is no terminal
	return rows, cols
}

func trap(string) <-chan struct{} {
	trapped := make(chan struct{})
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT)
	go func() {
		<-ch
		close(trapped)
	}()
	return trapped
}

func name() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// limits reads what the kernel enforces, by the first or second version of
// control groups.
func limits() (memory, cpu int64) {
	if memory = number("/sys/fs/cgroup/memory/memory.limit_in_bytes"); memory != 0 {
		return memory, number("/sys/fs/cgroup/cpu/cpu.shares")
	}
	memory = number("/sys/fs/cgroup/memory.max")
	if weight := number("/sys/fs/cgroup/cpu.weight"); weight != 0 {
		cpu = 2 + (weight-1)*262142/9999 // as the runtime computed it, backwards
	}
	return memory, cpu
}

func number(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
