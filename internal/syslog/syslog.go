// Package syslog is the line format between logspout, logger and drains: RFC
// 5424 with octet counting (RFC 6587 section 3.4.1) between our own parts, and
// the line of Deis v1, `<time> <app>[<process>]: <text>`, for older ones. It
// also holds the form in which controller and builder print lines of an app's
// log (Event).
package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a message.
const (
	MaxText  = 64 << 10       // bytes of Text; longer is cut
	MaxFrame = MaxText + 4096 // bytes of a whole message
)

// LegacyTime is the time of Deis v1's line, in UTC.
const LegacyTime = "2006-01-02T15:04:05MST"

// sdID marks our structured data; 32473 is the number that RFC 5612 keeps for
// documentation and private examples.
const sdID = "deis@32473"

// priority is local0.info for stdout; stderr is local0.err.
const (
	priorityOut = 16*8 + 6
	priorityErr = 16*8 + 3
)

// Message is one line of a container's output.
type Message struct {
	Time      time.Time
	Host      string // HOSTNAME; empty if unknown
	App       string // APP-NAME: the app, or a platform container's name
	Process   string // PROCID: web.1, deis-controller, or 1 for a platform container
	Release   string // v3; empty if none
	Container string // Docker's id, shortened
	Stream    string // stdout or stderr
	Seq       uint64 // counts the lines of a container, from 1
	Text      string // without line break
}

// Legacy is the line of Deis v1, without line break.
func (m Message) Legacy() string {
	return m.Time.UTC().Format(LegacyTime) + " " + m.App + "[" + m.Process + "]: " + m.Text
}

// AppendRFC5424 appends m in the form of RFC 5424 section 6, without framing.
func (m Message) AppendRFC5424(b []byte) []byte {
	priority := priorityOut
	if m.Stream == "stderr" {
		priority = priorityErr
	}
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(priority), 10)
	b = append(b, ">1 "...)
	b = m.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	for _, f := range []struct {
		text string
		max  int
	}{{m.Host, 255}, {m.App, 48 + 64}, {m.Process, 128}} {
		b = append(b, ' ')
		b = appendName(b, f.text, f.max)
	}
	b = append(b, " - "...)
	b = append(b, '[')
	b = append(b, sdID...)
	for _, p := range []struct{ name, value string }{
		{"release", m.Release}, {"container", m.Container}, {"stream", m.Stream}, {"seq", strconv.FormatUint(m.Seq, 10)},
	} {
		if p.value == "" || p.value == "0" {
			continue
		}
		b = append(b, ' ')
		b = append(b, p.name...)
		b = append(b, '=', '"')
		b = append(b, escape.Replace(p.value)...)
		b = append(b, '"')
	}
	b = append(b, ']')
	if m.Text != "" {
		b = append(b, ' ')
		b = append(b, cut(m.Text)...)
	}
	return b
}

// Write writes m to w with octet counting: its length in decimal, a space, and
// the message.
func (m Message) Write(w io.Writer) error {
	body := m.AppendRFC5424(make([]byte, 0, 256+len(m.Text)))
	frame := strconv.AppendInt(make([]byte, 0, len(body)+8), int64(len(body)), 10)
	frame = append(append(frame, ' '), body...)
	_, err := w.Write(frame)
	return err
}

// Parse reads a message in either form: RFC 5424 if it begins with '<', else
// the line of Deis v1. The app of a legacy line is what stands before the
// first bracket, never anything from the text.
func Parse(b []byte) (Message, error) {
	b = bytes.TrimRight(b, "\r\n")
	if len(b) > 0 && b[0] == '<' {
		return parseRFC5424(string(b))
	}
	return parseLegacy(string(b))
}

var errFormat = errors.New("neither RFC 5424 nor a line of Deis v1")

func parseLegacy(s string) (Message, error) {
	stamp, rest, ok := strings.Cut(s, " ")
	if !ok {
		return Message{}, errFormat
	}
	when, err := time.Parse(LegacyTime, stamp)
	if err != nil {
		return Message{}, fmt.Errorf("%w: %w", errFormat, err)
	}
	app, rest, ok := strings.Cut(rest, "[")
	if !ok || !validTag(app) {
		return Message{}, errFormat
	}
	process, text, ok := strings.Cut(rest, "]: ")
	if !ok {
		if process, ok = strings.CutSuffix(rest, "]:"); !ok {
			return Message{}, errFormat
		}
	}
	if !validTag(process) {
		return Message{}, errFormat
	}
	return Message{Time: when.UTC(), App: app, Process: process, Text: cut(text)}, nil
}

func parseRFC5424(s string) (Message, error) {
	head, rest, ok := strings.Cut(s, ">")
	if !ok {
		return Message{}, errFormat
	}
	priority, err := strconv.Atoi(head[1:])
	if err != nil || priority < 0 || priority > 191 {
		return Message{}, errFormat
	}
	fields := make([]string, 6) // VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID
	for i := range fields {
		if fields[i], rest, ok = strings.Cut(rest, " "); !ok {
			return Message{}, errFormat
		}
		if fields[i] == "-" {
			fields[i] = ""
		}
	}
	if fields[0] != "1" {
		return Message{}, errFormat
	}
	m := Message{Host: fields[2], App: fields[3], Process: fields[4]}
	if fields[1] != "" {
		if m.Time, err = time.Parse(time.RFC3339Nano, fields[1]); err != nil {
			return Message{}, fmt.Errorf("%w: %w", errFormat, err)
		}
		m.Time = m.Time.UTC()
	}
	if !validTag(m.App) {
		return Message{}, errFormat
	}
	if rest, err = m.parseData(rest); err != nil {
		return Message{}, err
	}
	m.Text = cut(strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff"))
	return m, nil
}

// parseData reads STRUCTURED-DATA from the front of s and returns the rest.
func (m *Message) parseData(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return rest, nil
	}
	for strings.HasPrefix(s, "[") {
		end := strings.IndexAny(s, " ]")
		if end < 0 {
			return "", errFormat
		}
		ours := s[1:end] == sdID
		s = s[end:]
		for strings.HasPrefix(s, " ") {
			name, rest, ok := strings.Cut(s[1:], `="`)
			if !ok {
				return "", errFormat
			}
			value, rest, ok := quoted(rest)
			if !ok {
				return "", errFormat
			}
			if ours {
				m.setData(name, value)
			}
			s = rest
		}
		var ok bool
		if s, ok = strings.CutPrefix(s, "]"); !ok {
			return "", errFormat
		}
	}
	return s, nil
}

func (m *Message) setData(name, value string) {
	switch name {
	case "release":
		m.Release = value
	case "container":
		m.Container = value
	case "stream":
		m.Stream = value
	case "seq":
		m.Seq, _ = strconv.ParseUint(value, 10, 64)
	}
}

// quoted reads a PARAM-VALUE up to its closing quote (RFC 5424 section 6.3.3).
func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`"\]`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case c == '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// ReadFrame reads the next message from a TCP connection, whatever its form:
// with octet counting, or one a line. It returns io.EOF at the end, and an
// error wrapping ErrFrame when the stream can no longer be understood.
func ReadFrame(r *bufio.Reader) ([]byte, error) {
	first, err := r.Peek(1)
	if err != nil {
		return nil, err
	}
	// A date of Deis v1's line begins with digits too, but a hyphen follows.
	if first[0] >= '1' && first[0] <= '9' {
		if n, ok := peekCount(r); ok {
			return readCounted(r, n)
		}
	}
	return readLine(r)
}

// ErrFrame says that a stream broke the framing.
var ErrFrame = errors.New("syslog framing")

// peekCount reads an octet count without consuming it.
func peekCount(r *bufio.Reader) (int, bool) {
	for n := 2; n <= 8; n++ {
		b, err := r.Peek(n)
		if err != nil {
			return 0, false
		}
		switch c := b[n-1]; {
		case c == ' ':
			count, err := strconv.Atoi(string(b[:n-1]))
			return count, err == nil
		case c < '0' || c > '9':
			return 0, false
		}
	}
	return 0, false
}

func readCounted(r *bufio.Reader, n int) ([]byte, error) {
	if n > MaxFrame {
		return nil, fmt.Errorf("%w: a message of %d bytes", ErrFrame, n)
	}
	if _, err := r.Discard(len(strconv.Itoa(n)) + 1); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return b, nil
}

// readLine reads up to a line break; what is longer than MaxFrame is cut.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if room := MaxFrame - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) == 0:
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `]`, `\]`)

// appendName appends a header field: printable ASCII, "-" if there is none.
func appendName(b []byte, s string, limit int) []byte {
	n := len(b)
	for i := 0; i < len(s) && len(b)-n < limit; i++ {
		if s[i] > 32 && s[i] < 127 {
			b = append(b, s[i])
		}
	}
	if len(b) == n {
		b = append(b, '-')
	}
	return b
}

func validTag(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= 32 || s[i] >= 127 || s[i] == '[' || s[i] == ']' || s[i] == '/' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// truncated ends a text that was cut.
const truncated = "..."

// cut bounds a text to MaxText bytes without breaking a character.
func cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	s = s[:MaxText-len(truncated)]
	for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if len(s) > 0 && s[len(s)-1] >= utf8.RuneSelf {
		s = s[:len(s)-1]
	}
	return s + truncated
}
