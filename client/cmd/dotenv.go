package cmd

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// dotenv is the file that config:pull writes and config:push reads.
const dotenv = ".env"

var configPattern = regexp.MustCompile(`(?s)^([A-Za-z_][A-Za-z0-9_]*)=(.+)$`)

// parseVars reads KEY=value pairs. Of two the last counts.
func parseVars(pairs []string) (map[string]string, error) {
	vars := map[string]string{}
	var complaints []string
	for _, pair := range pairs {
		m := configPattern.FindStringSubmatch(pair)
		if m == nil {
			complaints = append(complaints, fmt.Sprintf("'%s' does not match the pattern 'key=var', ex: MODE=test", pair))
			continue
		}
		vars[m[1]] = m[2]
	}
	return vars, invalid(complaints)
}

// readDotenv reads the pairs of a file, a line each. Empty lines and comments
// are left out; the last line needs no line break.
func readDotenv(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var pairs []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "#") {
			pairs = append(pairs, line)
		}
	}
	return pairs, nil
}

// writeDotenv replaces the file by the variables, sorted, for the user's eyes
// only.
func writeDotenv(path string, vars map[string]string) error {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&b, "%s=%s\n", key, vars[key])
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays a link
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".env-*") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(b.String())
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
