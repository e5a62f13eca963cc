package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/logger/storage/storagetest"
)

// text is line i of fill's.
func text(i int) string { return fmt.Sprintf("%06d %s", i, strings.Repeat("x", 92)) }

// rest checks that from a position on there are fill's lines from one to
// another.
func rest(t *testing.T, f *Files, at api.LogPosition, from, to int) api.LogPosition {
	t.Helper()
	got, end := storagetest.Rest(t, f, "demo", at)
	if len(got) != to-from {
		t.Fatalf("%d lines, want %d", len(got), to-from)
	}
	for i, line := range got {
		if line != text(from+i) {
			t.Fatalf("line %d is %.10q", from+i, line)
		}
	}
	return end
}

func TestPositionsSurvive(t *testing.T) {
	root := t.TempDir()
	limits := Limits{App: 80000, Total: 1 << 20}
	f := open(t, root, limits)
	fill(t, f, "demo", 0, 50)
	at := storagetest.Seek(t, f, "demo", 10)
	for n := 50; n < 2000; n += 190 { // each time over two segments' ends
		at = rest(t, f, at, max(40, n-190), n)
		fill(t, f, "demo", n, n+190)
		if n%3 == 0 {
			continue
		}
		if n%2 == 0 { // else as after a kill -9
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		f = open(t, root, limits)
	}
}

func TestPositionsGoWithTheirSegments(t *testing.T) {
	root := t.TempDir()
	f := open(t, root, Limits{App: 80000, Total: 1 << 20})
	fill(t, f, "demo", 0, 100)
	begin := storagetest.Seek(t, f, "demo", -1)
	fill(t, f, "demo", 100, 3000)
	storagetest.Lost(t, f, "demo", begin)
	oldest := storagetest.Seek(t, f, "demo", -1)
	if oldest.Log != begin.Log || oldest.Offset%100 != 0 || oldest.Offset < 220000 {
		t.Errorf("began at %v, begins at %v", begin, oldest)
	}
	rest(t, f, oldest, int(oldest.Offset/100), 3000)

	// All of it goes, and positions go on.
	end := storagetest.Seek(t, f, "demo", 0)
	if f.evict(0); f.sum() != 0 {
		t.Fatal(f.sum())
	}
	rest(t, f, end, 0, 0)
	f = open(t, root, roomy)
	fill(t, f, "demo", 3000, 3010)
	rest(t, f, end, 3000, 3010)
	storagetest.Lost(t, f, "demo", end.Add(-100))
}

// A crash between the two steps of a rotation.
func TestRotationCutInTwo(t *testing.T) {
	root := t.TempDir()
	limits := Limits{App: 80000, Total: 1 << 20}
	f := open(t, root, limits)
	fill(t, f, "demo", 0, 150)
	at := storagetest.Seek(t, f, "demo", 140)
	mark := filepath.Join(root, "demo.mark")
	before, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, f, "demo", 150, 205) // begins another segment
	if err := os.WriteFile(mark, before, 0o600); err != nil {
		t.Fatal(err)
	}
	f = open(t, root, limits)
	rest(t, f, at, 10, 205)
	fill(t, f, "demo", 205, 300)
	rest(t, open(t, root, limits), at, 10, 300)
}

// What a log cannot vouch for is another log.
func TestAnotherLog(t *testing.T) {
	for name, spoil := range map[string]func(root string, f *Files) error{
		"the machine has crashed": func(_ string, f *Files) error { f.boot = "another"; return nil },
		"no mark":                 func(root string, _ *Files) error { return os.Remove(filepath.Join(root, "demo.mark")) },
		"an odd mark": func(root string, _ *Files) error {
			return os.WriteFile(filepath.Join(root, "demo.mark"), []byte("what is this\n"), 0o600)
		},
		"an impossible mark": func(root string, f *Files) error {
			return os.WriteFile(filepath.Join(root, "demo.mark"), []byte("0123456789abcdef "+f.boot+" 0 -5\n"), 0o600)
		},
		"a segment is missing": func(root string, _ *Files) error { return os.Remove(filepath.Join(root, "demo.log.2")) },
	} {
		root := t.TempDir()
		limits := Limits{App: 80000, Total: 1 << 20}
		f := open(t, root, limits)
		fill(t, f, "demo", 0, 350)
		at := storagetest.Seek(t, f, "demo", 10)
		if err := spoil(root, f); err != nil {
			t.Fatal(err)
		}
		if f.boot == "another" { // as if it had been written then
			f.apps["demo"].marked = false
			f.mark(f.apps["demo"])
		}
		f = open(t, root, limits)
		storagetest.Lost(t, f, "demo", at)
		if now := storagetest.Seek(t, f, "demo", 10); now.Log == at.Log {
			t.Errorf("%s: it is the same log", name)
		} else {
			rest(t, f, now, 340, 350)
		}
	}
}

// A mark without a log, and one that makes no sense.
func TestOddMarkAlone(t *testing.T) {
	root := t.TempDir()
	for _, text := range []string{"", "x y 0 0\n", "0123456789abcdef " + bootID() + " 0 0\n", "0123456789abcdef " + bootID() + " -1 9\n"} {
		if err := os.WriteFile(filepath.Join(root, "demo.mark"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := open(t, root, roomy)
		at := storagetest.Seek(t, f, "demo", 0)
		fill(t, f, "demo", 0, 3)
		rest(t, f, at, 0, 3)
		if err := f.Destroy("demo"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmptiedByHandIsAnotherLog(t *testing.T) {
	root := t.TempDir()
	f := open(t, root, roomy)
	fill(t, f, "demo", 0, 10)
	at := storagetest.Seek(t, f, "demo", 0)
	if err := os.Truncate(filepath.Join(root, "demo.log"), 0); err != nil {
		t.Fatal(err)
	}
	storagetest.Lost(t, f, "demo", at)
	fill(t, f, "demo", 10, 30)
	storagetest.Lost(t, f, "demo", at)
	rest(t, f, storagetest.Seek(t, f, "demo", 5), 25, 30)
}

func TestMarksGo(t *testing.T) {
	root := t.TempDir()
	f := open(t, root, roomy)
	fill(t, f, "demo", 0, 1)
	if err := f.Destroy("demo"); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(root, "long-gone.mark")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * keepMark)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	open(t, root, roomy)
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
}
