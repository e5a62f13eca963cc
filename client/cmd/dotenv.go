package cmd

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	dotenv    = ".env"  // the file that config:pull writes and config:push reads
	maxDotenv = 4 << 20 // as much as a config may have
)

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

// readDotenv reads the variables of a file.
func readDotenv(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := dotenvText(file)
	if err != nil {
		return nil, err
	}
	return parseDotenv(path, text)
}

// dotenvText reads as much as parseDotenv needs to see.
func dotenvText(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxDotenv+1))
	return string(b), err
}

var dotenvKey = regexp.MustCompile(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=`)

// parseDotenv reads the text of a .env file, called name: a KEY=value a line,
// maybe behind `export`. Empty lines and comments are left out. A value is
// taken as it stands, up to the end of its line, as Deis v1 took it; one that
// begins with a quote ends with that quote, maybe some lines on: between '...'
// all is literal, between "..." a backslash escapes. Complaints tell lines by
// their number only: what they hold may be secret.
func parseDotenv(name, text string) (map[string]string, error) {
	switch {
	case len(text) > maxDotenv:
		return nil, sentence(fmt.Sprintf("%s is larger than a config may be, %d MiB", name, maxDotenv>>20))
	case !utf8.ValidString(text) || strings.Contains(text, "\x00"):
		return nil, sentence(name + " is not text")
	}
	vars := map[string]string{}
	var complaints []string
	rest := strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	for n := 1; rest != ""; {
		complain := func(what string) { complaints = append(complaints, fmt.Sprintf("%s, line %d: %s", name, n, what)) }
		line, after, _ := strings.Cut(rest, "\n")
		rest = strings.TrimLeft(rest, " \t")
		key := dotenvKey.FindStringSubmatch(rest)
		switch text := strings.TrimSpace(line); {
		case text == "" || text[0] == '#':
		case key == nil:
			complain("not KEY=value")
		default:
			rest = rest[len(key[0]):]
			value, behind, quoted, closed := cutQuoted(rest)
			switch {
			case !quoted:
				line, _, _ = strings.Cut(rest, "\n")
				vars[key[1]] = strings.TrimRight(line, "\r")
			case !closed:
				complain("the quote is not closed")
				return nil, invalid(complaints) // where the next variable begins is not known
			default:
				n += strings.Count(rest[:len(rest)-len(behind)], "\n")
				line, after, _ = strings.Cut(behind, "\n")
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					complain("there is text behind the closing quote")
				}
				vars[key[1]] = value
			}
		}
		rest = after
		n++
	}
	return vars, invalid(complaints)
}

// unescaped is what stands for a character behind a backslash between double
// quotes. Before any other character the backslash is itself.
var unescaped = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '$': '$', '`': '`'}

// cutQuoted takes a quoted value off the front of text.
func cutQuoted(text string) (value, behind string, quoted, closed bool) {
	if text == "" || text[0] != '\'' && text[0] != '"' {
		return "", text, false, false
	}
	quote, text := text[0], text[1:]
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == quote {
			return b.String(), text[i+1:], true, true
		}
		if c == '\\' && quote == '"' && i+1 < len(text) {
			if real, ok := unescaped[text[i+1]]; ok {
				c = real
				i++
			}
		}
		b.WriteByte(c)
	}
	return "", "", true, false
}

// formatDotenv is the variables as parseDotenv reads them, sorted.
func formatDotenv(vars map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&b, "%s=%s\n", key, quoted(vars[key]))
	}
	return b.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`, `$`, `\$`, "`", "\\`")

// quoted is a value between quotes, or as it is if it needs none.
func quoted(value string) string {
	switch {
	case value != "" && strings.TrimSpace(value) == value && !strings.ContainsAny(value, "\r\n") && value[0] != '\'' && value[0] != '"':
		return value
	case !strings.ContainsAny(value, "'\r"):
		return "'" + value + "'"
	}
	return `"` + escapes.Replace(value) + `"`
}

// writeDotenv replaces the file by the variables, for the user's eyes only.
func writeDotenv(path string, vars map[string]string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays a link
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".env-*") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(formatDotenv(vars))
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
