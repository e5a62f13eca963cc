package announce

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/keys"
	"github.com/deis/deis/internal/labels"
)

const host = "/deis/publisher/hosts/10.1.1.1"

func TestAnnounceAndEnd(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	ln, port := listen(t)
	run(t, e, kv)
	eventually(t, "presence without containers", func() bool { return value(t, kv, host) == "10.1.1.1" })

	key := keys.Service("demo", "demo_v1.web.1")
	for _, how := range []struct {
		action     events.Action
		attributes map[string]string
	}{
		{events.ActionDie, nil}, {events.ActionStop, nil}, {events.ActionPause, nil}, {events.ActionDestroy, nil},
		{events.ActionKill, map[string]string{"signal": "15"}}, {events.ActionKill, map[string]string{"signal": "9"}},
	} {
		id := "c-" + string(how.action) + how.attributes["signal"]
		e.start(id, contained(id, "demo_v1.web.1", "127.0.0.1", nil, port))
		eventually(t, "announced", func() bool { return value(t, kv, key) == ln.Addr().String() })
		e.mu.Lock()
		delete(e.containers, id)
		e.mu.Unlock()
		e.send(id, how.action, how.attributes)
		eventually(t, "gone after "+id, func() bool { return value(t, kv, key) == "" })
	}

	// A signal that asks to read settings anew ends nothing.
	e.start("hup", contained("hup", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "announced", func() bool { return value(t, kv, key) != "" })
	e.send("hup", events.ActionKill, map[string]string{"signal": "1"})
	e.start("next", contained("next", "demo_v1.web.2", "127.0.0.1", nil, port)) // events are in order
	eventually(t, "the next", func() bool { return value(t, kv, keys.Service("demo", "demo_v1.web.2")) != "" })
	if value(t, kv, key) == "" {
		t.Error("HUP ended an announcement")
	}
}

func TestOnlyRoutableOfThisPlatform(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	_, port := listen(t)
	for _, job := range []string{"demo_v1.worker.1", "demo_v1.run.1", "demo_v1.webhook.1", "demo_v1.cmdline.1"} {
		e.put(job, contained(job, job, "127.0.0.1", nil, port))
	}
	other := contained("other", "demo_v1.web.7", "127.0.0.1", nil, port)
	other.Config.Labels[labels.Platform] = "q"
	e.put("other", other)
	e.put("mute", contained("mute", "demo_v1.web.8", "127.0.0.1", nil)) // exposes nothing
	e.put("udp", contained("udp", "demo_v1.web.9", "127.0.0.1", nil, strings.Replace(port, "tcp", "udp", 1)))
	e.put("cmd", contained("cmd", "demo_v1.cmd.1", "127.0.0.1", nil, port))
	run(t, e, kv)
	eventually(t, "the first pass", func() bool { return value(t, kv, host) != "" })
	s, err := kv.List(t.Context(), keys.Services)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Keys) != 1 || s.Keys[keys.Service("demo", "demo_v1.cmd.1")].Value == "" {
		t.Error(s.Keys)
	}
}

func TestLowestPortAndLateListener(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	ln, low := listen(t)
	addr := ln.Addr().String()
	_ = ln.Close()
	run(t, e, kv)
	e.start("c", contained("c", "demo_v1.web.1", "127.0.0.1", nil, "65535/tcp", low, "1/udp"))
	eventually(t, "the first pass", func() bool { return value(t, kv, host) != "" })
	key := keys.Service("demo", "demo_v1.web.1")
	if v := value(t, kv, key); v != "" {
		t.Fatal("announced before it answers:", v)
	}
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	eventually(t, "announced", func() bool { return value(t, kv, key) == addr })
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	_, port := listen(t)
	_, stop := run(t, e, kv)
	key, withdraw := keys.Service("demo", "demo_v1.web.1"), keys.Withdraw("demo", "demo_v1.web.1")
	e.start("old", contained("old", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "announced", func() bool { return value(t, kv, key) != "" })
	if _, err := kv.Put(t.Context(), withdraw, "old"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "withdrawn", func() bool { return value(t, kv, key) == "" })

	// Neither its start, nor the next publisher, nor the end of the key bring it back.
	e.send("old", events.ActionStart, nil)
	stop()
	run(t, e, kv)
	e.start("w2", contained("w2", "demo_v1.web.2", "127.0.0.1", nil, port))
	eventually(t, "another", func() bool { return value(t, kv, keys.Service("demo", "demo_v1.web.2")) != "" })
	if _, _, err := kv.Delete(t.Context(), withdraw); err != nil {
		t.Fatal(err)
	}
	e.send("old", events.ActionStart, nil)
	e.start("w3", contained("w3", "demo_v1.web.3", "127.0.0.1", nil, port))
	eventually(t, "a third", func() bool { return value(t, kv, keys.Service("demo", "demo_v1.web.3")) != "" })
	if v := value(t, kv, key); v != "" {
		t.Error("a withdrawn container is back:", v)
	}
	// A new container of that name is another one.
	e.end("old")
	e.start("new", contained("new", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "the name is announced again", func() bool { return value(t, kv, key) != "" })
}

func TestHealthCheck(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	var status atomic.Int64
	status.Store(http.StatusFound)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" || r.URL.RawQuery != "full=1" || r.Header.Get("User-Agent") != "deis-publisher" {
			t.Error("asked for", r.URL, r.Header)
		}
		w.Header().Set("Location", "http://127.0.0.2:1/health")
		w.WriteHeader(int(status.Load()))
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	run(t, e, kv)
	key, check := keys.Service("demo", "demo_v1.web.1"), keys.Check("demo", "demo_v1.web.1")
	result := func() (r CheckResult) {
		_ = json.Unmarshal([]byte(value(t, kv, check)), &r) // empty while there is none
		return r
	}
	e.start("c", contained("c", "demo_v1.web.1", "127.0.0.1", &labels.HealthCheck{URL: "health?full=1", Timeout: 1}, port+"/tcp"))
	eventually(t, "a redirect fails", func() bool { return strings.Contains(result().Detail, "302") })
	if r := result(); r.OK || r.Container != "c" || r.At.IsZero() || value(t, kv, key) != "" {
		t.Error(r)
	}
	status.Store(http.StatusOK)
	eventually(t, "announced", func() bool { return value(t, kv, key) != "" })
	eventually(t, "told", func() bool { return result().OK })
	status.Store(http.StatusInternalServerError)
	eventually(t, "retracted", func() bool { return value(t, kv, key) == "" })
	if r := result(); r.OK || r.Detail != "app failed health check (got '500', expected: '200')" {
		t.Error(r)
	}
	status.Store(http.StatusOK)
	eventually(t, "back", func() bool { return value(t, kv, key) != "" })
	e.end("c")
	eventually(t, "nothing left", func() bool { return value(t, kv, key) == "" && value(t, kv, check) == "" })
}

func TestInitialDelayCountsFromTheStart(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	health := &labels.HealthCheck{URL: "/", InitialDelay: 3600, Timeout: 1}
	young := contained("young", "demo_v1.web.1", "127.0.0.1", health, port+"/tcp")
	old := contained("old", "demo_v1.web.2", "127.0.0.1", health, port+"/tcp")
	old.State.StartedAt = time.Now().Add(-2 * time.Hour).Format(time.RFC3339Nano)
	e.put("young", young)
	e.put("old", old)
	run(t, e, kv)
	eventually(t, "the first pass does not wait", func() bool { return value(t, kv, host) != "" })
	eventually(t, "the old one", func() bool { return value(t, kv, keys.Service("demo", "demo_v1.web.2")) != "" })
	if v := value(t, kv, keys.Service("demo", "demo_v1.web.1")); v != "" {
		t.Error("asked before its time:", v)
	}
	if v := value(t, kv, keys.Check("demo", "demo_v1.web.1")); !strings.Contains(v, "initial delay") || !strings.Contains(v, `"waiting":true`) {
		t.Error(v)
	}
}

func TestTargetOf(t *testing.T) {
	t.Parallel()
	c := contained("c", "demo_v2.web.1", "10.0.0.9", &labels.HealthCheck{URL: "//evil.example/x", Timeout: 0}, "80/tcp")
	got, err := targetOf(c, "p", "p-apps")
	if err != nil || got.addr.String() != "10.0.0.9:80" || got.check.String() != "http://10.0.0.9:80/evil.example/x" || got.timeout != maxTimeout {
		t.Error(got, err)
	}
	c.NetworkSettings.Networks["p-apps"].IPAddress = ""
	if _, err := targetOf(c, "p", "p-apps"); err != errNoAddress {
		t.Error(err)
	}
	if _, err := targetOf(contained("c", "demo_v2.web.1", "10.0.0.9", nil, "80/tcp"), "p", "other"); err != errNoAddress {
		t.Error(err)
	}
	c.State.Paused = true
	if _, err := targetOf(c, "p", "p-apps"); err != errNotRunning {
		t.Error(err)
	}
}
