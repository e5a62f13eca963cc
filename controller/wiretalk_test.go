package controller_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/rest"
)

// Every route of the API has an exchange in which it succeeds.
func TestWireHasEveryRoute(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(wireFolder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{} // GET /v1/apps/demo 200
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parseWire(name, string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range f.steps {
			if s.arrange != nil {
				continue
			}
			words := append(strings.Fields(s.request.first), "")
			path, _, _ := strings.Cut(words[1], "?")
			status, _, _ := strings.Cut(s.answer.first, " ")
			shown[words[0]+" "+strings.TrimSuffix(path, "/")+" "+status] = true
		}
	}
	variable := regexp.MustCompile(`\\\{[^}]+\\\}`)
	for _, r := range rest.Routes() {
		pattern := variable.ReplaceAllString(regexp.QuoteMeta(strings.TrimSuffix(r.Pattern, "/")), `[^/ ]+`)
		re := regexp.MustCompile(fmt.Sprintf(`^%s %s %d$`, r.Method, pattern, r.Status))
		found := false
		for exchange := range shown {
			found = found || re.MatchString(exchange)
		}
		if !found {
			t.Errorf("%s %s: no exchange succeeds", r.Method, r.Pattern)
		}
	}
}

// converse sends a request whose answer lasts, compares its head, and goes
// through what is said then.
func (r *replay) converse(s wireStep, method string, request []byte) error {
	conn, err := r.dial(request)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	got, err := readHead(in)
	if err != nil {
		return err
	}
	if err := r.compare(s.answer, got); err != nil {
		return err
	}
	var rest said = &frames{conn, in}
	if !strings.HasPrefix(got.line, "HTTP/1.1 101 ") {
		if rest, err = following(in, got, method); err != nil {
			return err
		}
	}
	for _, t := range s.talk {
		if err := r.turn(rest, t); err != nil {
			return fmt.Errorf("%c %s: %w", t.by, t.text, err)
		}
	}
	return nil
}

// said is what goes on after an answer's head.
type said interface {
	hear() (string, error) // io.EOF at its end
	say(text string) error
}

func (r *replay) turn(with said, t turn) error {
	switch {
	case t.by == '@':
		return r.arrange(strings.Fields(t.text))
	case t.by == '>' && t.text == "":
		return nil
	case t.by == '>':
		text, err := fill(t.text, r.kept)
		if err != nil {
			return err
		}
		return with.say(text)
	}
	text, err := with.hear()
	switch {
	case t.text == "" && err == nil:
		return fmt.Errorf("it goes on with %q", text)
	case t.text == "" && errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return match(t.text, text, r.kept)
}

// readHead reads an answer up to its body.
func readHead(in *bufio.Reader) (response, error) {
	var lines []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return response{}, fmt.Errorf("no answer but %q: %w", lines, err)
		}
		if line == "\r\n" && len(lines) > 0 {
			return response{line: lines[0], header: lines[1:]}, nil
		}
		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
	}
}

// again is the answer from its start, for who reads all of it.
func (a response) again(body io.Reader) *bufio.Reader {
	head := strings.Join(append([]string{a.line}, a.header...), "\r\n") + "\r\n\r\n"
	return bufio.NewReader(io.MultiReader(strings.NewReader(head), body))
}

// lines are those of a body that lasts.
type lines struct{ *bufio.Reader }

// following reads the body of an answer whose head was read.
func following(in *bufio.Reader, head response, method string) (said, error) {
	resp, err := http.ReadResponse(head.again(in), &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	return lines{bufio.NewReader(resp.Body)}, nil // it is closed with the connection
}

func (l lines) hear() (string, error) {
	line, err := l.ReadString('\n')
	if err != nil && line != "" {
		return "", fmt.Errorf("it ends in a line: %q", line)
	}
	return strings.TrimSuffix(line, "\n"), err
}

func (lines) say(string) error { return errors.New("nobody hears it") }

// frames are a WebSocket's (RFC 6455, section 5.2), for short messages.
type frames struct {
	net.Conn
	in *bufio.Reader
}

// Kinds of frames, in which FIN is set.
const (
	textFrame   = 0x81
	binaryFrame = 0x82
	closeFrame  = 0x88
)

func (f *frames) say(text string) error {
	kind, rest, _ := strings.Cut(text, " ")
	channel, err := strconv.ParseUint(kind, 10, 8)
	switch {
	case kind == "text":
		return f.send(textFrame, []byte(rest))
	case kind == "close":
		code, err := strconv.ParseUint(rest, 10, 16)
		if err != nil {
			return err
		}
		return f.send(closeFrame, binary.BigEndian.AppendUint16(nil, uint16(code)))
	case err == nil:
		return f.send(binaryFrame, append([]byte{byte(channel)}, strings.ReplaceAll(rest, `\n`, "\n")...))
	}
	return fmt.Errorf("%s is no kind of message", kind)
}

// send sends a frame of at most 125 bytes. It is masked, as a client's must be.
func (f *frames) send(kind byte, payload []byte) error {
	if len(payload) > 125 {
		return errors.New("too long")
	}
	mask := [4]byte{1, 2, 3, 4}
	frame := append([]byte{kind, 0x80 | byte(len(payload))}, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	_, err := f.Write(frame)
	return err
}

func (f *frames) hear() (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(f.in, head[:]); err != nil {
		return "", err
	}
	n := uint64(head[1])
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(f.in, long[:]); err != nil {
			return "", err
		}
		n = uint64(binary.BigEndian.Uint16(long[:]))
	}
	if n > 64<<10 { // masked, or with a length of 64 bits
		return "", fmt.Errorf("a frame that begins with %x", head)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(f.in, payload); err != nil {
		return "", err
	}
	switch {
	case head[0] == textFrame:
		return "text " + string(payload), nil
	case head[0] == binaryFrame && n > 0:
		return fmt.Sprintf("%d %s", payload[0], strings.ReplaceAll(string(payload[1:]), "\n", `\n`)), nil
	case head[0] == closeFrame && n >= 2:
		return fmt.Sprint("close ", binary.BigEndian.Uint16(payload)), nil
	}
	return "", fmt.Errorf("a frame of the kind %x and %d bytes", head[0], n)
}

// shell is a scheduler of whose attended commands some do something: cat and
// stty. Others say what they are made of, as those that nobody attends.
type shell struct{ deis.Scheduler }

func (s shell) Attach(ctx context.Context, spec deis.Spec, with deis.Session) (int, error) {
	switch command := strings.Join(spec.Command, " "); command {
	case "cat":
		_, err := io.Copy(with.Stdout, with.Stdin)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 7, err
	case "stty": // prints the terminal's size, whenever it changes, until a signal
		fmt.Fprintln(with.Stdout, with.TTY, with.Size)
		for {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case c := <-with.Control:
				if c.Signal != "" {
					fmt.Fprintln(with.Stderr, c.Signal)
					return 130, nil
				}
				fmt.Fprintln(with.Stdout, c.Resize)
			}
		}
	}
	return s.Scheduler.Attach(ctx, spec, with)
}
