// Package file keeps each app's lines in a file of its own, and older ones in
// segments beside it.
//
//	<root>/<app>.log      the current segment
//	<root>/<app>.log.<n>  older ones; the higher the number, the newer
//	<root>/<app>.mark     which log this is, and the offset of the current segment
//
// Segments are only appended to. When an app has more than its share, its
// oldest segment goes; when all have more than the total, the oldest of all.
// Nothing is buffered here: what Append has taken survives the process.
package file

import (
	"container/list"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/deis/deis/logger/storage"
)

// Limits are bounds in bytes; both must be positive.
type Limits struct {
	App   int64 // of an app
	Total int64 // of all
}

const (
	segments  = 8   // an app's share is spread over about so many
	openFiles = 256 // kept open for the next line
)

// Files is a storage.Adapter.
type Files struct {
	root   string
	limits Limits
	log    *slog.Logger
	boot   string // of the machine: what a crash of it leaves is not what was read

	mu    sync.Mutex // of what follows; never held while an app's lines are written
	apps  map[string]*app
	open  *list.List // of apps with an open file, the last written first
	total int64      // of all sizes
}

// app is one app's files. Its lock is taken before that of Files.
type app struct {
	name string

	mu      sync.Mutex
	gone    bool // destroyed: whoever waited for the lock must look again
	file    *os.File
	size    int64  // of the current segment
	base    int64  // offset of the current segment
	next    int    // number that it will have
	id      string // of the log
	marked  bool   // the file says so
	old     []segment
	written time.Time
	place   *list.Element // in Files.open, guarded by Files.mu
}

type segment struct {
	n       int
	size    int64
	base    int64 // offset of its first byte
	written time.Time
}

// New takes up what is in root, which it creates if its parent exists.
func New(root string, limits Limits, log *slog.Logger) (*Files, error) {
	if err := os.Mkdir(root, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("log root: %w", err)
	}
	f := &Files{root: root, limits: limits, log: log, boot: bootID(), apps: map[string]*app{}, open: list.New()}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("log root: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not ours
		}
		f.index(info)
	}
	for _, a := range f.apps {
		slices.SortFunc(a.old, func(x, y segment) int { return x.n - y.n })
		f.recall(a)
	}
	f.forget(entries)
	return f, nil
}

var segmentName = regexp.MustCompile(`^(.+)\.log(?:\.([1-9][0-9]{0,8}))?$`)

// index takes up one file.
func (f *Files) index(info os.FileInfo) {
	m := segmentName.FindStringSubmatch(info.Name())
	if m == nil || !storage.ValidApp(m[1]) {
		return
	}
	a := f.apps[m[1]]
	if a == nil {
		a = &app{name: m[1]}
		f.apps[m[1]] = a
	}
	f.total += info.Size()
	if m[2] == "" {
		a.size, a.written = info.Size(), info.ModTime()
		return
	}
	n, _ := strconv.Atoi(m[2]) // the pattern bounds it
	a.old = append(a.old, segment{n: n, size: info.Size(), written: info.ModTime()})
}

func (f *Files) path(name string, n int) string {
	p := filepath.Join(f.root, name+".log")
	if n > 0 {
		p += "." + strconv.Itoa(n)
	}
	return p
}

// lock returns the app with its lock held; nil if there is none and it is not
// to be created.
func (f *Files) lock(name string, create bool) *app {
	for {
		f.mu.Lock()
		a := f.apps[name]
		if a == nil && create {
			a = &app{name: name}
			f.recall(a)
			f.apps[name] = a
		}
		f.mu.Unlock()
		if a == nil {
			return nil
		}
		a.mu.Lock()
		if !a.gone {
			return a
		}
		a.mu.Unlock()
	}
}

// Append adds lines to an app's current segment.
func (f *Files) Append(name string, lines []string) error {
	n := 0
	for _, l := range lines {
		n += len(l) + 1
	}
	block := make([]byte, 0, n)
	for _, l := range lines {
		block = append(append(block, l...), '\n')
	}
	a := f.lock(name, true)
	err := f.write(a, block)
	if errors.Is(err, errFull) {
		a.mu.Unlock()
		freed := f.evict(f.sum() - f.limits.App) // make room for more than this block
		a = f.lock(name, true)
		if freed {
			err = f.write(a, block)
		}
	}
	a.mu.Unlock()
	f.tidy()
	return err
}

// write appends block, wholly or not at all, and rotates. a's lock is held.
func (f *Files) write(a *app, block []byte) error {
	if err := f.ensureOpen(a); err != nil {
		return err
	}
	n, err := a.file.Write(block)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, a.file.Truncate(a.size))
		}
		return full(err)
	}
	a.size += int64(n)
	a.written = time.Now()
	f.mu.Lock()
	f.total += int64(n)
	f.mu.Unlock()
	if a.size >= f.limits.App/segments {
		if err := f.rotate(a); err != nil { // the lines are stored
			f.log.Warn("segment not rotated", "app", a.name, "err", err)
		}
	}
	return nil
}

// ensureOpen opens the current segment. A line that a crash of the machine
// left without an end gets one.
func (f *Files) ensureOpen(a *app) error {
	if a.file != nil {
		f.mu.Lock()
		if a.place != nil {
			f.open.MoveToFront(a.place)
		}
		f.mu.Unlock()
		return nil
	}
	file, err := os.OpenFile(f.path(a.name, 0), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return full(err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	size := info.Size()
	last := make([]byte, 1)
	if size > 0 {
		if _, err := file.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			if _, err := file.Write([]byte{'\n'}); err != nil {
				file.Close()
				return full(err)
			}
			size++
		}
	}
	if size < a.size { // emptied by hand
		f.renew(a)
	}
	f.mu.Lock()
	f.total += size - a.size
	a.place = f.open.PushFront(a)
	f.mu.Unlock()
	a.file, a.size = file, size
	f.mark(a)
	return nil
}

// rotate makes the current segment the newest of the old ones, and removes
// those beyond the app's share. a's lock is held.
func (f *Files) rotate(a *app) error {
	f.close(a)
	if err := os.Rename(f.path(a.name, 0), f.path(a.name, a.next)); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	a.old = append(a.old, segment{n: a.next, size: a.size, base: a.base, written: a.written})
	a.base += a.size
	a.size = 0
	a.next++
	a.marked = false
	f.mark(a)
	sum := int64(0)
	for _, s := range a.old {
		sum += s.size
	}
	// The current segment may grow to a full one.
	for len(a.old) > 1 && sum > f.limits.App-f.limits.App/segments {
		sum -= a.old[0].size
		if err := f.removeOldest(a); err != nil {
			return err
		}
	}
	return nil
}

func (f *Files) removeOldest(a *app) error {
	s := a.old[0]
	if err := os.Remove(f.path(a.name, s.n)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	a.old = a.old[1:]
	f.mu.Lock()
	f.total -= s.size
	f.mu.Unlock()
	return nil
}

// close closes the current segment. a's lock is held.
func (f *Files) close(a *app) {
	if a.file == nil {
		return
	}
	if err := a.file.Close(); err != nil {
		f.log.Warn("segment not closed", "app", a.name, "err", err)
	}
	a.file = nil
	f.mu.Lock()
	if a.place != nil {
		f.open.Remove(a.place)
		a.place = nil
	}
	f.mu.Unlock()
}

// Destroy removes an app's files, known or not.
func (f *Files) Destroy(name string) error {
	if !storage.ValidApp(name) {
		return nil
	}
	a := f.lock(name, true)
	defer a.mu.Unlock()
	f.close(a)
	paths := []string{f.markPath(name), f.path(name, 0)}
	for _, s := range a.old {
		paths = append(paths, f.path(name, s.n))
	}
	var errs []error
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...) // all stays as it is, to be destroyed again
	}
	a.gone = true
	f.mu.Lock()
	delete(f.apps, name)
	f.total -= a.bytes()
	f.mu.Unlock()
	return nil
}

func (a *app) bytes() int64 {
	n := a.size
	for _, s := range a.old {
		n += s.size
	}
	return n
}

// Apps are the names that files are kept for.
func (f *Files) Apps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.apps))
	for name := range f.apps {
		names = append(names, name)
	}
	return names
}

// Close closes all files.
func (f *Files) Close() error {
	for _, name := range f.Apps() {
		if a := f.lock(name, false); a != nil {
			f.close(a)
			a.mu.Unlock()
		}
	}
	return nil
}

func (f *Files) sum() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}
