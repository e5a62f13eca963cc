// Package pump reads what the containers of one host print.
package pump

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// position is how far a container's log has been read: up to count lines of
// that time, since several may have the same.
type position struct {
	time  time.Time
	count int
	done  bool // the container had ended, and this was all
}

func (p *position) advance(at time.Time) {
	switch {
	case at.Equal(p.time):
		p.count++
	case at.After(p.time):
		*p = position{time: at, count: 1}
	}
}

// slotSize is that of one line of the file: id, time, count, done.
const slotSize = 64 + 1 + 20 + 1 + 9 + 1 + 1 + 1

// Positions is how far each container's log has been sent, in a file with a
// line of fixed size for each. A line is written as soon as lines were sent,
// which costs one small write and makes a killed logspout as good as one that
// ended in order.
type Positions struct {
	log *slog.Logger

	mu     sync.Mutex
	file   *os.File
	slots  map[string]*slot
	free   []int64
	size   int64
	failed bool
}

type slot struct {
	position          // what was sent: the one in the file
	read     position // what was read, and may still wait to be sent
	offset   int64
}

// OpenPositions reads the file, or makes it, and writes it anew without what
// it has no more use for.
func OpenPositions(path string, log *slog.Logger) (*Positions, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	p := &Positions{log: log, file: file, slots: map[string]*slot{}}
	for line := range strings.Lines(string(old)) {
		if id, pos, ok := parseSlot(line); ok {
			s := p.slot(id)
			s.position = pos
			p.write(id, s)
		}
	}
	if err := os.Rename(path+".new", path); err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

func formatSlot(id string, p position) string {
	done := '-'
	if p.done {
		done = 'd'
	}
	return fmt.Sprintf("%-64.64s %020d %09d %c\n", id, p.time.UnixNano(), min(p.count, 999999999), done)
}

func parseSlot(line string) (id string, p position, ok bool) {
	f := strings.Fields(line)
	if len(line) != slotSize || len(f) != 4 {
		return "", position{}, false
	}
	nanos, err1 := strconv.ParseInt(f[1], 10, 64)
	count, err2 := strconv.Atoi(f[2])
	if err1 != nil || err2 != nil {
		return "", position{}, false
	}
	return f[0], position{time: time.Unix(0, nanos).UTC(), count: count, done: f[3] == "d"}, true
}

// slot finds a container's, or gives it one. The lock is held.
func (p *Positions) slot(id string) *slot {
	s := p.slots[id]
	if s != nil {
		return s
	}
	s = new(slot)
	if n := len(p.free); n > 0 {
		s.offset, p.free = p.free[n-1], p.free[:n-1]
	} else {
		s.offset, p.size = p.size, p.size+slotSize
	}
	p.slots[id] = s
	return s
}

func (p *Positions) write(id string, s *slot) {
	p.put(formatSlot(id, s.position), s.offset)
}

func (p *Positions) put(line string, offset int64) {
	_, err := io.WriteString(io.NewOffsetWriter(p.file, offset), line)
	if err != nil && !p.failed {
		p.log.Error("positions not written: a restart will send lines again", "err", err)
	}
	p.failed = err != nil
}

// Sent says that a container's line of that time was sent. It has no effect on
// a container that is forgotten.
func (p *Positions) Sent(id string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[id]
	if s == nil {
		return
	}
	before := s.position
	s.advance(at)
	if s.position != before {
		p.write(id, s)
	}
}

// begin is how far a container's log has been read, or sent before this
// process. From now on there may be more of it.
func (p *Positions) begin(id string) position {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slot(id)
	if s.done {
		s.done = false
		p.write(id, s)
	}
	if s.read.count == 0 {
		return s.position
	}
	return s.read
}

// done says whether a container had ended, and all of its log has been sent.
func (p *Positions) done(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[id]
	return s != nil && s.done
}

// end says how far a container's log was read, and whether the container had
// ended, so that this was all.
func (p *Positions) end(id string, read position, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[id]
	if s == nil {
		return
	}
	s.read = read
	if all && s.time.Equal(read.time) && s.count == read.count { // else its lines still wait
		s.done = true
		p.write(id, s)
	}
}

// forget drops a container that is gone.
func (p *Positions) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(id)
}

func (p *Positions) remove(id string) {
	if s := p.slots[id]; s != nil {
		p.put(strings.Repeat(" ", slotSize-1)+"\n", s.offset)
		p.free = append(p.free, s.offset)
		delete(p.slots, id)
	}
}

// keep drops all containers but those.
func (p *Positions) keep(ids map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.slots {
		if !ids[id] {
			p.remove(id)
		}
	}
}

// Close closes the file.
func (p *Positions) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.file.Close(); err != nil {
		p.log.Warn("positions not closed", "err", err)
	}
}
