package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Run is what a measurement was made on.
type Run struct {
	Commit string    `json:"commit"` // with a + when the tree had changes
	Cores  int       `json:"cores"`
	Kernel string    `json:"kernel"`
	At     time.Time `json:"at"`
}

const (
	resultsDir = "bench/results"
	page       = "docs/performance.md"
)

// thisRun describes the machine and the tree in root.
func thisRun(ctx context.Context, root string) (Run, error) {
	out := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = root
		b, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	commit, err1 := out("git", "rev-parse", "--short", "HEAD")
	changes, err2 := out("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!"+resultsDir, ":!"+page)
	kernel, err3 := out("uname", "-r")
	if changes != "" {
		commit += "+"
	}
	return Run{Commit: commit, Cores: runtime.NumCPU(), Kernel: kernel, At: time.Now().UTC().Truncate(time.Second)}, errors.Join(err1, err2, err3)
}

// latest reads the newest results, those of the day included.
func latest(root string) ([]Line, error) {
	files, err := filepath.Glob(filepath.Join(root, resultsDir, "[0-9]*.json"))
	if err != nil || len(files) == 0 {
		return nil, err
	}
	b, err := os.ReadFile(slices.Max(files))
	if err != nil {
		return nil, err
	}
	var lines []Line
	if err := json.Unmarshal(b, &lines); err != nil {
		return nil, fmt.Errorf("%s: %w", slices.Max(files), err)
	}
	return lines, nil
}

// merge puts the lines of the rows that were measured now in the place of the
// older ones, in the order of the table; lines of rows that are no more go.
func merge(old, now []Line) []Line {
	var merged []Line
	for _, r := range rows {
		from := old
		if slices.ContainsFunc(now, func(l Line) bool { return l.Row == r.name }) {
			from = now
		}
		for _, l := range from {
			if l.Row == r.name {
				merged = append(merged, l)
			}
		}
	}
	return merged
}

// write keeps lines as the results of the day and as the page.
func write(root string, day time.Time, lines []Line) error {
	b, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(root, resultsDir, day.Format(time.DateOnly)+".json")
	return errors.Join(
		os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, append(b, '\n'), 0o644),
		os.WriteFile(filepath.Join(root, page), render(day, lines), 0o644))
}

// render writes the page.
func render(day time.Time, lines []Line) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Performance\n\nWritten by `make bench` on %s; `go run ./bench push router` measures two rows anew. All values are in `%s/%s.json`.\n\n",
		day.Format(time.DateOnly), resultsDir, day.Format(time.DateOnly))
	b.WriteString("*Limit* is the least that the same work costs on the same machine without the platform, measured in the same run, the two taking turns. " +
		"Values are medians with their quartiles; the ratio is the median of the rounds' ratios, and the bar is held to the median of the rounds.\n\n")
	b.WriteString("| what | limit | ours | ratio | bar | met? |\n|---|---|---|---|---|---|\n")
	for _, l := range lines {
		limit, ratio, ours := "–", "–", "–"
		if l.Limit != nil {
			limit, ratio = fmt.Sprintf("%s: %s", l.LimitIs, l.Limit), fmt.Sprintf("%.2f", l.Ratio)
		}
		if l.Ours != nil {
			ours = l.Ours.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.What, limit, ours, ratio, l.Bar, l.verdict())
	}
	b.WriteString("\n## How each line was measured\n\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "- **%s**: %s\n", l.What, l.footnote())
	}
	return b.Bytes()
}

// footnote tells rounds, machine and what else is to be known of a line.
func (l Line) footnote() string {
	var said []string
	if l.Ours != nil {
		said = append(said, plural(len(l.Ours.Values), "round"))
	}
	if l.Run.Commit != "" {
		said = append(said, "commit "+l.Run.Commit, plural(l.Run.Cores, "core"), "Linux "+l.Run.Kernel)
	}
	s := strings.Join(said, ", ")
	if l.Note != "" {
		s += "; " + l.Note
	}
	if l.Err != "" {
		first, _, _ := strings.Cut(l.Err, "\n")
		s += "; failed: " + first
	}
	return strings.TrimPrefix(s, "; ") + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
