package controller_test

import (
	"fmt"
	"regexp"
	"strings"
)

// A wire file holds exchanges with the API, replayed in order:
//
//	# a comment
//	@users root bob
//	== apps:create with an id [client.md 1.2:94; controller.md 1.7:85]
//	> POST /v1/apps/ as bob
//	>
//	> {"id":"demo"}
//	< 201 CREATED
//	< Content-Type: application/json
//	<
//	< {"uuid":"<uuid:app>","id":"demo"}
//
// A title begins with the commands that send the request, if any, and ends with
// the places in the specifications that say so. A request is "METHOD target",
// with "as NAME" if it comes with all that a client of this user sends, or the
// builder; other headers follow. In an answer all but the headers is given whole.
// <type> stands for whatever is written like that; <type:name> keeps it, and
// {name} is what was kept, in answers and requests. Lines that begin with @ are
// for the test (wire_test.go, arrange).
//
// An answer that lasts is followed by what is said then, up to an empty line:
//
//	<< a line of the answer's body, or a message
//	>> text {"command":"cat"}
//	@says demo hello
//	<<
//
// Of a WebSocket, messages are "text TEXT", "0 BYTES" of the channel 0, in which
// \n is a line feed, and "close CODE". << alone is the answer's end; without it
// the client leaves. >> alone is silence, for talk that begins with the test.
type wireFile struct {
	name  string
	steps []wireStep
}

// wireStep is an exchange, or what is to be arranged before the next.
type wireStep struct {
	line    int
	arrange []string // words of an @ line; nil: an exchange

	commands []string
	title    string
	cites    []cite
	request  message
	answer   message
	talk     []turn
}

// turn is a part of what is said while an answer lasts.
type turn struct {
	by   byte // > the client, < the controller, @ the test
	text string
}

// message is one side of an exchange.
type message struct {
	first   string // "POST /v1/apps/ as bob", "201 CREATED"
	headers [][2]string
	body    string
}

// cite is a place in a specification: a line of those of Deis v1, or a route of
// docs/api.md for what was not in it.
type cite struct{ file, section, line string }

var (
	titleForm   = regexp.MustCompile(`^== (.+) \[(.+)\]$`)
	citeForm    = regexp.MustCompile(`^(client|controller|builder)\.md ([0-9]+(?:\.[0-9]+)*):([0-9]+)$`)
	routeForm   = regexp.MustCompile(`^(api)\.md ([A-Z]+) (/.+)$`)
	commandForm = regexp.MustCompile(`^[a-z]+:[a-z]+$`)
	talkForm    = regexp.MustCompile(`^(?:>>|<<)`)
	headerForm  = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+): (.*)$`)
)

// parseWire reads a wire file.
func parseWire(name, text string) (wireFile, error) {
	f := wireFile{name: name}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		fail := func(format string, args ...any) (wireFile, error) {
			return wireFile{}, fmt.Errorf("%s:%d: %s", name, i+1, fmt.Sprintf(format, args...))
		}
		switch line := lines[i]; {
		case line == "", strings.HasPrefix(line, "#"):
			i++
		case strings.HasPrefix(line, "@"):
			f.steps = append(f.steps, wireStep{line: i + 1, arrange: strings.Fields(line[1:])})
			i++
		case strings.HasPrefix(line, "== "):
			s, err := parseTitle(line)
			if err != nil {
				return fail("%v", err)
			}
			s.line = i + 1
			i++
			for _, side := range []struct {
				mark string
				into *message
			}{{">", &s.request}, {"<", &s.answer}} {
				n := 0
				for i+n < len(lines) && strings.HasPrefix(lines[i+n], side.mark) && !strings.HasPrefix(lines[i+n], side.mark+side.mark) {
					n++
				}
				if *side.into, err = parseMessage(lines[i : i+n]); err != nil {
					return fail("%v", err)
				}
				i += n
			}
			if i < len(lines) && talkForm.MatchString(lines[i]) {
				for ; i < len(lines) && lines[i] != ""; i++ {
					t, err := parseTurn(lines[i])
					if err != nil {
						return fail("%v", err)
					}
					s.talk = append(s.talk, t)
				}
			}
			f.steps = append(f.steps, s)
		default:
			return fail("%q is nothing", line)
		}
	}
	return f, nil
}

func parseTitle(line string) (wireStep, error) {
	m := titleForm.FindStringSubmatch(line)
	if m == nil {
		return wireStep{}, fmt.Errorf("%q is no title with its places", line)
	}
	s := wireStep{title: m[1]}
	for _, word := range strings.Fields(m[1]) {
		if !commandForm.MatchString(word) {
			break
		}
		s.commands = append(s.commands, word)
	}
	for _, text := range strings.Split(m[2], "; ") {
		c := citeForm.FindStringSubmatch(text)
		if c == nil {
			c = routeForm.FindStringSubmatch(text)
		}
		if c == nil {
			return wireStep{}, fmt.Errorf("%q is no place in a specification", text)
		}
		s.cites = append(s.cites, cite{c[1], c[2], c[3]})
	}
	return s, nil
}

func parseMessage(lines []string) (message, error) {
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line[1:], " ")
	}
	if len(lines) == 0 || lines[0] == "" {
		return message{}, fmt.Errorf("a side of the exchange is missing")
	}
	m := message{first: lines[0]}
	for i, line := range lines[1:] {
		if line == "" {
			m.body = strings.Join(lines[i+2:], "\n")
			break
		}
		h := headerForm.FindStringSubmatch(line)
		if h == nil {
			return message{}, fmt.Errorf("%q is no header", line)
		}
		m.headers = append(m.headers, [2]string{h[1], h[2]})
	}
	return m, nil
}

func parseTurn(line string) (turn, error) {
	switch by, text, said := strings.Cut(line, " "); {
	case by == "<<" && (text != "" || !said):
		return turn{'<', text}, nil
	case by == ">>" && (text != "" || !said):
		return turn{'>', text}, nil
	case strings.HasPrefix(line, "@"):
		return turn{'@', line[1:]}, nil
	}
	return turn{}, fmt.Errorf("%q is said by nobody", line)
}

// placeholders are what <type> stands for.
var placeholders = map[string]string{
	"uuid":        `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`,
	"time":        `20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]UTC`,
	"iso":         `20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](?:\.[0-9]{1,6})?Z`,
	"token":       `[0-9a-f]{40}`,
	"int":         `(?:0|[1-9][0-9]*)`,
	"appid":       `[a-z]{3,}-[a-z]{3,}`,
	"fingerprint": `[0-9a-f]{2}(?::[0-9a-f]{2}){15}`,
	"digest":      `sha256:[0-9a-f]{64}`,
	"log":         `[0-9a-f]{16}`,
	"text":        `(?:[^"\\]|\\.)+`, // in a JSON text
}

var placeholderForm = regexp.MustCompile(`<([a-z]+)(?::([a-z]+))?>|\{([a-z]+)\}`)

// expected is a text of an answer as a pattern, and the names it keeps.
func expected(text string, kept map[string]string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A`)
	at := 0
	for _, m := range placeholderForm.FindAllStringSubmatchIndex(text, -1) {
		part := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return text[m[2*n]:m[2*n+1]]
		}
		kind, name, ref := part(1), part(2), part(3)
		form, ok := placeholders[kind]
		if kind != "" && !ok {
			if name != "" {
				return nil, fmt.Errorf("there is no type %s", kind)
			}
			continue // HTML
		}
		b.WriteString(regexp.QuoteMeta(text[at:m[0]]))
		at = m[1]
		switch value, known := kept[ref]; {
		case ref != "" && !known:
			return nil, fmt.Errorf("nothing was kept as %s", ref)
		case ref != "":
			b.WriteString(regexp.QuoteMeta(value))
		case name != "":
			fmt.Fprintf(&b, `(?P<%s>%s)`, name, form)
		default:
			b.WriteString(form)
		}
	}
	b.WriteString(regexp.QuoteMeta(text[at:]) + `\z`)
	return regexp.Compile(b.String())
}

// match compares a text of an answer with what is expected, and keeps what it
// says to keep.
func match(want, got string, kept map[string]string) error {
	re, err := expected(want, kept)
	if err != nil {
		return err
	}
	m := re.FindStringSubmatch(got)
	if m == nil {
		return fmt.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i, name := range re.SubexpNames() {
		if name != "" {
			kept[name] = m[i]
		}
	}
	return nil
}

var referenceForm = regexp.MustCompile(`\{[a-z]+\}`)

// fill puts what was kept into a text of a request.
func fill(text string, kept map[string]string) (string, error) {
	var missing error
	out := referenceForm.ReplaceAllStringFunc(text, func(found string) string {
		value, ok := kept[found[1:len(found)-1]]
		if !ok {
			missing = fmt.Errorf("nothing was kept as %q", found)
		}
		return value
	})
	return out, missing
}
