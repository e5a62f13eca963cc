// Package ship sends lines to the logger.
package ship

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/deis/deis/internal/syslog"
)

// Bounds of a Queue.
const (
	sourceLines = 4096
	sourceBytes = 2 << 20
	totalBytes  = 64 << 20
	overhead    = 256 // of a message beside its text, roughly
	turnLines   = 256 // taken from one source before the next has its turn
	noticeEvery = time.Second
)

// Queue holds lines of many sources until they are sent.
type Queue struct {
	sent func(source string, at time.Time)
	now  func() time.Time

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, whenever something changed
	sources map[string]*source
	turns   []*source // those with lines, in the order of their turns
	bytes   int
	flowing bool // lines are being sent

	dropped prometheus.Counter
}

// source is a container's ring of lines, the oldest at first.
type source struct {
	name    string
	lines   []syslog.Message
	first   int
	bytes   int
	lost    int            // not yet told
	last    syslog.Message // of those lost
	noticed time.Time
}

func (s *source) len() int { return len(s.lines) - s.first }

// NewQueue makes an empty Queue. It calls sent with the time of each line that
// was sent or dropped, in the order of its source.
func NewQueue(sent func(source string, at time.Time), metrics prometheus.Registerer) *Queue {
	q := &Queue{
		sent: sent, now: time.Now, changed: make(chan struct{}), sources: map[string]*source{},
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logspout_dropped_lines_total", Help: "Lines dropped because the logger was too slow."}),
	}
	metrics.MustRegister(q.dropped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "deis_logspout_queued_bytes", Help: "Bytes of lines that wait to be sent."}, func() float64 {
		q.mu.Lock()
		defer q.mu.Unlock()
		return float64(q.bytes)
	}))
	return q
}

// Add puts a line at the end of a source's. When there is no room it waits
// while nothing flows; when lines flow, but too slowly, the oldest of the
// source go.
func (q *Queue) Add(ctx context.Context, name string, m syslog.Message) error {
	size := len(m.Text) + overhead
	for {
		q.mu.Lock()
		s := q.sources[name]
		if s == nil {
			s = &source{name: name}
			q.sources[name] = s
		}
		fits := q.fits(s, size)
		if !fits && q.flowing {
			q.drop(s, size)
			fits = q.fits(s, size)
		}
		if fits || s.len() == 0 { // one line always has room
			if s.len() == 0 {
				q.turns = append(q.turns, s)
			}
			s.lines = append(s.lines, m)
			s.bytes += size
			q.bytes += size
			q.broadcast()
			q.mu.Unlock()
			return nil
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (q *Queue) fits(s *source, size int) bool {
	return s.len() < sourceLines && s.bytes+size <= sourceBytes && q.bytes+size <= totalBytes
}

// drop makes room in s.
func (q *Queue) drop(s *source, size int) {
	for s.len() > 0 && !q.fits(s, size) {
		m := q.shift(s)
		s.lost++
		s.last = m
		q.dropped.Inc()
		q.sent(s.name, m.Time)
	}
	if s.len() == 0 { // its turn is added again with the next line
		q.removeTurn(s)
	}
}

// shift takes the oldest line of s.
func (q *Queue) shift(s *source) syslog.Message {
	m := s.lines[s.first]
	s.lines[s.first] = syslog.Message{}
	s.first++
	if s.first == len(s.lines) {
		s.lines, s.first = s.lines[:0], 0
	} else if s.first > 64 && s.first > len(s.lines)/2 {
		n := copy(s.lines, s.lines[s.first:])
		clear(s.lines[n:])
		s.lines, s.first = s.lines[:n], 0
	}
	size := len(m.Text) + overhead
	s.bytes -= size
	q.bytes -= size
	return m
}

func (q *Queue) removeTurn(s *source) {
	for i, t := range q.turns {
		if t == s {
			q.turns = append(q.turns[:i], q.turns[i+1:]...)
			return
		}
	}
}

func (q *Queue) broadcast() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// flow says whether lines are being sent.
func (q *Queue) flow(flowing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.flowing != flowing {
		q.flowing = flowing
		q.broadcast()
	}
}

// item is a line on its way.
type item struct {
	source  string
	message syslog.Message
	notice  bool // ours: no position follows from it
}

// take waits for lines and takes up to n, of several sources in turn.
func (q *Queue) take(ctx context.Context, n int) ([]item, error) {
	for {
		q.mu.Lock()
		var items []item
		for len(q.turns) > 0 && len(items) < n {
			s := q.turns[0]
			q.turns = q.turns[1:]
			if notice, ok := q.notice(s); ok {
				items = append(items, notice)
			}
			for i := 0; i < turnLines && s.len() > 0 && len(items) < n; i++ {
				items = append(items, item{source: s.name, message: q.shift(s)})
			}
			if s.len() > 0 {
				q.turns = append(q.turns, s)
			} else if s.lost == 0 {
				delete(q.sources, s.name)
			}
		}
		owed := false
		if len(items) == 0 {
			items, owed = q.notices()
		}
		if len(items) > 0 {
			q.broadcast()
			q.mu.Unlock()
			return items, nil
		}
		changed := q.changed
		q.mu.Unlock()
		wait, cancel := ctx, context.CancelFunc(func() {})
		if owed {
			wait, cancel = context.WithTimeout(ctx, noticeEvery)
		}
		select {
		case <-wait.Done():
		case <-changed:
		}
		cancel()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// notices are those of sources that have no more lines; owed says that there
// are some whose time has not come.
func (q *Queue) notices() (items []item, owed bool) {
	for name, s := range q.sources {
		if s.lost == 0 {
			continue
		}
		if it, ok := q.notice(s); ok {
			items = append(items, it)
			delete(q.sources, name)
		} else {
			owed = true
		}
	}
	return items, owed
}

// notice is a line that says what was lost of s, at most one a second.
func (q *Queue) notice(s *source) (item, bool) {
	now := q.now()
	if s.lost == 0 || now.Sub(s.noticed) < noticeEvery {
		return item{}, false
	}
	m := s.last
	m.Text, m.Stream, m.Seq = fmt.Sprintf("%d lines dropped", s.lost), "stderr", 0
	if s.lost == 1 {
		m.Text = "1 line dropped"
	}
	s.lost, s.noticed, s.last = 0, now, syslog.Message{}
	return item{source: s.name, message: m, notice: true}, true
}
