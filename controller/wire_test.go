package controller_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/postgres"
	"github.com/deis/deis/controller/scheduler/mock"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/version"
)

const wireFolder = "testdata/wire"

// keeps are what the specifications mark as kept from Deis v1, by place:
// exchanges cite them. What no exchange can show has other tests.
var keeps = map[string]string{
	"controller.md:12":  "the four headers of versions, on every answer",
	"controller.md:14":  "reason phrases in upper case",
	"controller.md:17":  "a body of no bytes means no fields",
	"controller.md:29":  "hooks/builds",
	"controller.md:50":  "errors are objects of texts, or of arrays of texts",
	"controller.md:59":  "times end with UTC",
	"controller.md:113": "DEIS_RELEASE in the answer to a change of config",
	"controller.md:148": "objects as texts that hold JSON",
	"controller.md:163": "a key that is there must be unique",
	"client.md:86":      "401 once a token is void",
	"client.md:282":     "status lines that scripts look for",
}

// keptElsewhere are those that no exchange can show, and what shows them.
var keptElsewhere = map[string]string{
	"controller.md:203": "names of containers: TestStack",
	"controller.md:212": "lines of apps' logs: controller/logs",
	"controller.md:295": "etcd is rebuilt from the records: controller/mirror",
}

// commands are those of Deis v1's client; silent are those that send nothing.
var (
	commands = strings.Fields(`
		apps:create apps:list apps:info apps:open apps:logs apps:run apps:destroy apps:transfer
		auth:register auth:login auth:logout auth:passwd auth:whoami auth:cancel auth:regenerate
		builds:list builds:create certs:list certs:add certs:remove
		config:list config:set config:unset config:pull config:push
		domains:add domains:list domains:remove git:remote keys:list keys:add keys:remove
		limits:list limits:set limits:unset perms:list perms:create perms:delete
		ps:list ps:restart ps:scale releases:list releases:info releases:rollback
		tags:list tags:set tags:unset users:list`)
	silent = map[string]bool{"auth:logout": true, "auth:whoami": true, "git:remote": true}
)

func TestWire(t *testing.T) {
	entries, err := os.ReadDir(wireFolder)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	shown, cited, exchanges := map[string]bool{}, map[string]bool{}, 0
	for _, e := range entries {
		name := filepath.Join(wireFolder, e.Name())
		if filepath.Ext(name) != ".txt" {
			t.Errorf("%s is not replayed", name)
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parseWire(name, string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		n := 0
		for _, s := range file.steps {
			if s.arrange == nil {
				n++
			}
			for _, c := range s.commands {
				shown[c] = true
			}
			for _, c := range s.cites {
				cited[c.file+".md:"+c.line] = true
				if c.file == "api" && !strings.Contains(string(routes), "\n### `"+c.section+" "+c.line+"`\n") {
					t.Errorf("%s:%d: docs/api.md has no %s %s", name, s.line, c.section, c.line)
				}
			}
		}
		if exchanges += n; n == 0 {
			t.Errorf("%s holds no exchange", name)
		}
		t.Run(strings.TrimSuffix(e.Name(), ".txt"), func(t *testing.T) {
			t.Parallel()
			newReplay(t).run(file)
		})
	}
	known := map[string]bool{}
	for _, c := range commands {
		known[c] = true
		if shown[c] == silent[c] {
			t.Errorf("%s: shown %v", c, shown[c])
		}
	}
	for c := range shown {
		if !known[c] {
			t.Errorf("%s is no command", c)
		}
	}
	if len(commands) != 48 {
		t.Errorf("%d commands", len(commands))
	}
	for place, what := range keeps {
		if !cited[place] || keptElsewhere[place] != "" {
			t.Errorf("%s, %s: no exchange shows it", place, what)
		}
	}
	t.Logf("%d exchanges of %d files", exchanges, len(entries))
}

// replay is a platform with a client that knows only bytes.
type replay struct {
	*stack
	address string
	kept    map[string]string // tokens, by user, and what answers gave
	until   bool              // the next exchange is repeated until it is right
	unlock  func()

	mu      sync.Mutex
	failing map[mock.Op]bool
}

func newReplay(t *testing.T) *replay {
	r := &replay{stack: newStack(t), kept: map[string]string{}, failing: map[mock.Op]bool{}}
	r.stack.change = func(n *deis.Needs) { n.Scheduler = shell{n.Scheduler} }
	r.stack.fail = func(op mock.Op, _ jobid.ID) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.failing[op] {
			return fmt.Errorf("%s fails", op)
		}
		return nil
	}
	url, _ := r.controller()
	r.address = strings.TrimPrefix(url, "http://")
	return r
}

func (r *replay) run(f wireFile) {
	r.Helper()
	for _, s := range f.steps {
		where := fmt.Sprintf("%s:%d", f.name, s.line)
		if s.arrange != nil {
			if err := r.arrange(s.arrange); err != nil {
				r.Fatalf("%s: %v", where, err)
			}
			continue
		}
		err := r.exchange(s)
		if err != nil && r.until {
			r.eventually(func() string {
				if err = r.exchange(s); err != nil {
					return where + ": " + err.Error()
				}
				return ""
			})
		}
		if err != nil {
			r.Errorf("%s: %s: %v", where, s.title, err)
		}
		r.until = false
	}
}

// arrange does what an @ line says.
func (r *replay) arrange(words []string) error {
	switch verb, args := words[0], words[1:]; {
	case verb == "users": // are registered and logged in; the first is an admin
		for _, name := range args {
			r.kept[name] = r.as("http://"+r.address, name).token
		}
	case verb == "deployed" && len(args) == 3 && args[1] == "by": // an app with web and worker processes
		c := r.as("http://"+r.address, args[2])
		r.deploy(c, args[0])
	case verb == "certificate" && len(args) == 3 && args[1] == "for": // is kept, and its key, to be sent in JSON
		chain, key := selfSigned(r.T, args[2])
		r.kept[args[0]], r.kept[args[0]+"key"] = inJSON(chain), inJSON(key)
	case verb == "put" && len(args) == 2: // a key of etcd; what follows is repeated until it shows
		r.put(args[0], args[1])
		r.until = true
	case verb == "fail" && len(args) > 0: // calls of the scheduler, the registry or the logger
		r.fails(strings.Join(args, " "), true)
	case verb == "heal" && len(args) > 0:
		r.fails(strings.Join(args, " "), false)
	case verb == "says" && len(args) > 1: // an app, into its log
		r.logs.Event("INFO", args[0], strings.Join(args[1:], " "))
	case verb == "lock" && len(args) == 1: // as another controller's operation would
		return r.lock(args[0])
	case verb == "unlock" && r.unlock != nil:
		r.unlock()
	default:
		return fmt.Errorf("nobody knows @%s", strings.Join(words, " "))
	}
	return nil
}

func (r *replay) fails(what string, fail bool) {
	var err error
	if fail {
		err = deis.Errorf(deis.Unavailable, "The %s is not available.", what)
	}
	switch what {
	case "registry":
		r.images.failing(func(context.Context, deis.ReleaseImage) error { return err })
	case "logger":
		r.logs.failing(err)
	default:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failing[mock.Op(what)] = fail
	}
}

func (r *replay) lock(app string) error {
	db, err := postgres.Connect(r.Context(), quiet, func(context.Context) (postgres.Config, error) { return r.database, nil })
	if err != nil {
		return err
	}
	r.Cleanup(db.Close)
	_, r.unlock, err = db.Lock(r.Context(), app, 10*time.Second)
	return err
}

// exchange sends a request and compares the answer.
func (r *replay) exchange(s wireStep) error {
	request, err := r.request(s.request)
	if err != nil {
		return err
	}
	method, _, _ := strings.Cut(s.request.first, " ")
	if s.talk != nil {
		return r.converse(s, method, request)
	}
	got, err := r.send(method, request)
	if err != nil {
		return err
	}
	return r.compare(s.answer, got)
}

// compare says in what an answer is not as it should be.
func (r *replay) compare(want message, got response) error {
	if err := match("HTTP/1.1 "+want.first, got.line, r.kept); err != nil {
		return fmt.Errorf("%w\n%s", err, got.body)
	}
	for _, h := range want.headers {
		values := got.values(h[0])
		if h[1] == "none" && len(values) == 0 {
			continue
		}
		if err := match(h[1], strings.Join(values, ", "), r.kept); err != nil {
			return fmt.Errorf("%s: %w", h[0], err)
		}
	}
	if err := match(want.body, got.body, r.kept); err != nil {
		return err
	}
	return got.check()
}

// request is what is sent.
func (r *replay) request(m message) ([]byte, error) {
	first, as, _ := strings.Cut(m.first, " as ")
	headers := [][2]string{{"Host", "deis." + domain}}
	switch as {
	case "":
	case "builder":
		headers = append(headers, [][2]string{{"Content-Type", "application/json"}, {"X-Deis-Builder-Auth", builderKey}}...)
	default:
		headers = append(headers, [][2]string{{"User-Agent", "Deis Client v1.13.4"}, {"Content-Type", "application/json"}, {"Accept-Encoding", "gzip"}}...)
		if as != "nobody" {
			headers = append(headers, [2]string{"Authorization", "token {" + as + "}"})
		}
	}
	if headers = append(headers, m.headers...); !slices.ContainsFunc(headers, func(h [2]string) bool { return h[0] == "Connection" }) {
		headers = append(headers, [2]string{"Connection", "close"})
	}
	if m.body != "" || !strings.HasPrefix(first, "GET ") && !strings.HasPrefix(first, "HEAD ") {
		body, err := fill(m.body, r.kept)
		if err != nil {
			return nil, err
		}
		m.body = body
		headers = append(headers, [2]string{"Content-Length", fmt.Sprint(len(body))})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\n", first)
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	head, err := fill(b.String(), r.kept)
	return []byte(head + "\r\n" + m.body), err
}

// response is an answer as it came.
type response struct {
	line   string
	header []string // lines
	body   string
}

// dial connects and sends a request.
func (r *replay) dial(request []byte) (net.Conn, error) {
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(90 * time.Second)); err != nil {
		conn.Close()
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (r *replay) send(method string, request []byte) (response, error) {
	conn, err := r.dial(request)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	got, err := readHead(in)
	if err != nil {
		return response{}, err
	}
	resp, err := http.ReadResponse(got.again(in), &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	got.body = string(body)
	return got, err
}

// values are those of a header, whose case is nobody's concern.
func (a response) values(name string) (values []string) {
	for _, line := range a.header {
		if n, value, _ := strings.Cut(line, ": "); strings.EqualFold(n, name) {
			values = append(values, value)
		}
	}
	return values
}

// check is what holds for every answer.
func (a response) check() error {
	for name, want := range map[string]string{
		"DEIS_API_VERSION": "1.7", "X_DEIS_API_VERSION": "1.7",
		"DEIS_PLATFORM_VERSION": version.Platform, "X_DEIS_PLATFORM_VERSION": version.Platform,
	} {
		if got := strings.Join(a.values(name), ", "); got != want {
			return fmt.Errorf("%s is %q", name, got)
		}
	}
	challenge, kind := strings.Join(a.values("WWW-Authenticate"), ", "), strings.Join(a.values("Content-Type"), ", ")
	if strings.HasPrefix(a.line, "HTTP/1.1 401") != (challenge == "Token") {
		return fmt.Errorf("challenge %q", challenge)
	}
	if a.body != "" && kind == "" {
		return errors.New("a body of no type")
	}
	if a.line < "HTTP/1.1 400" || kind != "application/json" || a.body == "" {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(a.body), &fields); err != nil {
		return err
	}
	for name, value := range fields {
		texts, ok := value.([]any)
		if !ok {
			texts = []any{value}
		}
		for _, text := range texts {
			if _, ok := text.(string); !ok {
				return fmt.Errorf("clients cannot read %s of the error", name)
			}
		}
	}
	return nil
}

func TestWireFiles(t *testing.T) {
	const good = "# x\n@users bob\n== a:b c:d about e:f [client.md 1.2:3; controller.md 1:4]\n> GET /x as bob\n> A: b\n>\n> {\n< 200 OK\n< H: v\n<\n< one\n< \n"
	f, err := parseWire("f", good)
	if err != nil || len(f.steps) != 2 {
		t.Fatal(f, err)
	}
	s := f.steps[1]
	if fmt.Sprint(s.commands, s.cites) != "[a:b c:d] [{client 1.2 3} {controller 1 4}]" || s.request.body != "{" || s.answer.body != "one\n" || s.line != 3 ||
		fmt.Sprint(s.request.headers, s.answer.headers) != "[[A b]] [[H v]]" {
		t.Errorf("%+v", s)
	}
	const lasting = "== x [api.md GET /x/{y}; client.md 1:1]\n> GET /x\n< 200 OK\n<< one\n>> text two\n@says demo three\n<<\n\n@unlock\n"
	if f, err = parseWire("f", lasting); err != nil || len(f.steps) != 2 {
		t.Fatal(f, err)
	}
	if s := f.steps[0]; fmt.Sprint(s.talk, s.cites)+s.answer.body != "[{60 one} {62 text two} {64 says demo three} {60 }] [{api GET /x/{y}} {client 1 1}]" {
		t.Errorf("%+v", s)
	}
	for name, bad := range map[string]string{
		"no place":      "== x\n> GET /\n< 200 OK\n",
		"a wrong place": "== x [y]\n> GET /\n< 200 OK\n",
		"no answer":     "== x [client.md 1:1]\n> GET /\n",
		"no request":    "== x [client.md 1:1]\n< 200 OK\n",
		"no header":     "== x [client.md 1:1]\n> GET /\n< 200 OK\n< what\n",
		"junk":          "what\n",
		"no route":      "== x [api.md x]\n> GET /\n< 200 OK\n",
		"nobody says":   "== x [client.md 1:1]\n> GET /\n< 200 OK\n<< a\n> b\n",
		"nothing said":  "== x [client.md 1:1]\n> GET /\n< 200 OK\n>> \n",
	} {
		if f, err := parseWire("f", bad); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for _, x := range []struct {
		want, got string
		ok        bool
	}{
		{`{"a":"<uuid>"}`, `{"a":"de305d54-75b4-431b-adb2-eb6b9e546014"}`, true},
		{`{"a":"<uuid>"}`, `{"a":"DE305D54-75b4-431b-adb2-eb6b9e546014"}`, false},
		{`<time>`, `2014-01-02T03:04:05UTC`, true},
		{`<time>`, `2014-01-02T03:04:05Z`, false},
		{`<iso>`, `2014-01-02T03:04:05.678901Z`, true},
		{`<iso>`, `2014-01-02T03:04:05.678901+00:00`, false},
		{`<token>`, `0123456789abcdef0123456789abcdef01234567`, true},
		{`<token>`, `0123456789abcdef`, false},
		{`<int>`, `10`, true},
		{`<int>`, `01`, false},
		{`<fingerprint>`, `01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef`, true},
		{`<fingerprint>`, `01:23`, false},
		{`"<text>"`, `"a\"b"`, true},
		{`"<text>"`, `""`, false},
		{`"<text>"`, `"a","b":"c"`, false},
		{`<log>-7`, `0123456789abcdef-7`, true},
		{`<log>-7`, `demo-7`, false},
		{`<appid>`, `golden-hamster`, true},
		{`<appid>`, `demo`, false},
		{`<h1>a.b</h1>`, `<h1>a.b</h1>`, true},
		{`<h1>a.b</h1>`, `<h1>a-b</h1>`, false},
		{`{known}{}`, `v{}`, true},
		{`{known}`, `w`, false},
		{`{unknown}`, ``, false},
		{`a`, "a\n", false},
	} {
		kept := map[string]string{"known": "v"}
		if err := match(x.want, x.got, kept); (err == nil) != x.ok {
			t.Errorf("%s and %s: %v", x.want, x.got, err)
		}
	}
	kept := map[string]string{}
	if err := match(`[<int:n>,"<text:s>"]`, `[3,"x"]`, kept); err != nil || kept["n"] != "3" || kept["s"] != "x" {
		t.Error(err, kept)
	}
	if err := match(`<what:n>`, `3`, kept); err == nil {
		t.Error("an unknown type keeps something")
	}
	if text, err := fill(`{"a":{n}}`, kept); err != nil || text != `{"a":3}` {
		t.Error(text, err)
	}
	if _, err := fill(`{m}`, kept); err == nil {
		t.Error("what was not kept is sent")
	}
}
