package cmd

import (
	goflag "flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	version string // of the API; the client's own unless set
	moved   string // a Location

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
	w.Header().Set(api.HeaderAPIVersion, e.version)
	for header, value := range map[string]string{api.HeaderLogPosition: e.position, api.HeaderLogGap: e.gap} {
		if value != "" {
			w.Header().Set(header, value)
		}
	}
	if e.attend != nil {
		s.attend(w, r, e)
		return
	}
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, e.answer)
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
	t    *testing.T
	home string
	env  []string
	stub *stub
	in   string
	tick time.Duration // between two looks at the clock
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
	text = strings.ReplaceAll(text, s.stub.URL, "http://controller")
	text = strings.ReplaceAll(text, s.stub.Listener.Addr().String(), "controller")
	return strings.ReplaceAll(text, s.home, "HOME")
}

// run runs a command.
func (s *scene) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	io, out, errOut := testIOStreams(s.in)
	f := NewFactory(io, s.env)
	now := time.Unix(0, 0)
	f.Now = func() time.Time {
		now = now.Add(s.tick)
		return now
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "CONTROLLER", s.stub.URL)
	}
	code = execute(s.t.Context(), f, args)
	return s.clean(out.String()), s.clean(errOut.String()), code
}

// story is one run of a command for the golden files.
type story struct {
	name  string
	args  []string
	calls []exchange
	setup func(*scene)
	check func(*scene) // after the run
	in    string
}

// words splits a call at its spaces.
func words(call string) []string { return strings.Fields(call) }

// golden runs stories and compares what they print with testdata/<file>.
func golden(t *testing.T, file string, stories []story) {
	t.Helper()
	var got strings.Builder
	for _, st := range stories {
		t.Run(st.name, func(t *testing.T) {
			s := newScene(t, st.calls...)
			s.in = st.in
			if st.setup != nil {
				st.setup(s)
			}
			stdout, stderr, code := s.run(append([]string(nil), st.args...)...)
			fmt.Fprintf(&got, "##### %s\n$ deis %s\n", st.name, strings.Join(st.args, " "))
			for _, call := range st.calls {
				fmt.Fprintf(&got, "%s\n  -> %d\n", call.request, call.status)
			}
			fmt.Fprintf(&got, "##### stdout\n%s\n##### stderr\n%s\n##### exit %d\n\n", stdout, stderr, code)
			if st.check != nil {
				st.check(s)
			}
			record(st.args, code)
		})
	}
	compare(t, file, got.String())
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
