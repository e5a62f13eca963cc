package pump

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deis/deis/internal/syslog"
)

// Names of streams. What a terminal prints is one stream.
const (
	stdout = "stdout"
	stderr = "stderr"
)

// record is one line of a container, whole.
type record struct {
	time   time.Time // when the Engine got its beginning
	stream string
	text   string
}

const (
	headerSize = 8
	frameLimit = 1 << 20 // of a frame that is kept; the rest is skipped
	mark       = "..."   // ends a text that was cut
)

var errStream = errors.New("the Engine's log stream cannot be understood")

// readLog reads a container's log, whether it has a terminal or not, which its
// first byte tells: that of a frame is the number of its stream, that of a
// terminal's line the first digit of its time. emit gets whole lines; rest is
// what the stream ended in the middle of.
func readLog(r io.Reader, emit func(record) error) (rest []record, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	first, err := in.Peek(1)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case first[0] >= '0' && first[0] <= '9':
		return readTerminal(in, emit)
	}
	return readFrames(in, emit)
}

// readFrames reads the log of a container without a terminal: frames of a
// header (stream, three zeros, length) and one record of the Engine each,
// which is a line, or 16 KiB of one.
func readFrames(in *bufio.Reader, emit func(record) error) (rest []record, err error) {
	open := map[string]*fragment{stdout: {}, stderr: {}}
	defer func() {
		for _, name := range []string{stdout, stderr} {
			if f := open[name]; f.begun {
				rest = append(rest, f.record(name))
			}
		}
	}()
	var header [headerSize]byte
	for {
		if _, err := io.ReadFull(in, header[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, nil
			}
			return nil, err
		}
		var name string
		switch header[0] {
		case 0, 1:
			name = stdout
		case 2:
			name = stderr
		default:
			return nil, fmt.Errorf("%w: stream %d", errStream, header[0])
		}
		size := int(binary.BigEndian.Uint32(header[4:]))
		frame := make([]byte, min(size, frameLimit))
		if _, err := io.ReadFull(in, frame); err != nil {
			return nil, err
		}
		if skip := size - len(frame); skip > 0 {
			if _, err := in.Discard(skip); err != nil {
				return nil, err
			}
		}
		f := open[name]
		whole, err := f.add(frame)
		if err != nil {
			return nil, err
		}
		if !whole && size <= frameLimit {
			continue
		}
		if err := emit(f.record(name)); err != nil {
			return nil, err
		}
		*f = fragment{}
	}
}

// readTerminal reads the log of a container with a terminal, which has no
// frames: each record has its time in front, also those in the middle of a
// line, where it is the same as at the line's beginning.
func readTerminal(in *bufio.Reader, emit func(record) error) (rest []record, err error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if room := frameLimit - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(line) > 0 {
			var f fragment
			if stamp, _, ok := bytes.Cut(line, []byte(" ")); ok {
				again := append(bytes.Clone(stamp), ' ')
				line = append(again, bytes.ReplaceAll(line, again, nil)...)
			}
			whole, bad := f.add(line)
			if bad != nil {
				return nil, bad
			}
			if !whole && errors.Is(err, io.EOF) {
				return []record{f.record(stdout)}, nil
			}
			if err := emit(f.record(stdout)); err != nil {
				return nil, err
			}
			line = line[:0]
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// fragment is a line as far as it has come.
type fragment struct {
	begun bool
	time  time.Time
	text  []byte
	cut   bool
}

// add takes a record of the Engine, `<time> <text>`, and says whether it ends
// the line.
func (f *fragment) add(b []byte) (whole bool, err error) {
	stamp, text, ok := bytes.Cut(b, []byte(" "))
	if !ok { // an empty line may come without the space
		stamp, text = bytes.TrimRight(b, "\n"), []byte("\n")
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return false, fmt.Errorf("%w: no time before a record", errStream)
	}
	if !f.begun {
		f.begun, f.time = true, at.UTC()
	}
	text, whole = bytes.CutSuffix(text, []byte("\n"))
	if room := syslog.MaxText - len(f.text); len(text) > room {
		text, f.cut = text[:room], true
	}
	f.text = append(f.text, text...)
	return whole, nil
}

func (f *fragment) record(stream string) record {
	text := string(f.text)
	if f.cut {
		text = text[:syslog.MaxText-len(mark)]
		for i := 0; i < utf8.UTFMax && len(text) > 0 && !utf8.ValidString(text[max(0, len(text)-utf8.UTFMax):]); i++ {
			text = text[:len(text)-1]
		}
		text += mark
	}
	return record{time: f.time, stream: stream, text: strings.TrimRight(text, "\r")}
}
