// Package storagetest is what every storage.Adapter must do, as a test.
package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deis/deis/logger/storage"
)

// Run tests adapters that open makes: empty, and with room for at least 1,000
// lines of 100 bytes an app.
func Run(t *testing.T, open func(*testing.T) storage.Adapter) {
	for name, test := range map[string]func(*testing.T, storage.Adapter){
		"order":             order,
		"unknown":           unknown,
		"separate apps":     separate,
		"destroy":           destroy,
		"odd lines":         oddLines,
		"odd names":         oddNames,
		"all at once":       concurrent,
		"destroy and write": destroyAndWrite,
		"seek and read":     seekAndRead,
		"lost positions":    lostPositions,
		"no lines yet":      noLinesYet,
		"long reads":        longReads,
		"follow and write":  followAndWrite,
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t)
			defer func() {
				if err := a.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			test(t, a)
		})
	}
}

// Tail is what an adapter has of an app, and no more than n lines.
func Tail(t testing.TB, a storage.Adapter, app string, n int) []string {
	t.Helper()
	var b bytes.Buffer
	err := a.Tail(app, n, &b)
	if errors.Is(err, storage.ErrUnknown) {
		if b.Len() > 0 {
			t.Errorf("%s is unknown, and yet %q", app, b.String())
		}
		return nil
	}
	if err != nil {
		t.Errorf("tail of %s: %v", app, err)
	}
	if b.Len() == 0 {
		return nil
	}
	if !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("the last line of %s has no end: %q", app, b.String())
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func write(t testing.TB, a storage.Adapter, app string, lines ...string) {
	t.Helper()
	if err := a.Append(app, lines); err != nil {
		t.Errorf("append to %s: %v", app, err)
	}
}

func numbered(from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	return lines
}

func order(t *testing.T, a storage.Adapter) {
	for i := range 10 {
		write(t, a, "demo", numbered(i*50, i*50+50)...)
	}
	for _, n := range []int{1, 5, 49, 50, 51, 499, 500, 501, 1 << 30} {
		if got, want := Tail(t, a, "demo", n), numbered(max(0, 500-n), 500); !slices.Equal(got, want) {
			t.Errorf("last %d: %d lines from %q, not %d", n, len(got), got[0], len(want))
		}
	}
	for _, n := range []int{0, -1} {
		if got := Tail(t, a, "demo", n); len(got) > 0 {
			t.Errorf("last %d: %d lines", n, len(got))
		}
	}
}

func unknown(t *testing.T, a storage.Adapter) {
	var b bytes.Buffer
	if err := a.Tail("nobody", 10, &b); !errors.Is(err, storage.ErrUnknown) || b.Len() > 0 {
		t.Errorf("%v, %q", err, b.String())
	}
	if err := a.Destroy("nobody"); err != nil {
		t.Errorf("destroy: %v", err)
	}
	if apps := a.Apps(); len(apps) > 0 {
		t.Errorf("apps: %v", apps)
	}
}

func separate(t *testing.T, a storage.Adapter) {
	write(t, a, "demo", "mine")
	write(t, a, "demo-2", "yours")
	write(t, a, "demo.log", "theirs")
	write(t, a, "demo.log.1", "whose")
	apps := a.Apps()
	slices.Sort(apps)
	if !slices.Equal(apps, []string{"demo", "demo-2", "demo.log", "demo.log.1"}) {
		t.Errorf("apps: %v", apps)
	}
	if err := a.Destroy("demo"); err != nil {
		t.Error(err)
	}
	for app, want := range map[string][]string{"demo": nil, "demo-2": {"yours"}, "demo.log": {"theirs"}, "demo.log.1": {"whose"}} {
		if got := Tail(t, a, app, 10); !slices.Equal(got, want) {
			t.Errorf("%s: %q", app, got)
		}
	}
}

func destroy(t *testing.T, a storage.Adapter) {
	for round := range 3 {
		line := fmt.Sprintf("round %d", round)
		write(t, a, "demo", line)
		if got := Tail(t, a, "demo", 10); !slices.Equal(got, []string{line}) {
			t.Errorf("%s: %q", line, got)
		}
		for range 2 {
			if err := a.Destroy("demo"); err != nil {
				t.Error(err)
			}
		}
		if got := Tail(t, a, "demo", 10); len(got) > 0 {
			t.Errorf("after destroy: %q", got)
		}
	}
	if apps := a.Apps(); len(apps) > 0 {
		t.Errorf("apps: %v", apps)
	}
}

func oddLines(t *testing.T, a storage.Adapter) {
	want := []string{"", strings.Repeat("x", 65536), "\x00\xff\x1b[0m", " ", "", "end"}
	write(t, a, "demo", want...)
	if got := Tail(t, a, "demo", 100); !slices.Equal(got, want) {
		t.Errorf("%.200q", got)
	}
	write(t, a, "demo")
	if got := Tail(t, a, "demo", 1); !slices.Equal(got, []string{"end"}) {
		t.Errorf("%q", got)
	}
}

func oddNames(t *testing.T, a storage.Adapter) {
	for _, app := range []string{storage.Unparsed, "Deis-Router", "a.b", strings.Repeat("a", 128)} {
		write(t, a, app, app)
		if got := Tail(t, a, app, 1); !slices.Equal(got, []string{app}) {
			t.Errorf("%s: %q", app, got)
		}
		if err := a.Destroy(app); err != nil {
			t.Error(err)
		}
	}
}

func concurrent(t *testing.T, a storage.Adapter) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				write(t, a, "shared", fmt.Sprintf("%d %d", w, i))
				write(t, a, fmt.Sprintf("own-%d", w), fmt.Sprintf("line %d", i))
			}
		})
		wg.Go(func() {
			for range 50 {
				Tail(t, a, "shared", 20)
				a.Apps()
			}
		})
	}
	wg.Wait()
	if got := Tail(t, a, "shared", 1000); len(got) != 400 {
		t.Errorf("%d lines of 400", len(got))
	}
	for w := range 4 {
		if got := Tail(t, a, fmt.Sprintf("own-%d", w), 1000); !slices.Equal(got, numbered(0, 100)) {
			t.Errorf("own-%d: %d lines", w, len(got))
		}
	}
}

func destroyAndWrite(t *testing.T, a storage.Adapter) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			write(t, a, "demo", fmt.Sprintf("line %d", i))
		}
	})
	wg.Go(func() {
		for range 50 {
			if err := a.Destroy("demo"); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if err := a.Destroy("demo"); err != nil {
		t.Error(err)
	}
	write(t, a, "demo", "last")
	if got := Tail(t, a, "demo", 1000); !slices.Equal(got, []string{"last"}) {
		t.Errorf("%q", got)
	}
}
