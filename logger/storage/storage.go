// Package storage keeps lines per app, in one of several adapters that can be
// changed while it is used.
package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/syslog"
)

// Adapter is a way to keep lines. It is safe for concurrent use; storagetest
// says what it must do.
type Adapter interface {
	// Append adds lines, which have no line breaks, at the end of an app's.
	Append(app string, lines []string) error
	// Tail writes the newest n lines, the oldest of them first, each with a
	// line break. It fails with ErrUnknown, having written nothing, if there
	// are none.
	Tail(app string, n int, w io.Writer) error
	// Seek finds where an app's newest n lines begin, or with n below 0 all
	// that are kept. Of an app without lines it is where the first will be.
	Seek(app string, n int) (api.LogPosition, error)
	// Read writes whole lines from a position on, about ReadBytes of them at
	// most, and says where the next one begins; at the log's end it writes
	// nothing. It fails with ErrLost, having written nothing, if the app's log
	// is another one by now, or has no line that begins there.
	Read(app string, from api.LogPosition, w io.Writer) (next api.LogPosition, err error)
	// Destroy forgets an app's lines; it is no error if there are none.
	Destroy(app string) error
	// Apps are the names that lines are kept for.
	Apps() []string
	// Close lets go of what is open; the adapter is not used any more.
	Close() error
}

// Errors of reading.
var (
	ErrUnknown = errors.New("there are no lines of this app")
	ErrAdapter = errors.New("there is no storage adapter")
	ErrLost    = errors.New("the log does not have the position")
	ErrBusy    = errors.New("too many follow logs")
)

// ReadBytes is how much of a log is read at a time.
const ReadBytes = 256 << 10

// NewLog names a log as no other is or was named.
func NewLog() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // does not fail
	return hex.EncodeToString(b)
}

// Unparsed is the name for what could not be read as a message.
const Unparsed = "_unparsed"

const (
	unparsedRate  = 10  // lines a second that are kept
	unparsedBytes = 512 // of each that are kept
	graveTime     = 10 * time.Minute
	graveLimit    = 10000
)

// nameRule is what names a file, and nothing outside its folder.
var nameRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// ValidApp says whether lines are kept under a name.
func ValidApp(app string) bool { return nameRule.MatchString(app) }

// Store takes messages and keeps their lines in the current adapter.
type Store struct {
	log     *slog.Logger
	maxApps int
	now     func() time.Time
	noise   *rate.Limiter // of Unparsed
	errs    *rate.Limiter // of this package's own log, which must not feed itself

	mu      sync.RWMutex // held for reading while lines are stored: Destroy waits for them
	adapter Adapter
	appsMu  sync.Mutex
	apps    map[string]bool
	graves  map[string]time.Time // destroyed apps, and when

	watchMu  sync.Mutex
	watchers map[string]map[chan struct{}]bool // by app
	watching int

	lines   prometheus.Counter
	bytes   prometheus.Counter
	odd     prometheus.Counter
	dropped *prometheus.CounterVec
	follows prometheus.Gauge
}

// New makes a Store without an adapter, that keeps lines of at most maxApps
// names.
func New(maxApps int, log *slog.Logger, metrics prometheus.Registerer) *Store {
	s := &Store{
		log: log, maxApps: maxApps, now: time.Now, noise: rate.NewLimiter(unparsedRate, unparsedRate), errs: rate.NewLimiter(0.1, 1),
		apps: map[string]bool{}, graves: map[string]time.Time{}, watchers: map[string]map[chan struct{}]bool{},
		lines: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logger_lines_total", Help: "Lines stored."}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logger_stored_bytes_total", Help: "Bytes of lines stored."}),
		odd: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deis_logger_unparsed_total", Help: "Messages that could not be read."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deis_logger_dropped_lines_total", Help: "Lines not stored, by reason."}, []string{"reason"}),
		follows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deis_logger_followers", Help: "Readers that follow an app's lines."}),
	}
	metrics.MustRegister(s.lines, s.bytes, s.odd, s.dropped, s.follows)
	return s
}

// Use changes the adapter. Lines in the one before are not carried over.
func (s *Store) Use(a Adapter) {
	s.mu.Lock()
	old := s.adapter
	s.adapter = a
	s.apps = map[string]bool{}
	for _, app := range a.Apps() {
		s.apps[app] = true
	}
	s.mu.Unlock()
	s.wake("")
	if old != nil {
		if err := old.Close(); err != nil {
			s.log.Warn("storage adapter not closed", "err", err)
		}
	}
}

// Close lets go of the adapter.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.adapter != nil {
		_ = s.adapter.Close() // nothing is buffered
		s.adapter = nil
	}
}

// Healthy says whether there is an adapter.
func (s *Store) Healthy(context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.adapter == nil {
		return ErrAdapter
	}
	return nil
}

// Store keeps a batch of messages. It never fails: what cannot be kept is
// counted.
func (s *Store) Store(batch []syslog.Message) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	byApp := make(map[string][]string, 4)
	for _, m := range batch {
		if m.Time.IsZero() {
			m.Time = s.now()
		}
		if !ValidApp(m.App) {
			s.dropped.WithLabelValues("name").Inc()
			continue
		}
		if reason := s.refuse(m); reason != "" {
			s.dropped.WithLabelValues(reason).Inc()
			continue
		}
		if m.Process == "" {
			m.Process = "1"
		}
		m.Text = oneLine(m.Text)
		byApp[m.App] = append(byApp[m.App], m.Legacy())
	}
	for app, lines := range byApp {
		s.append(app, lines)
	}
}

func (s *Store) append(app string, lines []string) {
	if s.adapter == nil {
		s.dropped.WithLabelValues("adapter").Add(float64(len(lines)))
		return
	}
	if err := s.adapter.Append(app, lines); err != nil {
		s.dropped.WithLabelValues("storage").Add(float64(len(lines)))
		if s.errs.Allow() {
			s.log.Error("lines not stored", "app", app, "err", err)
		}
		return
	}
	n := 0
	for _, l := range lines {
		n += len(l) + 1
	}
	s.wake(app)
	s.lines.Add(float64(len(lines)))
	s.bytes.Add(float64(n))
}

// refuse names the reason why m is not stored, if there is one.
func (s *Store) refuse(m syslog.Message) string {
	s.appsMu.Lock()
	defer s.appsMu.Unlock()
	if destroyed, ok := s.graves[m.App]; ok {
		if !m.Time.After(destroyed) {
			return "destroyed"
		}
		if s.now().Sub(destroyed) > graveTime {
			delete(s.graves, m.App)
		}
	}
	if !s.apps[m.App] {
		if len(s.apps) >= s.maxApps {
			return "apps"
		}
		s.apps[m.App] = true
	}
	return ""
}

// Unparsed keeps what could not be read, up to a bound.
func (s *Store) Unparsed(raw []byte) {
	s.odd.Inc()
	if !s.noise.Allow() {
		s.dropped.WithLabelValues("unparsed").Inc()
		return
	}
	s.Store([]syslog.Message{{Time: s.now(), App: Unparsed, Process: "1", Text: strings.ToValidUTF8(string(raw[:min(len(raw), unparsedBytes)]), "?")}})
}

// current is the adapter of now.
func (s *Store) current() (Adapter, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.adapter == nil {
		return nil, ErrAdapter
	}
	return s.adapter, nil
}

// Tail writes an app's newest n lines to w, and nothing if there are none.
func (s *Store) Tail(app string, n int, w io.Writer) error {
	adapter, err := s.current()
	if err != nil {
		return err
	}
	if err := adapter.Tail(app, n, w); !errors.Is(err, ErrUnknown) {
		return err
	}
	return nil
}

// Destroy forgets an app. Lines from before that are still under way are not
// stored when they come; those of a new app of the name are.
func (s *Store) Destroy(app string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.adapter == nil {
		return ErrAdapter
	}
	if err := s.adapter.Destroy(app); err != nil {
		return err
	}
	s.wake(app)
	s.appsMu.Lock()
	defer s.appsMu.Unlock()
	delete(s.apps, app)
	now := s.now()
	if len(s.graves) >= graveLimit {
		for a, destroyed := range s.graves {
			if now.Sub(destroyed) > graveTime || len(s.graves) >= graveLimit {
				delete(s.graves, a)
			}
		}
	}
	s.graves[app] = now
	return nil
}

var breaks = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// oneLine keeps a message from looking like several.
func oneLine(text string) string {
	if strings.ContainsAny(text, "\r\n") {
		return breaks.Replace(text)
	}
	return text
}
