package memory

import (
	"slices"
	"strings"
	"testing"

	"github.com/deis/deis/logger/storage"
	"github.com/deis/deis/logger/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Adapter {
		return New(Limits{Lines: storage.DefaultLines, Bytes: storage.DefaultBytes, Total: DefaultTotal})
	})
}

func TestBounds(t *testing.T) {
	m := New(Limits{Lines: 10, Bytes: 100, Total: 250})
	for i := range 11 {
		if err := m.Append("lines", []string{string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}
	if got := storagetest.Tail(t, m, "lines", 100); len(got) != 10 || got[0] != "b" || got[9] != "k" {
		t.Errorf("overfilled by one: %q", got)
	}
	if got := storagetest.Tail(t, m, "lines", 5); strings.Join(got, "") != "ghijk" {
		t.Errorf("5 of 10: %q", got)
	}
	for range 5 {
		if err := m.Append("bytes", []string{strings.Repeat("x", 40)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := storagetest.Tail(t, m, "bytes", 100); len(got) != 2 {
		t.Errorf("%d lines of 40 bytes in 100", len(got))
	}
	if err := m.Append("long", []string{strings.Repeat("y", 1000)}); err != nil {
		t.Fatal(err)
	}
	if got := storagetest.Tail(t, m, "long", 100); len(got) != 1 || len(got[0]) != 100 {
		t.Errorf("a line beyond the bound: %q", got)
	}
	if err := m.Append("more", []string{strings.Repeat("z", 100)}); err != nil { // 10 + 80 + 100 + 100
		t.Fatal(err)
	}
	apps := m.Apps()
	slices.Sort(apps)
	if !slices.Equal(apps, []string{"bytes", "long", "more"}[:len(apps)]) && !slices.Contains(apps, "more") {
		t.Errorf("the idle one did not go: %v", apps)
	}
	if slices.Contains(apps, "lines") || m.bytes > 290 {
		t.Errorf("%v with %d bytes", apps, m.bytes)
	}
}
