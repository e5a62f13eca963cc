package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/logger/storage"
)

// keepMark is how long the mark of an app without lines is kept.
const keepMark = 24 * time.Hour

// bootID tells one run of the machine from the next. Files are not synced:
// what a crash of the machine leaves of them may be less than was read.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func (f *Files) markPath(name string) string { return filepath.Join(f.root, name+".mark") }

// recall finds out which log an app's files are, and their offsets: those that
// the mark says, or else those of a new log. Nobody else has a yet.
func (f *Files) recall(a *app) {
	last := 0
	if len(a.old) > 0 {
		last = a.old[len(a.old)-1].n
	}
	var boot string
	b, err := os.ReadFile(f.markPath(a.name))
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%s %s %d %d\n", &a.id, &boot, &a.next, &a.base)
	}
	switch {
	case err != nil || boot != f.boot:
		f.renew(a)
		return
	case last != 0 && a.next == last: // ended between renaming the segment and marking that
		a.base += a.old[len(a.old)-1].size
		a.next++
	case last != 0 && a.next != last+1:
		f.renew(a)
		return
	default:
		a.marked = true
	}
	if _, err := api.ParseLogPosition(api.LogPosition{Log: a.id}.String()); err != nil || a.base < 0 || a.next < 1 || !a.join() {
		f.renew(a)
	}
}

// renew makes of an app's files a new log. a's lock is held.
func (f *Files) renew(a *app) {
	a.id, a.next, a.base, a.marked = storage.NewLog(), 1, 0, false
	if len(a.old) > 0 {
		a.next = a.old[len(a.old)-1].n + 1
	}
	for i := range a.old {
		a.old[i].base = a.base
		a.base += a.old[i].size
	}
}

// join gives old segments their offsets, from that of the current one back.
// It says whether they join.
func (a *app) join() bool {
	base, n := a.base, a.next
	for i := len(a.old) - 1; i >= 0; i-- {
		base -= a.old[i].size
		n--
		if a.old[i].n != n || base < 0 {
			return false
		}
		a.old[i].base = base
	}
	return true
}

// mark writes down what recall reads, if the file does not say so yet. If it
// cannot, the log is a new one after the next start. a's lock is held.
func (f *Files) mark(a *app) {
	if a.marked {
		return
	}
	path := f.markPath(a.name)
	text := fmt.Sprintf("%s %s %d %d\n", a.id, f.boot, a.next, a.base)
	err := os.WriteFile(path+".new", []byte(text), 0o644)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		_ = os.Remove(path) // says what is no longer so
		f.log.Warn("log not marked", "app", a.name, "err", err)
		return
	}
	a.marked = true
}

// forget removes marks of apps that have had no lines for long.
func (f *Files) forget(entries []os.DirEntry) {
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".mark")
		info, err := e.Info()
		if !ok || err != nil || f.apps[name] != nil || time.Since(info.ModTime()) < keepMark {
			continue
		}
		_ = os.Remove(f.markPath(name)) // tried again at the next start
	}
}
