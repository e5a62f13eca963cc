package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{3}, 0.25, 3},
		{[]float64{9, 1, 5}, 0.5, 5},
		{[]float64{1, 2, 3, 4}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5}, 0.75, 4},
		{[]float64{1, 2}, 1, 2},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

// TestVerdict: the median round decides, against the limit of the same round.
func TestVerdict(t *testing.T) {
	seconds := func(v ...float64) Series { return NewSeries(Seconds, v) }
	for name, c := range map[string]struct {
		line  Line
		met   bool
		ratio float64
	}{
		"twice, within the seconds":   {pushBar.against("", seconds(1, 1, 1), seconds(1.9, 2, 9)), true, 2},
		"twice, past the seconds":     {pushBar.against("", seconds(4, 4, 4), seconds(5.6, 5.6, 5.6)), false, 1.4},
		"a slow round slows both":     {configBar.against("", seconds(1, 10, 1), seconds(1.5, 12, 1.5)), true, 1.5},
		"at least, met":               {throughputBar.against("", NewSeries(PerSecond, []float64{100}), NewSeries(PerSecond, []float64{90})), true, 0.9},
		"at least, missed":            {throughputBar.against("", NewSeries(PerSecond, []float64{100}), NewSeries(PerSecond, []float64{89})), false, 0.89},
		"alone, met":                  {routedBar.alone(seconds(0.02, 0.03, 0.2)), true, 0},
		"alone, missed":               {imagesBar.alone(seconds(5.1)), false, 0},
		"nothing measured is not met": {imagesBar.alone(Series{}), false, 0},
	} {
		if c.line.Met != c.met || c.line.Ratio != c.ratio {
			t.Errorf("%s: met %v ratio %v, want %v %v", name, c.line.Met, c.line.Ratio, c.met, c.ratio)
		}
	}
}

func TestMerge(t *testing.T) {
	old := []Line{{Row: "push", What: "old"}, {Row: "scale", What: "kept"}, {Row: "gone"}}
	now := []Line{{Row: "idle", What: "memory"}, {Row: "idle", What: "processor"}, {Row: "push", What: "new"}}
	var got []string
	for _, l := range merge(old, now) {
		got = append(got, l.Row+" "+l.What)
	}
	if want := "push new, scale kept, idle memory, idle processor"; strings.Join(got, ", ") != want {
		t.Errorf("merged %q, want %q", got, want)
	}
}

func TestParseWrk(t *testing.T) {
	text, err := os.ReadFile("testdata/wrk.txt")
	if err != nil {
		t.Fatal(err)
	}
	rate, p99, err := parseWrk(string(text))
	if err != nil || rate != 19423.54 || p99 != 0.01205 {
		t.Errorf("got %v %v %v", rate, p99, err)
	}
	for _, bad := range []string{"", string(text) + "  Non-2xx or 3xx responses: 12\n", string(text) + "  Socket errors: connect 0, read 3, write 0, timeout 0\n"} {
		if _, _, err := parseWrk(bad); err == nil {
			t.Errorf("no error from %q", bad)
		}
	}
}

func TestParsePgbench(t *testing.T) {
	text, err := os.ReadFile("testdata/pgbench.txt")
	if err != nil {
		t.Fatal(err)
	}
	rate, err := parsePgbench(string(text))
	if err != nil || rate != 2503.575222 {
		t.Errorf("got %v %v", rate, err)
	}
	failed := strings.Replace(string(text), "transactions: 0 ", "transactions: 3 ", 1)
	for _, bad := range []string{"", failed, "tps = 2503.5 (without initial connection time)\n"} {
		if _, err := parsePgbench(bad); err == nil {
			t.Errorf("no error from %q", bad)
		}
	}
}

func TestCountStatements(t *testing.T) {
	text, err := os.ReadFile("testdata/statements.txt")
	if err != nil {
		t.Fatal(err)
	}
	if n := countStatements(string(text)); n != 3 {
		t.Errorf("counted %d", n)
	}
}

// TestWrite keeps lines and reads them again, the results of the newest day.
func TestWrite(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if lines, err := latest(root); err != nil || lines != nil {
		t.Fatalf("before the first: %v %v", lines, err)
	}
	day := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	run := Run{Commit: "abc1234", Cores: 2, Kernel: "6.1", At: day}
	l := configBar.against("docker run", NewSeries(Seconds, []float64{1, 2, 3}), NewSeries(Seconds, []float64{2, 3, 4}))
	l.Row, l.Run, l.Note = "config", run, "a note"
	failed := imagesBar.failed(os.ErrDeadlineExceeded)
	failed.Row, failed.Run = "images", run
	for i := range 2 {
		if err := write(root, day.AddDate(0, 0, i), []Line{l, failed}[:2-i]); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := latest(root)
	if err != nil || len(lines) != 1 || lines[0].String() != l.String() {
		t.Fatalf("read again: %v %v", lines, err)
	}
	if err := write(root, day, []Line{l, failed}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `config:set` → 200 from the new release | docker run: 2.00 s (1.50 s – 2.50 s) | 3.00 s (2.50 s – 3.50 s) | 1.50 | ≤ 1.25× + 0.5 s | yes |",
		"| `make images`, nothing changed | – | – | – | ≤ 5 s | failed |",
		"3 rounds, commit abc1234, 2 cores, Linux 6.1; a note.",
		"failed: i/o timeout.",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose([]string{"idle", "push"}); err != nil || len(got) != 2 || got[0].name != "idle" {
		t.Errorf("got %v %v", got, err)
	}
	if _, err := choose([]string{"speed"}); err == nil || !strings.Contains(err.Error(), "push config scale") {
		t.Errorf("an unknown row: %v", err)
	}
}
