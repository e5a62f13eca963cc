package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/deis/deis/client/controller"
)

const (
	progressInterval = time.Second     // between two looks at an app's processes
	progressTimeout  = 5 * time.Second // of one look
)

// deploying prints message and runs fn, one request that makes an app's
// processes other ones. At a terminal it shows how far they are. If the answer
// cannot be waited for any longer, the error is an *unattended.
func (f *Factory) deploying(ctx context.Context, t target, message string, fn func(context.Context) error) error {
	var sent atomic.Bool // from its first byte on: when the last has arrived is known too late
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	f.printf("%s", message)
	if f.IO.IsTTY() {
		stop := f.progress(ctx, t, message)
		defer stop()
	}
	err := fn(traced)
	if !sent.Load() {
		return err
	}
	return attend(t, err)
}

// progress shows a spinner, and what an app's processes do behind it, until
// stop is called.
func (f *Factory) progress(ctx context.Context, t target, message string) (stop func()) {
	var seen atomic.Pointer[string]
	room := f.IO.width() - len(message[strings.LastIndexByte(message, '\n')+1:]) - len(frames[0]) - 1
	unspin := spin(f.IO.Out, f.pace, func() string {
		text := seen.Load()
		if text == nil || *text == "" || len(*text)+1 > room {
			return "" // a line that wraps cannot be erased
		}
		return " " + *text
	})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.watch(ctx, t, &seen)
	}()
	return func() {
		cancel()
		<-ended
		unspin()
	}
}

// watch looks at an app's processes again and again until ctx ends. A look
// that fails is left out.
func (f *Factory) watch(ctx context.Context, t target, seen *atomic.Pointer[string]) {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		look, cancel := context.WithTimeout(ctx, progressTimeout)
		page, err := t.api.ListContainers(look, t.app, t.ResponseLimit)
		cancel()
		if err == nil {
			text := howFar(page.Results)
			seen.Store(&text)
		}
	}
}

// howFar says how many processes of the newest release are up, such as
// `web 1/2, worker 0/1 up (v5)`.
func howFar(containers []controller.Container) string {
	newest := 0
	for _, c := range containers {
		newest = max(newest, releaseNumber(c))
	}
	up, all := map[string]int{}, map[string]int{}
	for _, c := range containers {
		if releaseNumber(c) != newest {
			continue
		}
		all[c.Type]++
		if c.State == "up" {
			up[c.Type]++
		}
	}
	if len(all) == 0 {
		return ""
	}
	var parts []string
	for _, procType := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, fmt.Sprintf("%s %d/%d", procType, up[procType], all[procType]))
	}
	return fmt.Sprintf("%s up (v%d)", strings.Join(parts, ", "), newest)
}

func releaseNumber(c controller.Container) int {
	n, err := strconv.Atoi(strings.TrimPrefix(c.Release, "v"))
	if err != nil {
		return 0 // not the form of the API: counts as the oldest
	}
	return n
}

// unattended is a deploy that was asked for and whose answer did not come: once
// it has begun the controller does not need the client to go on with it.
type unattended struct {
	app string
	err error
}

func (u *unattended) Error() string { return u.err.Error() }
func (u *unattended) Unwrap() error { return u.err }

// advice is how to learn what becomes of it.
func (u *unattended) advice() string {
	return fmt.Sprintf("The deploy goes on at the controller if it has begun there: follow it with 'deis ps -a %[1]s' and 'deis logs -a %[1]s'.", u.app)
}

// attend tells errors of a deploy that was sent: an answer of the controller
// is one, a cut connection and a router that lost the controller are not.
func attend(t target, err error) error {
	var answer *controller.Error
	var broken *controller.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		if answer.Status == http.StatusBadGateway || answer.Status == http.StatusGatewayTimeout {
			return &unattended{t.app, err}
		}
		return err
	case errors.Is(err, context.Canceled):
		return &unattended{t.app, err}
	case errors.As(err, &broken) && broken.Cut():
		return &unattended{t.app, err}
	}
	return err
}
