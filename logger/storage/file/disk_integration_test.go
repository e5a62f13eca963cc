//go:build integration

package file

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/deis/deis/logger/storage/storagetest"
)

// With no room left, the oldest segments go before a line does.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test mounts a small disk: run it as root")
	}
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	f := open(t, root, Limits{App: 256 << 10, Total: 1 << 30})
	for i := range 8 {
		fill(t, f, fmt.Sprintf("app-%d", i), 0, 2000)
	}
	if got := storagetest.Tail(t, f, "app-7", 1); len(got) != 1 || !strings.HasPrefix(got[0], "001999") {
		t.Errorf("the last line is %.20q", got)
	}
	if _, sum := disk(t, root); sum != f.sum() {
		t.Errorf("%d bytes on disk, %d counted", sum, f.sum())
	}
}
