// Package memory keeps the newest lines of each app in memory.
package memory

import (
	"container/list"
	"io"
	"sync"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/logger/storage"
)

// DefaultTotal bounds the bytes of all apps together.
const DefaultTotal = 64 << 20

// Limits are bounds on what is kept; all must be positive.
type Limits struct {
	Lines int // of an app
	Bytes int // of an app
	Total int // of all apps: beyond it, those go that were silent the longest
}

// Memory is a storage.Adapter.
type Memory struct {
	limits Limits

	mu    sync.RWMutex
	apps  map[string]*ring
	order *list.List // of app names, the last written first
	bytes int
}

// ring holds an app's lines, the oldest at first.
type ring struct {
	log   string
	lines []string
	first int
	bytes int
	start int64 // offset of the oldest line
	end   int64 // offset behind the newest
	place *list.Element
}

// New makes an empty Memory.
func New(limits Limits) *Memory {
	return &Memory{limits: limits, apps: map[string]*ring{}, order: list.New()}
}

// Append adds lines to an app's.
func (m *Memory) Append(app string, lines []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.ring(app)
	m.order.MoveToFront(r.place)
	m.bytes -= r.bytes
	for _, line := range lines {
		r.add(line, m.limits)
	}
	m.bytes += r.bytes
	for m.bytes > m.limits.Total && m.order.Len() > 1 {
		m.remove(m.order.Back().Value.(string))
	}
	return nil
}

// ring is the app's, a new one if it has none; the lock is held.
func (m *Memory) ring(app string) *ring {
	r := m.apps[app]
	if r == nil {
		r = &ring{log: storage.NewLog(), place: m.order.PushFront(app)}
		m.apps[app] = r
	}
	return r
}

func (r *ring) add(line string, limits Limits) {
	if len(line) > limits.Bytes {
		line = line[:limits.Bytes]
	}
	r.lines = append(r.lines, line)
	r.bytes += len(line)
	r.end += int64(len(line)) + 1
	for len(r.lines)-r.first > limits.Lines || r.bytes > limits.Bytes {
		r.bytes -= len(r.lines[r.first])
		r.start += int64(len(r.lines[r.first])) + 1
		r.lines[r.first] = ""
		r.first++
	}
	if r.first > len(r.lines)/2 && r.first > 16 { // at most twice the room
		n := copy(r.lines, r.lines[r.first:])
		clear(r.lines[n:])
		r.lines, r.first = r.lines[:n], 0
	}
}

// Tail writes an app's newest n lines.
func (m *Memory) Tail(app string, n int, w io.Writer) error {
	m.mu.RLock()
	r := m.apps[app]
	var lines []string
	if r != nil {
		lines = r.lines[r.first:]
		lines = append([]string(nil), lines[len(lines)-max(0, min(n, len(lines))):]...)
	}
	unknown := r == nil || r.end == 0
	m.mu.RUnlock()
	if unknown {
		return storage.ErrUnknown
	}
	for _, line := range lines {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// Seek finds where an app's newest n lines begin.
func (m *Memory) Seek(app string, n int) (api.LogPosition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.ring(app)
	at := api.LogPosition{Log: r.log, Offset: r.end}
	if n < 0 {
		at.Offset = r.start
	}
	for i := len(r.lines) - 1; i >= r.first && n > 0; i, n = i-1, n-1 {
		at.Offset -= int64(len(r.lines[i])) + 1
	}
	return at, nil
}

// Read writes whole lines from a position on.
func (m *Memory) Read(app string, from api.LogPosition, w io.Writer) (api.LogPosition, error) {
	block, err := m.block(app, from)
	if err != nil || len(block) == 0 {
		return from, err
	}
	if _, err := w.Write(block); err != nil {
		return from, err
	}
	return from.Add(len(block)), nil
}

// block is the lines from a position on.
func (m *Memory) block(app string, from api.LogPosition) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := m.apps[app]
	if r == nil || r.log != from.Log || from.Offset < r.start || from.Offset > r.end {
		return nil, storage.ErrLost
	}
	i, offset := len(r.lines), r.end // whoever follows is near the end
	for offset > from.Offset {
		i--
		offset -= int64(len(r.lines[i])) + 1
	}
	if offset != from.Offset {
		return nil, storage.ErrLost
	}
	var block []byte
	for ; i < len(r.lines) && (len(block) == 0 || len(block)+len(r.lines[i]) < storage.ReadBytes); i++ {
		block = append(append(block, r.lines[i]...), '\n')
	}
	return block, nil
}

// Destroy forgets an app's lines.
func (m *Memory) Destroy(app string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(app)
	return nil
}

func (m *Memory) remove(app string) {
	if r := m.apps[app]; r != nil {
		m.bytes -= r.bytes
		m.order.Remove(r.place)
		delete(m.apps, app)
	}
}

// Apps are the names that lines are kept for.
func (m *Memory) Apps() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	names := make([]string, 0, len(m.apps))
	for app, r := range m.apps {
		if r.end > 0 { // else somebody only waits for lines
			names = append(names, app)
		}
	}
	return names
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
