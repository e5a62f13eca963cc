package rest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// talk opens a connection to a server of h.
func talk(t *testing.T, h http.HandlerFunc) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", serveHandler(t, h))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

func send(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// receive reads an answer: its status line and its body.
func receive(t *testing.T, r *bufio.Reader) (line, body string) {
	t.Helper()
	peeked, err := r.Peek(len("HTTP/1.1 200 "))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%v after %q", err, peeked)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Proto + " " + resp.Status, string(b)
}

// statusLike looks like what is rewritten, but is a body.
const statusLike = "HTTP/1.1 404 Not Found\r\n\r\nHTTP/1.1 200 Fine\r\n"

// echo answers with the status that the path names and a body.
func echo(w http.ResponseWriter, r *http.Request) {
	var code int
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &code); err != nil {
		code = http.StatusTeapot
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(code)
	writeAll(w, statusLike)
}

func TestReasonsOnOneConnection(t *testing.T) {
	conn, r := talk(t, echo)
	for code, want := range map[int]string{
		200: "HTTP/1.1 200 OK", 201: "HTTP/1.1 201 CREATED", 404: "HTTP/1.1 404 NOT FOUND", 203: "HTTP/1.1 203 NON-AUTHORITATIVE INFORMATION",
		418: "HTTP/1.1 418 I'M A TEAPOT", 503: "HTTP/1.1 503 SERVICE UNAVAILABLE", 599: "HTTP/1.1 599 STATUS CODE 599",
	} {
		send(t, conn, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", code))
		if line, body := receive(t, r); line != want || body != statusLike {
			t.Errorf("%s %q, want %s", line, body, want)
		}
	}
}

func TestReasonsOfPipelinedRequests(t *testing.T) {
	conn, r := talk(t, echo)
	codes := []int{404, 200, 409, 401, 500, 202}
	var requests strings.Builder
	for _, code := range codes {
		fmt.Fprintf(&requests, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", code)
	}
	send(t, conn, requests.String())
	for _, code := range codes {
		want := fmt.Sprintf("HTTP/1.1 %d %s", code, strings.ToUpper(http.StatusText(code)))
		if line, body := receive(t, r); line != want || body != statusLike {
			t.Errorf("%s %q, want %s", line, body, want)
		}
	}
}

func TestReasonAfterContinue(t *testing.T) {
	conn, r := talk(t, echo)
	for range 2 {
		send(t, conn, "POST /404 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
		if got := head(t, r); got != "HTTP/1.1 100 Continue\r\n" {
			t.Fatal(got)
		}
		send(t, conn, "abc")
		if line, body := receive(t, r); line != "HTTP/1.1 404 NOT FOUND" || body != statusLike {
			t.Errorf("%s %q", line, body)
		}
	}
}

func TestReasonAfterHints(t *testing.T) {
	conn, r := talk(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.WriteHeader(http.StatusNotFound)
		writeAll(w, statusLike)
	})
	send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, want := range []string{"HTTP/1.1 103 Early Hints", "HTTP/1.1 102 Processing"} {
		if got := head(t, r); !strings.HasPrefix(got, want+"\r\n") {
			t.Error(got)
		}
	}
	if line, body := receive(t, r); line != "HTTP/1.1 404 NOT FOUND" || body != statusLike {
		t.Errorf("%s %q", line, body)
	}
}

func TestLargeAnswers(t *testing.T) {
	large := bytes.Repeat([]byte(statusLike), 100_000)
	conn, r := talk(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/header" {
			w.Header().Set("X-Large", strings.Repeat("x", 1<<16)) // more than one write
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, bytes.NewReader(large))
	})
	for _, path := range []string{"/", "/header", "/"} {
		send(t, conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if line, body := receive(t, r); line != "HTTP/1.1 202 ACCEPTED" || body != string(large) {
			t.Errorf("%s and %d bytes of body", line, len(body))
		}
	}
}

func TestFlushes(t *testing.T) {
	more := make(chan struct{})
	conn, r := talk(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		writeAll(w, "one ")
		w.(http.Flusher).Flush()
		<-more
		writeAll(w, "HTTP/1.1 two")
	})
	send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := r.Peek(1); err != nil { // the first part has come
		t.Fatal(err)
	}
	close(more)
	if line, body := receive(t, r); line != "HTTP/1.1 404 NOT FOUND" || body != "one HTTP/1.1 two" {
		t.Errorf("%s %q", line, body)
	}
}

// TestHijack: a connection that is no longer the server's is left alone.
func TestHijack(t *testing.T) {
	const said = "HTTP/1.1 404 Not Found\r\n\r\nand more\n"
	conn, r := talk(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/404" {
			echo(w, r)
			return
		}
		nc, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		for _, part := range []string{said[:3], said[3:20], said[20:]} {
			if _, err := io.WriteString(nc, part); err != nil {
				t.Error(err)
			}
		}
	})
	send(t, conn, "GET /404 HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, _ := receive(t, r); line != "HTTP/1.1 404 NOT FOUND" {
		t.Error(line)
	}
	send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := io.ReadAll(r); err != nil || string(got) != said {
		t.Errorf("%q %v", got, err)
	}
}

// TestBrokenRequest: what net/http refuses by itself.
func TestBrokenRequest(t *testing.T) {
	conn, r := talk(t, echo)
	send(t, conn, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
	if line, _ := receive(t, r); !strings.HasPrefix(line, "HTTP/1.1 400 BAD REQUEST") {
		t.Error(line)
	}
}

// TestUnreadBody: the server ends the connection so that the client has time
// to read the answer; that takes CloseWrite.
func TestUnreadBody(t *testing.T) {
	conn, r := talk(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	send(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"+strings.Repeat("x", 1000))
	if line, _ := receive(t, r); line != "HTTP/1.1 413 REQUEST ENTITY TOO LARGE" {
		t.Error(line)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Error(rest, err)
	}
}

func TestCloseWriteWithoutTCP(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	if err := (&conn{Conn: ours}).CloseWrite(); err != nil {
		t.Error(err)
	}
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestTakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(context.Background(), quiet(), ln, http.NotFoundHandler()); err == nil {
		t.Error("served on a closed listener")
	}
}

// written is what a conn writes when text is written to it in parts.
func written(t *testing.T, text []byte, cuts ...int) []byte {
	t.Helper()
	var out sink
	c := &conn{Conn: &out}
	c.begin()
	text = bytes.Clone(text)
	before := bytes.Clone(text)
	for from := 0; from < len(text); {
		to := len(text)
		if len(cuts) > 0 {
			to, cuts = min(from+max(cuts[0], 1), to), cuts[1:]
		}
		if n, err := c.Write(text[from:to]); n != to-from || err != nil {
			t.Fatal(n, err)
		}
		from = to
	}
	if !bytes.Equal(text, before) {
		t.Fatal("the caller's bytes were changed")
	}
	return out.got
}

// sink is a connection into a buffer.
type sink struct {
	net.Conn
	got []byte
}

func (s *sink) Write(p []byte) (int, error) {
	s.got = append(s.got, p...)
	return len(p), nil
}

func (s *sink) SetWriteDeadline(_ time.Time) error { return nil }

func TestStatusLines(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nHTTP/1.1 200 Fine\r\n": "HTTP/1.1 404 NOT FOUND\r\nX: y\r\n\r\nHTTP/1.1 200 Fine\r\n",
		"HTTP/1.0 200 é ok\nx":                                           "HTTP/1.0 200 é OK\nx",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Ok\r\nabc":            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nabc",
		"HTTP/1.1 103 a\nX: y\n\nHTTP/1.1 102 b\r\n\r\nHTTP/1.1 200 c\n": "HTTP/1.1 103 a\nX: y\n\nHTTP/1.1 102 b\r\n\r\nHTTP/1.1 200 C\n",
		"HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 Ok\r\n":              "HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 Ok\r\n",
		"HTTP/1.1 204\r\nabc":                                            "HTTP/1.1 204\r\nabc",
		"HTTP/2.1 404 Not Found\r\n":                                     "HTTP/2.1 404 Not Found\r\n",
		"HTTP/1.1 4x4 Not Found\r\n":                                     "HTTP/1.1 4x4 Not Found\r\n",
		"hello HTTP/1.1 404 Not Found\r\n":                               "hello HTTP/1.1 404 Not Found\r\n",
		"":                                                               "",
	} {
		if got := written(t, []byte(text)); string(got) != want {
			t.Errorf("%q becomes %q", text, got)
		}
		single := make([]int, len(text)) // a byte at a time
		if got := written(t, []byte(text), single...); string(got) != want {
			t.Errorf("%q in single bytes becomes %q", text, got)
		}
	}
}

// model says what FuzzReason expects, another way: by one regular expression
// over the whole text.
var model = regexp.MustCompile(`(?s)^((?:HTTP/1\.[0-9] 1(?:0[02-9]|[1-9][0-9])[^\n]*\n(?:\r*[^\r\n][^\n]*\n)*\r*\n)*HTTP/1\.[0-9] (?:0|[2-9])[0-9][0-9])([^\r\n]*)`)

func FuzzReason(f *testing.F) {
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nbody"), []byte{1, 2, 3})
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n"), []byte{20, 5})
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 ok\r\n"), []byte{})
	f.Add([]byte("HTTP/1.1 103 a\r\nLink: b\r\n\r\nHTTP/1.0 599 c\nd"), []byte{9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		want := bytes.Clone(text)
		if at := model.FindSubmatchIndex(want); at != nil {
			upper(want[at[4]:at[5]])
		}
		lengths := make([]int, len(cuts))
		for i, c := range cuts {
			lengths[i] = int(c)
		}
		if got := written(t, text, lengths...); !bytes.Equal(got, want) {
			t.Fatalf("%q in parts %v becomes %q, want %q", text, cuts, got, want)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	text := []byte("HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n" + strings.Repeat("x", 2000))
	c := &conn{Conn: discard{}}
	for b.Loop() {
		c.begin()
		if _, err := c.Write(text); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error)        { return len(p), nil }
func (discard) SetWriteDeadline(_ time.Time) error { return nil }
