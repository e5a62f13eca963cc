package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/deis/deis/controller/deis"
)

// What TestLinearizable does, at least.
const (
	linearClients = 50
	linearApps    = 10
	linearCalls   = 1000 // in all
	linearAtOnce  = 12   // calls of one app
	linearCheck   = time.Minute
	patient       = 90 * time.Second // for an answer
)

// recorder makes calls and remembers them with their answers.
type recorder struct {
	*stack
	clients []client // of the users, one a controller
	builder []client
	began   time.Time
	calls   atomic.Int64

	mu      sync.Mutex
	history map[string][]porcupine.Operation // by app
	codes   map[int]int
	problem map[string]bool
}

func (s *stack) record(urls ...string) *recorder {
	r := &recorder{stack: s, began: time.Now(), history: map[string][]porcupine.Operation{}, codes: map[int]int{}, problem: map[string]bool{}}
	for _, url := range urls {
		r.clients = append(r.clients, s.as(url, by))
		r.builder = append(r.builder, s.builder(url))
	}
	return r
}

// make makes a call. If it has less than the patience of a client, the answer
// may be lost.
func (r *recorder) make(who int, app string, c call, patience time.Duration) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	r.calls.Add(1)
	from := time.Since(r.began)
	a, err := r.send(ctx, who, app, c)
	to := time.Since(r.began)
	out := reply{}
	if err == nil {
		out, err = read(c, a)
	} else if errors.Is(err, context.DeadlineExceeded) && patience < time.Second {
		err = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codes[out.code]++
	if err != nil {
		r.problem[fmt.Sprintf("%s: %v", c.op, err)] = true
	}
	if out.code == 0 && slices.Contains([]string{"releases", "show config", "show app", "domains"}, c.op) {
		return // it changed nothing and said nothing
	}
	r.history[app] = append(r.history[app], record(who, c, out, int64(from), int64(to))...)
}

// work is what one client does after the other.
type work struct {
	app      string
	calls    []call
	patience time.Duration
}

// exercise has many clients do all the work, beginning with the first.
func (r *recorder) exercise(todo []work) {
	atOnce := map[string]chan struct{}{}
	for _, w := range todo {
		if atOnce[w.app] == nil {
			atOnce[w.app] = make(chan struct{}, linearAtOnce)
		}
	}
	queue := make(chan work)
	var clients sync.WaitGroup
	for who := range linearClients {
		clients.Go(func() {
			for w := range queue {
				atOnce[w.app] <- struct{}{}
				for _, c := range w.calls {
					if c.op == "add" || c.op == "remove" {
						c.name += "." + w.app + ".org"
					}
					r.make(who, w.app, c, w.patience)
				}
				<-atOnce[w.app]
			}
		})
	}
	for _, w := range todo {
		queue <- w
	}
	close(queue)
	clients.Wait()
}

// send makes the request that a call is.
func (r *recorder) send(ctx context.Context, who int, app string, c call) (answer, error) {
	user, builder, place := r.clients[who%len(r.clients)], r.builder[who%len(r.clients)], "/v1/apps/"+app
	switch c.op {
	case "create":
		return user.do(ctx, "POST", "/v1/apps", map[string]string{"id": app})
	case "destroy":
		return user.do(ctx, "DELETE", place, nil)
	case "push":
		return builder.do(ctx, "POST", "/v1/hooks/build", map[string]any{
			"receive_user": by, "receive_repo": app, "image": app, "sha": c.name, "dockerfile": "",
			"procfile": map[string]string{"web": "serve", "worker": "work"},
		})
	case "config":
		return user.do(ctx, "POST", place+"/config", map[string]any{"values": map[string]*string{c.name: c.value}})
	case "rollback":
		body := map[string]int{}
		if c.n != 0 {
			body["version"] = c.n
		}
		return user.do(ctx, "POST", place+"/releases/rollback", body)
	case "scale":
		return user.do(ctx, "POST", place+"/scale", map[string]int{c.name: c.n})
	case "restart":
		return user.do(ctx, "POST", place+"/containers/restart", nil)
	case "add":
		return user.do(ctx, "POST", place+"/domains", map[string]string{"domain": c.name})
	case "remove":
		return user.do(ctx, "DELETE", place+"/domains/"+c.name, nil)
	case "releases":
		return user.do(ctx, "GET", place+"/releases?page_size=1000", nil)
	case "show config":
		return user.do(ctx, "GET", place+"/config", nil)
	case "show app":
		return user.do(ctx, "GET", place, nil)
	case "domains":
		return user.do(ctx, "GET", place+"/domains?page_size=1000", nil)
	}
	return answer{}, fmt.Errorf("there is no %s", c.op)
}

// read takes from an answer what the model knows of.
func read(c call, a answer) (reply, error) {
	r := reply{code: a.code, body: a.body}
	switch {
	case a.code == 409 && c.op == "config" && a.body != configLocked, a.code == 409 && c.op != "config" && !strings.Contains(a.body, "in progress"):
		return r, fmt.Errorf("409 says %q", a.body)
	case a.code >= 500 && a.code != 503:
		return r, fmt.Errorf("%s %q", a.line, a.body)
	case a.code >= 300 || a.code == 204:
		return r, nil
	}
	var body struct {
		Release   struct{ Version int }
		Version   int
		Values    map[string]string
		Structure map[string]int
		Results   []struct{ Summary, Domain string }
	}
	var containers []struct{ Release, Type string }
	var into any = &body
	if c.op == "restart" {
		into = &containers
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		return r, err
	}
	switch c.op {
	case "push":
		r.version = body.Release.Version
	case "rollback":
		r.version = body.Version
	case "config":
		r.values = body.Values
		r.version, _ = strconv.Atoi(a.header.Get("Deis-Release"))
		delete(r.values, "DEIS_APP")
		delete(r.values, "DEIS_RELEASE")
	case "show config":
		r.values = body.Values
	case "show app":
		r.values = texts(body.Structure)
	case "releases", "domains":
		for _, one := range body.Results {
			r.list = append(r.list, one.Summary+one.Domain)
		}
		if c.op == "releases" {
			slices.Reverse(r.list)
		}
	case "restart":
		for _, one := range containers {
			r.list = append(r.list, one.Release+" "+one.Type)
		}
		slices.Sort(r.list)
	}
	return r, nil
}

// configLocked is what Deis v1 said.
const configLocked = `{"error":"Config changes already in progress.\n[Errno 11] Resource temporarily unavailable"}`

// draw makes the calls of one app: each is one, but that an app which is
// destroyed is made again.
func draw(random *rand.Rand, n int) [][]call {
	out := [][]call{{push(random)}}
	weights := []struct {
		weight int
		calls  func() []call
	}{
		{14, func() []call { return []call{push(random)} }},
		{14, func() []call { return []call{setting(random)} }},
		{6, func() []call { return []call{{op: "config", name: fmt.Sprintf("K%d", random.IntN(4))}} }},
		{12, func() []call {
			return []call{{op: "scale", name: []string{"web", "worker"}[random.IntN(2)], n: random.IntN(4)}}
		}},
		{8, func() []call { return []call{{op: "rollback", n: random.IntN(8)}} }},
		{6, func() []call { return []call{{op: "restart"}} }},
		{5, func() []call { return []call{{op: "add", name: fmt.Sprintf("d%d", random.IntN(3))}} }},
		{5, func() []call { return []call{{op: "remove", name: fmt.Sprintf("d%d", random.IntN(3))}} }},
		{2, func() []call { return []call{{op: "destroy"}, {op: "create"}, push(random)} }},
		{8, func() []call { return []call{{op: "releases"}} }},
		{8, func() []call { return []call{{op: "show config"}} }},
		{8, func() []call { return []call{{op: "show app"}} }},
		{4, func() []call { return []call{{op: "domains"}} }},
	}
	all := 0
	for _, w := range weights {
		all += w.weight
	}
	for count := len(out); count < n; {
		at := random.IntN(all)
		for _, w := range weights {
			if at -= w.weight; at < 0 {
				calls := w.calls()
				out, count = append(out, calls), count+len(calls)
				break
			}
		}
	}
	return out
}

func push(random *rand.Rand) call {
	return call{op: "push", name: fmt.Sprintf("%08x", random.Uint32())}
}

func setting(random *rand.Rand) call {
	value := fmt.Sprint(random.Uint64())
	return call{op: "config", name: fmt.Sprintf("K%d", random.IntN(4)), value: &value}
}

// Whatever many clients do at once to some apps, by two controllers and with
// an engine that fails now and then, some order of their calls explains all
// that they were told. The seed is printed.
func TestLinearizable(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	s := newStack(t)
	s.fail = everyCreate(40)
	first, _ := s.controller()
	second, _ := s.controller()
	r := s.record(first, second)

	var todo []work
	for i := range linearApps {
		app := fmt.Sprintf("linear-%d", i)
		r.make(0, app, call{op: "create"}, patient)
		for _, calls := range draw(random, linearCalls/linearApps) {
			w := work{app, calls, patient}
			if random.IntN(25) == 0 {
				w.patience = time.Duration(random.IntN(30)) * time.Millisecond
			}
			todo = append(todo, w)
		}
	}
	random.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })

	// Somebody has the first app's lock for as long as a change of config waits.
	release := s.holdLock("linear-0")
	refused := setting(random)
	all(func() { r.make(0, "linear-0", refused, patient); release() }, func() { r.exercise(todo) })
	for app := range r.history {
		s.eventually(func() string { return s.unsettled(first, app) })
		for _, op := range []string{"releases", "show config", "show app", "domains"} {
			r.make(0, app, call{op: op}, time.Minute)
		}
	}
	took := time.Since(r.began)
	for text := range r.problem {
		t.Error(text)
	}
	if r.codes[409] == 0 || r.codes[503] == 0 || r.codes[0] == 0 || r.codes[404] == 0 {
		t.Errorf("nothing was refused, failed, lost or missing: %v", r.codes)
	}

	deadline := time.Now().Add(linearCheck)
	checked := 0
	for app, history := range r.history {
		if len(history) < linearCalls/linearApps {
			t.Errorf("%s: %d calls only", app, len(history))
		}
		if got := porcupine.CheckOperationsTimeout(checker, history, time.Until(deadline)); got != porcupine.Ok {
			t.Errorf("%s: %s, seed %d:\n%s", app, got, seed, printed(history))
		}
		checked += len(history)
	}
	t.Logf("%d calls by %d clients of %d apps in %v, answers by code %v; %d records checked in %v; seed %d",
		r.calls.Load(), linearClients, linearApps, took.Round(time.Millisecond), r.codes, checked,
		time.Since(r.began.Add(took)).Round(time.Millisecond), seed)
	if r.calls.Load() < linearCalls {
		t.Errorf("%d calls only", r.calls.Load())
	}
}

// Without the apps' locks, two changes at once are one: the checker sees it.
func TestLinearizableSeesALostUpdate(t *testing.T) {
	s := newStack(t)
	s.change = func(n *deis.Needs) { n.Records = unlocked{n.Records} }
	first, _ := s.controller()
	second, _ := s.controller()
	r := s.record(first, second)
	r.make(0, "demo", call{op: "create"}, patient)
	var todo []work
	for i := range 60 {
		value := fmt.Sprint(i)
		todo = append(todo, work{"demo", []call{{op: "config", name: "K" + value, value: &value}}, patient})
	}
	r.exercise(todo)
	r.make(0, "demo", call{op: "show config"}, patient)
	if got := porcupine.CheckOperationsTimeout(checker, r.history["demo"], linearCheck); got != porcupine.Illegal {
		t.Errorf("%s:\n%s", got, printed(r.history["demo"]))
	}
}

// unlocked is records whose locks keep nobody out.
type unlocked struct{ deis.Records }

func (unlocked) Lock(ctx context.Context, _ string, _ time.Duration) (context.Context, func(), error) {
	return ctx, func() {}, nil
}

// printed is a history as text, in the order of its calls.
func printed(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call/1000 - b.Call/1000) })
	var out strings.Builder
	for _, op := range history {
		c := op.Input.(call)
		value := ""
		if c.value != nil {
			value = *c.value
		}
		a := op.Output.(reply)
		fmt.Fprintf(&out, "%9d %9d  %s %s %s %d -> %d v%d %v %q %s\n", op.Call/1000, min(op.Return/1000, 999999999), c.op, c.name, value, c.n, a.code, a.version, a.values, a.list, cut(a))
	}
	return out.String()
}

func cut(r reply) string {
	if r.code < 300 {
		return ""
	}
	return r.body
}
