package storagetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/logger/storage"
)

// Rest is what an adapter has from a position on, and where that ends.
func Rest(t testing.TB, a storage.Adapter, app string, from api.LogPosition) ([]string, api.LogPosition) {
	t.Helper()
	var b bytes.Buffer
	for {
		before := b.Len()
		next, err := a.Read(app, from, &b)
		if err != nil {
			t.Errorf("read %s from %v: %v", app, from, err)
			return nil, from
		}
		if next != from.Add(b.Len()-before) {
			t.Errorf("from %v to %v with %d bytes", from, next, b.Len()-before)
		}
		if next == from {
			break
		}
		from = next
	}
	if b.Len() == 0 {
		return nil, from
	}
	if !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("the last line of %s has no end", app)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"), from
}

// Seek is where the newest n lines begin.
func Seek(t testing.TB, a storage.Adapter, app string, n int) api.LogPosition {
	t.Helper()
	at, err := a.Seek(app, n)
	if err != nil {
		t.Errorf("seek %d in %s: %v", n, app, err)
	}
	if again, err := api.ParseLogPosition(at.String()); err != nil || again != at {
		t.Errorf("%v is written %s: %v", at, at, err)
	}
	return at
}

// Lost fails the test unless the position is lost.
func Lost(t testing.TB, a storage.Adapter, app string, at api.LogPosition) {
	t.Helper()
	var b bytes.Buffer
	if next, err := a.Read(app, at, &b); !errors.Is(err, storage.ErrLost) || next != at || b.Len() > 0 {
		t.Errorf("read from %v to %v: %v, %d bytes", at, next, err, b.Len())
	}
}

func seekAndRead(t *testing.T, a storage.Adapter) {
	for i := range 10 {
		write(t, a, "demo", numbered(i*50, i*50+50)...)
	}
	for _, n := range []int{0, 1, 49, 50, 51, 499, 500, 501, -1} {
		want := numbered(max(0, 500-n), 500)
		if n < 0 {
			want = numbered(0, 500)
		}
		if got, _ := Rest(t, a, "demo", Seek(t, a, "demo", n)); !slices.Equal(got, want) {
			t.Errorf("from the last %d on: %d lines, not %d", n, len(got), len(want))
		}
	}
	if at := Seek(t, a, "demo", -1); at.Offset != 0 {
		t.Errorf("a log begins at %v", at)
	}
	// From where any line ended the rest comes, no more and no less.
	at := Seek(t, a, "demo", 100)
	for i := 400; i < 500; i++ {
		if got, _ := Rest(t, a, "demo", at); !slices.Equal(got, numbered(i, 500)) {
			t.Fatalf("behind line %d: %d lines", i-1, len(got))
		}
		at = at.Add(len(numbered(i, i+1)[0]) + 1)
	}
	write(t, a, "demo", numbered(500, 510)...)
	got, end := Rest(t, a, "demo", at)
	if !slices.Equal(got, numbered(500, 510)) {
		t.Errorf("%q", got)
	}
	if at := Seek(t, a, "demo", 0); at != end {
		t.Errorf("the end is %v, and read up to %v", at, end)
	}
}

func lostPositions(t *testing.T, a storage.Adapter) {
	write(t, a, "demo", "first", "second")
	begin, end := Seek(t, a, "demo", -1), Seek(t, a, "demo", 0)
	Lost(t, a, "demo", begin.Add(1)) // inside of a line
	Lost(t, a, "demo", end.Add(1))
	Lost(t, a, "demo", end.Add(-1))
	Lost(t, a, "demo", api.LogPosition{Log: storage.NewLog()})
	Lost(t, a, "other", begin)
	if err := a.Destroy("demo"); err != nil {
		t.Error(err)
	}
	Lost(t, a, "demo", begin)
	Lost(t, a, "demo", end)
	write(t, a, "demo", "FIRST", "SECOND", "THIRD")
	Lost(t, a, "demo", begin)
	Lost(t, a, "demo", end)
	if got, _ := Rest(t, a, "demo", Seek(t, a, "demo", 2)); !slices.Equal(got, []string{"SECOND", "THIRD"}) {
		t.Errorf("%q", got)
	}
}

func noLinesYet(t *testing.T, a storage.Adapter) {
	at := Seek(t, a, "demo", 10)
	if got, end := Rest(t, a, "demo", at); len(got) > 0 || end != at {
		t.Errorf("%q %v", got, end)
	}
	if got := Tail(t, a, "demo", 10); len(got) > 0 {
		t.Errorf("%q", got)
	}
	write(t, a, "demo", "first")
	if got, _ := Rest(t, a, "demo", at); !slices.Equal(got, []string{"first"}) {
		t.Errorf("%q", got)
	}
}

func longReads(t *testing.T, a storage.Adapter) {
	want := []string{"short"}
	for i := range 12 {
		want = append(want, strings.Repeat(string(rune('a'+i)), 60000))
	}
	write(t, a, "demo", want...)
	at := Seek(t, a, "demo", -1)
	var b bytes.Buffer
	if _, err := a.Read("demo", at, &b); err != nil || b.Len() > storage.ReadBytes {
		t.Errorf("%d bytes at once: %v", b.Len(), err)
	}
	if got, _ := Rest(t, a, "demo", at); !slices.Equal(got, want) {
		t.Errorf("%d lines of %d", len(got), len(want))
	}
	broken := errors.New("no more room")
	if next, err := a.Read("demo", at, brokenWriter{broken}); !errors.Is(err, broken) || next != at {
		t.Errorf("%v %v", next, err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// followAndWrite reads while lines come, each time from where the last read
// ended, as a follower that is cut again and again.
func followAndWrite(t *testing.T, a storage.Adapter) {
	begin := Seek(t, a, "demo", 0)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 100 {
			write(t, a, "demo", numbered(i*5, i*5+5)...)
		}
	})
	for range 3 {
		wg.Go(func() {
			var got []string
			for at := begin; len(got) < 500 && !t.Failed(); {
				var lines []string
				lines, at = Rest(t, a, "demo", at)
				got = append(got, lines...)
			}
			if !slices.Equal(got, numbered(0, 500)) {
				t.Errorf("%d lines, not 0 to 499 in order", len(got))
			}
		})
	}
	wg.Wait()
}
