package cmd

import (
	"context"
	goflag "flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/deis/deis/client/controller"
	"github.com/deis/deis/internal/api"
	"github.com/deis/deis/internal/version"
)

var update = goflag.Bool("update", false, "write the golden files anew")

// exchange is one request that a stub controller expects, and its answer.
type exchange struct {
	request string // METHOD PATH[?QUERY][ BODY]
	status  int
	answer  string
	token   string // expected; "abc" unless set, none if "-"
	version string // of the API; the client's own unless set, "none" for none
	moved   string // a Location
	cut     bool   // in the middle of the answer

	position, gap string                // headers of a followed log
	attend        func(*websocket.Conn) // what the controller does in a session
}

// stub is a controller that expects its exchanges in their order and fails the
// test on any other request, and on one that does not come.
type stub struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex
	left []exchange
}

func newStub(t *testing.T, exchanges ...exchange) *stub {
	t.Helper()
	s := &stub{t: t, left: exchanges}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		for _, e := range s.left {
			t.Errorf("not requested: %s", e.request)
		}
	})
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	got := strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body))
	if len(s.left) == 0 || s.left[0].request != got {
		s.t.Errorf("unexpected request: %s, left: %+v", got, s.left)
		http.Error(w, "unexpected", http.StatusTeapot)
		return
	}
	e := s.left[0]
	s.left = s.left[1:]
	token := "token abc"
	switch e.token {
	case "":
	case "-":
		token = ""
	default:
		token = "token " + e.token
	}
	for header, want := range map[string]string{
		"Authorization": token, "User-Agent": controller.UserAgent, "Content-Type": "application/json",
	} {
		if header == "Content-Type" && !strings.HasPrefix(r.URL.Path, "/v1/") {
			continue // a redirect has led away from the API
		}
		if got := r.Header.Get(header); got != want {
			s.t.Errorf("%s: %s %q, want %q", e.request, header, got, want)
		}
	}
	if e.version == "" {
		e.version = version.API
	}
	if e.moved != "" {
		w.Header().Set("Location", e.moved)
	}
	if e.version != "none" {
		w.Header().Set(api.HeaderAPIVersion, e.version)
	}
	for header, value := range map[string]string{api.HeaderLogPosition: e.position, api.HeaderLogGap: e.gap} {
		if value != "" {
			w.Header().Set(header, value)
		}
	}
	if e.attend != nil {
		s.attend(w, r, e)
		return
	}
	if e.cut {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(e.answer)))
	}
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, e.answer)
	if e.cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// attend opens a session.
func (s *stub) attend(w http.ResponseWriter, r *http.Request, e exchange) {
	up := websocket.Upgrader{Subprotocols: []string{api.RunProtocol}}
	conn, err := up.Upgrade(w, r, w.Header())
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	e.attend(conn)
}

// scene is what a command is run in: a home with a session, a working
// directory, a controller.
type scene struct {
	t     *testing.T
	home  string
	env   []string
	stub  *stub
	hide  []string             // texts of this run that clean takes out, each with its name
	user  func(func() int) int // runs a command as another user, unless nil
	alias []string             // names in arguments, each with what it stands for
	in    string               // what is typed or piped in
	tick  time.Duration        // between two looks at the clock

	every time.Duration // between two looks at a deploy's progress
}

func newScene(t *testing.T, exchanges ...exchange) *scene {
	t.Helper()
	s := &scene{t: t, home: t.TempDir(), stub: newStub(t, exchanges...), tick: 3900 * time.Millisecond}
	dir := filepath.Join(s.home, "Demo")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	s.env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1"}
	s.write("../.deis/client.json", fmt.Sprintf(`{"username":"bob","ssl_verify":true,"controller":"%s","token":"abc","response_limit":100}`, s.stub.URL))
	return s
}

// write makes a file, its path relative to the working directory.
func (s *scene) write(path, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// read is a file's text, with names of this run replaced.
func (s *scene) read(path string) string {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.clean(string(b))
}

// clean replaces what differs from run to run.
func (s *scene) clean(text string) string {
	text = strings.NewReplacer(s.hide...).Replace(text)
	text = strings.ReplaceAll(text, s.stub.URL, "http://controller")
	text = strings.ReplaceAll(text, s.stub.Listener.Addr().String(), "controller")
	return strings.ReplaceAll(text, s.home, "HOME")
}

// factory is what a command in the scene is made of. Its clock and its spinner
// do not depend on the time that passes.
func (s *scene) factory(io *IOStreams) *Factory {
	f := NewFactory(io, s.env)
	now := time.Unix(0, 0)
	f.Now = func() time.Time {
		now = now.Add(s.tick)
		return now
	}
	f.pace, f.every = time.Hour, time.Hour
	if s.every > 0 {
		f.pace, f.every = s.every, s.every
	}
	return f
}

// args are a call's, with the controller's address in them.
func (s *scene) args(args []string) []string {
	out := make([]string, len(args))
	for i := range args {
		out[i] = strings.ReplaceAll(args[i], "CONTROLLER", s.stub.URL)
		out[i] = strings.NewReplacer(s.alias...).Replace(out[i])
	}
	return out
}

// execute runs a command as its user.
func (s *scene) execute(ctx context.Context, io *IOStreams, args []string) int {
	f, args := s.factory(io), s.args(args)
	run := func() int { return execute(ctx, f, args) }
	if s.user != nil {
		return s.user(run)
	}
	return run()
}

// run runs a command in a pipe: none of its streams is a terminal.
func (s *scene) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	type pipe struct{ r, w *os.File }
	var in, out, errOut pipe
	for _, p := range []*pipe{&in, &out, &errOut} {
		r, w, err := os.Pipe()
		if err != nil {
			s.t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		*p = pipe{r, w}
	}
	read := func(p pipe) chan string {
		all := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(p.r)
			all <- string(b)
		}()
		return all
	}
	outText, errText := read(out), read(errOut)
	go func() {
		_, _ = io.WriteString(in.w, s.in)
		in.w.Close()
	}()
	code = s.execute(s.t.Context(), newIOStreams(in.r, out.w, errOut.w), args)
	out.w.Close()
	errOut.w.Close()
	return s.clean(<-outText), s.clean(<-errText), code
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join(testdata, file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s:%d differs\ngot:\n%s\nwant:\n%s", file, i+1, strings.Join(g[max(0, i-8):min(len(g), i+6)], "\n"), strings.Join(w[min(len(w), max(0, i-8)):min(len(w), i+6)], "\n"))
		}
	}
	t.Fatalf("%s has %d lines, want %d", file, len(g), len(w))
}

// testdata is absolute: tests change the working directory.
var testdata = func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return dir
}()

// Answers of a controller.
const (
	notFound  = `{"detail":"Not found"}`
	forbidden = `{"detail":"You do not have permission to perform this action."}`
	when      = "2014-01-01T00:00:00UTC"
	uuid      = "de1bf5b5-4a72-4f94-a10c-d2a3741cdf75"
)

func appJSON(id string) string {
	return fmt.Sprintf(`{"uuid":"%s","id":"%s","owner":"bob","url":"%s.example.com","structure":{},"created":"%s","updated":"%s"}`, uuid, id, id, when, when)
}

// pageJSON is a list of so many in all, of which some are on the page.
func pageJSON(total int, items ...string) string {
	return fmt.Sprintf(`{"count":%d,"next":null,"previous":null,"results":[%s]}`, total, strings.Join(items, ","))
}

func processJSON(kind string, num int, state, release string) string {
	return fmt.Sprintf(`{"owner":"bob","app":"demo","release":"%s","type":"%s","num":%d,"state":"%s","created":"%s","updated":"%s","uuid":"%s"}`, release, kind, num, state, when, when, uuid)
}

func domainJSON(name string) string {
	return fmt.Sprintf(`{"owner":"bob","created":"%s","updated":"%s","app":"demo","domain":"%s"}`, when, when, name)
}

func configJSON(parts string) string {
	if parts != "" {
		parts += ","
	}
	return fmt.Sprintf(`{%s"uuid":"%s","app":"demo","owner":"bob","created":"%s","updated":"%s"}`, parts, uuid, when, when)
}
