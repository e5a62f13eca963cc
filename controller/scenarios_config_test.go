package controller_test

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/keys"
)

var configKeys = []string{"uuid", "app", "owner", "values", "memory", "cpu", "tags", "created", "updated"}

// config is what the app's config holds.
type config struct {
	UUID, Owner          string
	Values, Memory, Tags map[string]string
	CPU                  map[string]int
}

func (w *stage) config() (c config) {
	w.Helper()
	w.want(ok200, w.root, "GET", w.path("config"), nil).decode(w.T, &c)
	return c
}

// reconfigure changes any part of the app's config and returns all of it.
func (w *stage) reconfigure(body map[string]any) (c config) {
	w.Helper()
	w.want(made201, w.root, "POST", w.path("config"), body).decode(w.T, &c)
	return c
}

// has fails the test unless the config's values are these.
func (w *stage) has(want map[string]string) {
	w.Helper()
	if got := w.values(); !maps.Equal(got, want) {
		w.Errorf("values are %v, want %v", got, want)
	}
}

var configScenarios = []scenario{
	{"config", func(w *stage) {
		w.create(w.root)
		if c := w.config(); len(c.Values)+len(c.Memory)+len(c.CPU)+len(c.Tags) != 0 {
			w.Errorf("%+v", c)
		}
		uuids := map[string]bool{w.config().UUID: true}
		for _, step := range []struct {
			values any
			after  map[string]string
		}{
			{map[string]string{"NEW_URL1": "http://localhost:8080/"}, map[string]string{"NEW_URL1": "http://localhost:8080/"}},
			{map[string]string{"NEW_URL2": "two"}, map[string]string{"NEW_URL1": "http://localhost:8080/", "NEW_URL2": "two"}},
			{`{"NEW_URL1": null}`, map[string]string{"NEW_URL2": "two"}}, // old clients encode twice
			{map[string]any{"NEW_URL2": nil, "NONE": nil}, map[string]string{}},
		} {
			w.set(w.root, step.values)
			w.has(step.after)
			uuids[w.config().UUID] = true
		}
		if len(uuids) != 5 {
			w.Errorf("%d configs", len(uuids))
		}
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			w.want(verb405, w.root, method, w.path("config"), nil)
		}
	}},
	// Five seconds are waited for the lock; see TestWhoWaitsHowLong.
	{"overlapping_config", func(w *stage) {
		w.create(w.root)
		release := w.holdLock(w.app)
		if a := w.want("409 CONFLICT", w.root, "POST", w.path("config"), map[string]any{"values": map[string]string{"A": "1"}}); a.body != configLocked {
			w.Error(a.body)
		}
		release()
		w.has(map[string]string{})
	}},
	{"response_data", func(w *stage) {
		w.created(w.root, slug("web"))
		w.shape(w.want(ok200, w.root, "GET", w.path("config"), nil), configKeys...)
		a := w.set(w.root, map[string]string{"PORT": "5000"})
		w.shape(a, configKeys...)
		if want := `"values":{"DEIS_APP":"` + w.app + `","DEIS_RELEASE":"v3","PORT":"5000"}`; !strings.Contains(a.body, want) || a.header.Get("Deis-Release") != "3" {
			w.Errorf("%s %v", a.body, a.header)
		}
		w.has(map[string]string{"PORT": "5000"})
	}},
	{"types_converted", func(w *stage) {
		w.create(w.root)
		w.set(w.root, map[string]any{"PORT": 5000, "RATIO": 1.5, "YES": true, "DAY": "2015-01-02", "TIME": "12:30:00"})
		w.has(map[string]string{"PORT": "5000", "RATIO": "1.5", "YES": "True", "DAY": "2015-01-02", "TIME": "12:30:00"})
		if c := w.reconfigure(map[string]any{"cpu": map[string]any{"web": "1024"}, "memory": map[string]string{"web": "64M"}}); c.CPU["web"] != 1024 || c.Memory["web"] != "64M" {
			w.Errorf("%+v", c)
		}
		w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"cpu": map[string]string{"web": "lots"}}, `{"cpu":["CPU shares must be an integer"]}`)
		w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"values": map[string]any{"A": []int{1}}}, `{"values":[`)
	}},
	{"set_same_key", func(w *stage) {
		w.create(w.root)
		for _, port := range []int{5000, 5001} {
			w.set(w.root, map[string]int{"PORT": port})
			w.has(map[string]string{"PORT": fmt.Sprint(port)})
		}
	}},
	{"set_unicode", func(w *stage) {
		w.created(w.root, slug("web"))
		w.set(w.root, map[string]string{"POWERED_BY": "Деис"})
		w.has(map[string]string{"POWERED_BY": "Деис"})
		w.set(w.root, map[string]any{"POWERED_BY": "Кроликов\n\"\\$HOME", "INTEGER": 1})
		w.has(map[string]string{"POWERED_BY": "Кроликов\n\"\\$HOME", "INTEGER": "1"})
		if env := w.images.released(w.app).Env; env["POWERED_BY"] != "Кроликов\n\"\\$HOME" || env["DEIS_RELEASE"] != "v4" || env["DEIS_APP"] != w.app {
			w.Errorf("%v", env) // v1's containers saw \u041a
		}
	}},
	{"valid_config_keys", func(w *stage) {
		w.create(w.root)
		for _, key := range []string{"FOO", "_foo", "f001", "FOO_BAR_BAZ_"} {
			w.set(w.root, map[string]string{key: "testvalue"})
			if w.values()[key] != "testvalue" {
				w.Errorf("%s: %v", key, w.values())
			}
		}
	}},
	{"invalid_config_keys", func(w *stage) {
		w.create(w.root)
		for _, key := range []string{"123", "../../foo", "FOO/", "FOO-BAR", "", "FOO\n"} {
			w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"values": map[string]string{key: "testvalue"}},
				`{"values":["Config keys must start with a letter or underscore and only contain [A-z0-9_]"]}`)
		}
		w.has(map[string]string{})
	}},
	{"admin", func(w *stage) {
		w.create(w.user("ann"))
		w.set(w.root, map[string]string{"PORT": "5000"})
		w.want(ok200, w.user("ann"), "GET", w.path("config"), nil, `"values":{"PORT":"5000"}`)
	}},
	{"limit_memory", func(w *stage) {
		w.created(w.root, slug("web", "worker2"))
		w.reconfigure(map[string]any{"memory": map[string]string{"web": "1G"}})
		w.reconfigure(map[string]any{"memory": map[string]string{"worker2": "512M"}})
		w.set(w.root, map[string]string{"A": "1"})
		if c := w.config(); !maps.Equal(c.Memory, map[string]string{"web": "1G", "worker2": "512M"}) {
			w.Errorf("%+v", c)
		}
		w.want(done204, w.root, "POST", w.path("scale"), map[string]int{"worker2": 1})
		for job, memory := range map[string]int64{"_v5.web.1": 1 << 30, "_v5.worker2.1": 512 << 20} { // v1 lost worker2's
			if got := w.spec(w.app + job).Memory; got != memory {
				w.Errorf("%s: %d", job, got)
			}
		}
		if c := w.reconfigure(map[string]any{"memory": map[string]any{"web": nil}}); !maps.Equal(c.Memory, map[string]string{"worker2": "512M"}) {
			w.Errorf("%+v", c)
		}
	}},
	{"limit_cpu", func(w *stage) {
		w.created(w.root, slug("web"))
		w.reconfigure(map[string]any{"cpu": map[string]int{"web": 1024}})
		w.set(w.root, map[string]string{"A": "1"})
		if c, shares := w.config(), w.spec(w.app+"_v4.web.1").CPU; c.CPU["web"] != 1024 || shares != 1024 {
			w.Errorf("%+v %d", c, shares)
		}
		w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"cpu": map[string]int{"web": 1025}}, `{"cpu":["CPU shares must be between 0 and 1024"]}`)
		if c := w.reconfigure(map[string]any{"cpu": map[string]any{"web": nil}}); len(c.CPU) != 0 {
			w.Errorf("%+v", c)
		}
	}},
	{"tags", func(w *stage) {
		w.created(w.root, slug("web"))
		w.reconfigure(map[string]any{"tags": map[string]string{"disk": "ssd"}})
		if tags := w.spec(w.app + "_v3.web.1").Tags; tags["disk"] != "ssd" {
			w.Errorf("%v", tags)
		}
		w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"tags": map[string]string{"valid": "in\nvalid"}}, `{"tags":["Invalid tag value"]}`)
		w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"tags": map[string]string{"host.name": "x"}}, `{"tags":["Tag keys can only contain [a-z]"]}`)
		w.want(away503, w.root, "POST", w.path("config"), map[string]any{"tags": map[string]string{"planet": "mars"}}, "no host has the tags planet=mars")
		if c := w.config(); !maps.Equal(c.Tags, map[string]string{"disk": "ssd"}) {
			w.Errorf("%+v", c)
		}
		if c := w.reconfigure(map[string]any{"tags": map[string]any{"disk": nil}}); len(c.Tags) != 0 {
			w.Errorf("%+v", c)
		}
	}},
	{"owner_is_requesting_user", func(w *stage) {
		w.create(w.user("ann"))
		w.want(made201, w.user("ann"), "POST", w.path("perms"), map[string]string{"username": "root"})
		w.set(w.root, map[string]string{"A": "1"})
		if c := w.config(); c.Owner != "root" {
			w.Errorf("%+v", c)
		}
	}},
	{"unauthorized", func(w *stage) {
		w.create(w.user("ann"))
		w.want(not403, w.user("bob"), "POST", w.path("config"), map[string]any{"values": map[string]string{"A": "1"}}, mayNot)
		w.want(not403, w.user("bob"), "GET", w.path("config"), nil, mayNot)
	}},
	{"healthcheck_good", func(w *stage) {
		w.created(w.root, slug("web", "worker"))
		w.want(done204, w.root, "POST", w.path("scale"), map[string]int{"worker": 1})
		w.set(w.root, map[string]string{"HEALTHCHECK_URL": "/health"})
		if h := w.spec(w.app + "_v3.web.1").Identity.Health; h == nil || h.URL != "/health" || h.Timeout != 1 || h.InitialDelay != 0 {
			w.Errorf("%+v", h)
		}
		if h := w.spec(w.app + "_v3.worker.1").Identity.Health; h != nil {
			w.Errorf("nobody asks a worker: %+v", h)
		}
		e, ok, err := w.kv.Get(w.Context(), "/deis/config/"+w.app+"/healthcheck_url")
		if err != nil || !ok || e.Value != "/health" {
			w.Errorf("%+v %v %v", e, ok, err)
		}
		w.runs("v3.web.1", "v3.worker.1")
	}},
	// The publisher makes the check and says what came of it.
	{"healthcheck_bad", func(w *stage) {
		w.created(w.root, slug("web"))
		url := w.soon("GET /health got 500")
		root := w.as(url, by)
		w.want(away503, root, "POST", w.path("config"), map[string]any{"values": map[string]string{"HEALTHCHECK_URL": "/health"}},
			`{"detail":"aborting, app containers failed to respond to health check: web.1 was not ready in time: GET /health got 500.`)
		if n := w.count(w.root, w.path("releases")); n != 2 {
			w.Errorf("%d releases", n)
		}
		w.has(map[string]string{}) // in v1 it stayed, and failed all later ones
		w.runs("v2.web.1")
		w.want(ok200, w.root, "GET", w.path("logs"), nil, "ERROR ["+w.app+"]: release v3 failed: aborting, app containers failed to respond to health check: web.1 was not ready in time: GET /health got 500.")
	}},
	{"initial_delay", func(w *stage) {
		w.created(w.root, slug("web"))
		w.set(w.root, map[string]string{"HEALTHCHECK_URL": "/", "HEALTHCHECK_INITIAL_DELAY": "25"})
		if h := w.spec(w.app + "_v3.web.1").Identity.Health; h == nil || h.InitialDelay != 25 {
			w.Errorf("%+v", h)
		}
		w.want(bad400, w.root, "POST", w.path("config"), map[string]any{"values": map[string]string{"HEALTHCHECK_INITIAL_DELAY": "soon"}}, `{"values":["`)
	}},
	{"timeout", func(w *stage) {
		w.created(w.root, slug("web"))
		w.set(w.root, map[string]string{"HEALTHCHECK_URL": "/", "HEALTHCHECK_TIMEOUT": "6"})
		if h := w.spec(w.app + "_v3.web.1").Identity.Health; h == nil || h.Timeout != 6 {
			w.Errorf("%+v", h)
		}
	}},
	{"connection_error", func(w *stage) {
		w.created(w.root, slug("web"))
		root := w.as(w.soon(""), by)
		w.want(away503, root, "POST", w.path("config"), map[string]any{"values": map[string]string{"HEALTHCHECK_URL": "/health"}},
			`{"detail":"aborting, app containers failed to respond to health check: web.1 was not ready in time: nothing answers on its port.`)
		w.has(map[string]string{})
		w.runs("v2.web.1")
	}},
}

// soon is the URL of a controller that does not wait long for the app's next
// containers, which nobody announces; their health check says detail.
func (w *stage) soon(detail string) (url string) {
	w.Helper()
	change := w.stack.change
	w.stack.change = func(n *deis.Needs) { change(n); n.DeployTimeout = time.Second }
	url, _ = w.controller()
	w.stack.change = change
	if detail != "" {
		w.put(keys.Check(w.app, w.app+"_v3.web.1"), `{"ok":false,"detail":"`+detail+`"}`)
	}
	w.publisher.silence(w.app, true)
	w.Cleanup(func() { w.publisher.silence(w.app, false) })
	return url
}
