package pump

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openPositions(t *testing.T, path string) *Positions {
	t.Helper()
	p, err := OpenPositions(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.file.Close() })
	return p
}

func TestPositionsSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions")
	id, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	p := openPositions(t, path)
	p.Sent("unknown", at(1)) // not ours, or gone
	p.begin(id)
	p.begin(other)
	p.Sent(id, at(5))
	p.Sent(id, at(5))
	p.Sent(id, at(4)) // the streams of a container may be a little out of order
	p.Sent(other, at(7))
	// Not closed: as if killed.
	p = openPositions(t, path)
	if got := p.begin(id); got != (position{time: at(5), count: 2}) {
		t.Errorf("%+v", got)
	}
	p.end(other, position{time: at(7), count: 1}, true)
	p.end(id, position{time: at(6), count: 1}, true) // read, but not yet sent
	p = openPositions(t, path)
	if !p.done(other) || p.done(id) || p.done("unknown") {
		t.Error("what was wholly sent is not told from what was not")
	}
	if p.begin(other); p.done(other) {
		t.Error("done while it is read again")
	}
	p.forget(id)
	p.Sent(id, at(9))
	if p = openPositions(t, path); p.begin(id).count != 0 {
		t.Error("a container was not forgotten")
	}
}

func TestPositionsReuseSlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions")
	p := openPositions(t, path)
	for i := range 1000 {
		id := strings.Repeat("a", 60) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + "zz"
		p.begin(id)
		p.Sent(id, at(i))
		p.forget(id)
	}
	p.begin("kept")
	p.Sent("kept", at(1))
	p.begin("gone")
	p.keep(map[string]bool{"kept": true})
	info, err := os.Stat(path)
	if err != nil || info.Size() > 3*slotSize {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
	p = openPositions(t, path)
	if len(p.slots) != 1 || p.begin("kept").count != 1 {
		t.Errorf("%v", p.slots)
	}
}

func TestPositionsBeginAtWhatWasRead(t *testing.T) {
	p := openPositions(t, filepath.Join(t.TempDir(), "positions"))
	p.begin("id")
	p.Sent("id", at(1))
	read := position{time: at(3), count: 1}
	p.end("id", read, true) // two lines wait in the queue
	if got := p.begin("id"); got != read {
		t.Errorf("lines would be read twice: %+v", got)
	}
}

func TestPositionsIgnoreGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions")
	good := formatSlot("good", position{time: at(1), count: 3, done: true})
	if len(good) != slotSize {
		t.Fatalf("a slot has %d bytes", len(good))
	}
	if err := os.WriteFile(path, []byte("garbage\n"+good+strings.Repeat("x", slotSize-1)+"\n"+good[:50]), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := openPositions(t, path); len(p.slots) != 1 || !p.done("good") {
		t.Errorf("%v", p.slots)
	}
	if _, err := OpenPositions(filepath.Join(path, "x"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("opened in a folder that is a file")
	}
}
