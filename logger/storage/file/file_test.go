package file

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deis/deis/logger/storage"
	"github.com/deis/deis/logger/storage/storagetest"
)

func open(t *testing.T, root string, limits Limits) *Files {
	t.Helper()
	f, err := New(root, limits, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

var roomy = Limits{App: 64 << 20, Total: 1 << 30}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Adapter { return open(t, filepath.Join(t.TempDir(), "logs"), roomy) })
}

// The same with segments so small that every few lines begin a new one.
func TestContractAcrossSegments(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Adapter {
		f := open(t, t.TempDir(), roomy)
		f.limits.App = 1 << 20
		return f
	})
}

// disk is what the files with lines have, by name.
func disk(t *testing.T, root string) (sizes map[string]int64, sum int64) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	sizes = map[string]int64{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name(), ".mark") {
			continue
		}
		sizes[e.Name()] = info.Size()
		sum += info.Size()
	}
	return sizes, sum
}

func fill(t *testing.T, f *Files, app string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := f.Append(app, []string{fmt.Sprintf("%06d %s", i, strings.Repeat("x", 92))}); err != nil { // 100 bytes
			t.Fatal(err)
		}
	}
}

func TestAppShare(t *testing.T) {
	root := t.TempDir()
	f := open(t, root, Limits{App: 80000, Total: 1 << 20})
	fill(t, f, "demo", 0, 5000)
	sizes, sum := disk(t, root)
	if sum > 80000 || sum < 60000 || sum != f.sum() {
		t.Errorf("%d bytes on disk, %d counted: %v", sum, f.sum(), sizes)
	}
	if _, ok := sizes["demo.log"]; !ok && len(sizes) < 6 {
		t.Errorf("files: %v", sizes)
	}
	lines := storagetest.Tail(t, f, "demo", 1<<20)
	for i, l := range lines {
		if want := fmt.Sprintf("%06d", 5000-len(lines)+i); !strings.HasPrefix(l, want) {
			t.Fatalf("line %d of %d is %q, not %s", i, len(lines), l, want)
		}
	}
	// 15 segments ago there was another: the numbers go on after a restart.
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, root, Limits{App: 80000, Total: 1 << 20})
	if got := storagetest.Tail(t, f, "demo", 1<<20); !slices.Equal(got, lines) {
		t.Errorf("%d lines after a restart, %d before", len(got), len(lines))
	}
	fill(t, f, "demo", 5000, 10000)
	if got := storagetest.Tail(t, f, "demo", 1); !strings.HasPrefix(got[0], "009999") {
		t.Errorf("%q", got)
	}
	if _, sum := disk(t, root); sum > 80000 || sum != f.sum() {
		t.Errorf("%d bytes on disk, %d counted", sum, f.sum())
	}
	if err := f.Destroy("demo"); err != nil {
		t.Fatal(err)
	}
	if sizes, _ := disk(t, root); len(sizes) > 0 || f.sum() != 0 {
		t.Errorf("after destroy: %v, %d counted", sizes, f.sum())
	}
}

func TestTotal(t *testing.T) {
	root := t.TempDir()
	f := open(t, root, Limits{App: 40000, Total: 100000})
	for app := range 30 {
		fill(t, f, fmt.Sprintf("app-%02d", app), 0, 100)
		if _, sum := disk(t, root); sum > 100000 || sum != f.sum() {
			t.Fatalf("%d bytes on disk, %d counted", sum, f.sum())
		}
	}
	if got := storagetest.Tail(t, f, "app-29", 1000); len(got) < 100 {
		t.Errorf("the newest app has %d lines", len(got))
	}
	if got := storagetest.Tail(t, f, "app-00", 1000); len(got) > 0 {
		t.Errorf("the oldest app still has %d lines", len(got))
	}
}

func TestRestart(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"demo.log": "whole\ncut by a power fail", "notes.txt": "not ours", "x y.log": "nor this", "gone.log": "old tenant\n", "gone.log.7": "older\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, root, roomy)
	if err := f.Append("demo", []string{"next"}); err != nil {
		t.Fatal(err)
	}
	if got := storagetest.Tail(t, f, "demo", 10); !slices.Equal(got, []string{"whole", "cut by a power fail", "next"}) {
		t.Errorf("%q", got)
	}
	// Destroyed though it was never opened.
	if err := f.Destroy("gone"); err != nil {
		t.Fatal(err)
	}
	if err := f.Append("gone", []string{"new tenant"}); err != nil {
		t.Fatal(err)
	}
	if got := storagetest.Tail(t, f, "gone", 10); !slices.Equal(got, []string{"new tenant"}) {
		t.Errorf("%q", got)
	}
	// Emptied by hand while open: no hole, no zeros.
	if err := os.Truncate(filepath.Join(root, "demo.log"), 0); err != nil {
		t.Fatal(err)
	}
	if got := storagetest.Tail(t, f, "demo", 10); len(got) > 0 {
		t.Errorf("%q", got)
	}
	if err := f.Append("demo", []string{"after"}); err != nil {
		t.Fatal(err)
	}
	if got := storagetest.Tail(t, f, "demo", 10); !slices.Equal(got, []string{"after"}) {
		t.Errorf("%q", got)
	}
}

func TestManyApps(t *testing.T) {
	f := open(t, t.TempDir(), roomy)
	for i := range openFiles + 100 {
		if err := f.Append(fmt.Sprintf("app-%d", i), []string{"first"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.open.Len(); n > openFiles {
		t.Errorf("%d files are open", n)
	}
	if err := f.Append("app-0", []string{"second"}); err != nil { // was closed meanwhile
		t.Fatal(err)
	}
	if got := storagetest.Tail(t, f, "app-0", 10); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("%q", got)
	}
}

func TestBadRoot(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{path, filepath.Join(root, "missing", "logs")} {
		if _, err := New(bad, roomy, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "log root: ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	f, err := New(b.TempDir(), roomy, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	lines := make([]string, 100)
	for i := range lines {
		lines[i] = strings.Repeat("x", 120)
	}
	b.SetBytes(100 * 121)
	for b.Loop() {
		if err := f.Append("demo", lines); err != nil {
			b.Fatal(err)
		}
	}
}
