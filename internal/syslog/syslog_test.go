package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

var sample = Message{
	Time: time.Date(2015, 5, 7, 1, 13, 53, 123456000, time.UTC), Host: "10.0.0.1", App: "demo", Process: "web.1",
	Release: "v3", Container: "0123456789ab", Stream: "stderr", Seq: 7, Text: `listening on "port" [5000] \o/ äöü`,
}

func TestRFC5424RoundTrip(t *testing.T) {
	var b bytes.Buffer
	second := Message{Time: sample.Time, App: "deis-router", Process: "1", Stream: "stdout"}
	for _, m := range []Message{sample, second} {
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReader(&b)
	for _, want := range []Message{sample, second} {
		frame, err := ReadFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(frame); err != nil || got != want {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	if _, err := ReadFrame(r); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestGolden(t *testing.T) {
	const want = `<131>1 2015-05-07T01:13:53.123456Z 10.0.0.1 demo web.1 - [deis@32473 release="v3" container="0123456789ab" stream="stderr" seq="7"] listening on "port" [5000] \o/ äöü`
	if got := string(sample.AppendRFC5424(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := sample.Legacy(); got != `2015-05-07T01:13:53UTC demo[web.1]: listening on "port" [5000] \o/ äöü` {
		t.Error(got)
	}
}

func TestLegacyRoundTrip(t *testing.T) {
	got, err := Parse([]byte("2015-05-07T01:13:53UTC connect-dev[web.1]: forged other[x]: text\n"))
	if err != nil || got.App != "connect-dev" || got.Process != "web.1" || got.Text != "forged other[x]: text" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Parse([]byte("2015-05-07T01:13:53UTC a[b]: ")); err != nil || got.Text != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "garbage", "2015 a[b]: c", "2015-05-07T01:13:53UTC ab: c", "2015-05-07T01:13:53UTC [b]: c", "2015-05-07T01:13:53UTC ../x[b]: c", "<x>1 - - a b - - t", "<1>2 - - a b - - t", "<13>1 - - a b - [x", "<13>1 - h - - - -"} {
		if m, err := Parse([]byte(s)); err == nil {
			t.Errorf("Parse(%q) = %+v", s, m)
		}
	}
}

func TestReadFrameTellsFormsApart(t *testing.T) {
	in := "2015-05-07T01:13:53UTC a[b]: one\n<13>1 - - a b - - two\n21 <13>1 - - a b - - 3\n\n2015-05-07T01:13:53UTC a[b]: end"
	r := bufio.NewReader(strings.NewReader(in))
	var got []string
	for {
		f, err := ReadFrame(r)
		if err != nil {
			break
		}
		if m, err := Parse(f); err == nil {
			got = append(got, m.Text)
		}
	}
	if strings.Join(got, ",") != "one,two,3,end" {
		t.Error(got)
	}
}

func TestReadFrameBounds(t *testing.T) {
	if _, err := ReadFrame(bufio.NewReader(strings.NewReader("999999 x"))); !errors.Is(err, ErrFrame) {
		t.Error(err)
	}
	long := "2015-05-07T01:13:53UTC a[b]: " + strings.Repeat("ä", MaxText) + "\nnext"
	r := bufio.NewReader(strings.NewReader(long))
	f, err := ReadFrame(r)
	if err != nil || len(f) > MaxFrame {
		t.Fatal(len(f), err)
	}
	m, err := Parse(f)
	if err != nil || len(m.Text) > MaxText || !strings.HasSuffix(m.Text, "ä...") {
		t.Fatal(len(m.Text), err)
	}
	if f, err := ReadFrame(r); err != nil || string(f) != "next" {
		t.Fatal(string(f), err)
	}
}

func TestEventRoundTrip(t *testing.T) {
	level, app, msg, ok := ParseEvent(Event("INFO", "demo", "bob deployed\nabc"))
	if !ok || level != "INFO" || app != "demo" || msg != "bob deployed abc" {
		t.Error(level, app, msg, ok)
	}
	if _, _, _, ok := ParseEvent("INFO demo: x"); ok {
		t.Error("accepted a line without brackets")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample.AppendRFC5424(nil))
	f.Add([]byte(sample.Legacy()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		if m.App == "" || strings.ContainsAny(m.App, "/ []") || len(m.Text) > MaxText {
			t.Errorf("%q: %+v", b, m)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("5 <1>1 2015-05-07 a\n7 x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 64)
		for range len(b) + 1 {
			frame, err := ReadFrame(r)
			if err != nil {
				return
			}
			if len(frame) > MaxFrame {
				t.Fatal(len(frame))
			}
		}
	})
}
