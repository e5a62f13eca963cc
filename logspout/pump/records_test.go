package pump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/deis/deis/internal/syslog"
)

const layout = "2006-01-02T15:04:05.000000000Z07:00"

var start = time.Date(2026, 1, 2, 3, 4, 5, 100, time.UTC)

func at(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

// frame is a record as the Engine sends it.
func frame(stream byte, n int, text string) string {
	payload := at(n).Format(layout) + " " + text
	var header [8]byte
	header[0] = stream
	binary.BigEndian.PutUint32(header[4:], uint32(len(payload)))
	return string(header[:]) + payload
}

func collect(t *testing.T, in string) (got, rest []record, err error) {
	t.Helper()
	// A byte at a time: nothing may depend on how the connection splits it.
	rest, err = readLog(iotest.OneByteReader(strings.NewReader(in)), func(r record) error {
		got = append(got, r)
		return nil
	})
	return got, rest, err
}

func TestReadFrames(t *testing.T) {
	big := strings.Repeat("x", 16<<10)
	in := frame(1, 1, "one\n") + frame(2, 2, "err\r\n") +
		frame(1, 3, big) + frame(2, 4, "between\n") + frame(1, 3, big) + frame(1, 3, "end\n") +
		frame(1, 5, "\n") + frame(1, 6, "bin\x00\xff\n") + frame(0, 7, "zero\n") +
		frame(1, 8, "no line ") + frame(1, 8, "break") + frame(2, 9, "nor here")
	got, rest, err := collect(t, in)
	if err != nil {
		t.Fatal(err)
	}
	want := []record{
		{at(1), stdout, "one"}, {at(2), stderr, "err"}, {at(4), stderr, "between"}, {at(3), stdout, big + big + "end"},
		{at(5), stdout, ""}, {at(6), stdout, "bin\x00\xff"}, {at(7), stdout, "zero"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%.300v", got)
	}
	if want := []record{{at(8), stdout, "no line break"}, {at(9), stderr, "nor here"}}; !reflect.DeepEqual(rest, want) {
		t.Errorf("rest: %v", rest)
	}
}

func TestReadFramesCutsLongLines(t *testing.T) {
	var in strings.Builder
	for range 64 {
		in.WriteString(frame(1, 1, strings.Repeat("é", 8<<10)))
	}
	in.WriteString(frame(1, 1, "end\n") + frame(1, 2, "next\n"))
	got, _, err := collect(t, in.String())
	if err != nil || len(got) != 2 {
		t.Fatalf("%d lines, %v", len(got), err)
	}
	if l := got[0].text; len(l) > syslog.MaxText || len(l) < syslog.MaxText-10 || !strings.HasSuffix(l, "é...") || !utf8.ValidString(l) {
		t.Errorf("%d bytes, ending in %q", len(l), l[len(l)-10:])
	}
	if got[1].text != "next" {
		t.Errorf("%q", got[1].text)
	}
}

func TestReadFramesRefuses(t *testing.T) {
	for what, in := range map[string]string{
		"a stream that does not exist": "\x07\x00\x00\x00\x00\x00\x00\x01x",
		"no time":                      "\x01\x00\x00\x00\x00\x00\x00\x06hello\n",
		"half a header":                "\x01\x00",
		"half a frame":                 frame(1, 1, "hello\n")[:20],
	} {
		if got, _, err := collect(t, in); err == nil {
			t.Errorf("%s: %v", what, got)
		}
	}
	stop := errors.New("stop")
	if _, err := readLog(strings.NewReader(frame(1, 1, "x\n")), func(record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestReadTerminal(t *testing.T) {
	stamp := func(n int) string { return at(n).Format(layout) + " " }
	big := strings.Repeat("x", 16<<10)
	in := stamp(1) + "one\r\n" + stamp(2) + big + stamp(2) + big + stamp(2) + "end\r\n" + stamp(3) + "\r\n" + stamp(4) + "$ "
	got, rest, err := collect(t, in)
	want := []record{{at(1), stdout, "one"}, {at(2), stdout, big + big + "end"}, {at(3), stdout, ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%.300v, %v", got, err)
	}
	if !reflect.DeepEqual(rest, []record{{at(4), stdout, "$ "}}) {
		t.Errorf("rest: %v", rest)
	}
	long := stamp(1) + strings.Repeat("y", 3<<20) + "\n" + stamp(2) + "next\n"
	if got, _, err := collect(t, long); err != nil || len(got) != 2 || len(got[0].text) != syslog.MaxText || got[1].text != "next" {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte(frame(1, 1, "one\n") + frame(2, 2, "two")))
	f.Add([]byte("2026-01-02T03:04:05.000000000Z text\r\n"))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = readLog(bytes.NewReader(in), func(r record) error {
			if len(r.text) > syslog.MaxText {
				t.Errorf("%d bytes", len(r.text))
			}
			return nil
		})
	})
}
