package announce

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/keys"
)

func TestSuccessorTakesOver(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	ln, port := listen(t)
	old := contained("lives", "demo_v1.web.1", "127.0.0.1", nil, port)
	old.State.StartedAt = time.Now().Add(-time.Minute).Format(time.RFC3339Nano)
	e.put("lives", old)
	e.put("dies", contained("dies", "demo_v1.web.2", "127.0.0.1", nil, port))
	lives, dies := keys.Service("demo", "demo_v1.web.1"), keys.Service("demo", "demo_v1.web.2")
	foreign := keys.Service("demo", "demo_v1.web.3")

	_, stop := run(t, e, kv)
	eventually(t, "both announced", func() bool { return value(t, kv, lives) != "" && value(t, kv, dies) != "" && value(t, kv, host) != "" })
	before, _, err := kv.Get(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if value(t, kv, lives) == "" || value(t, kv, host) == "" {
		t.Fatal("the keys went with the publisher")
	}
	// While no publisher runs, one container ends, and another stops to answer
	// for a moment, which is no reason to take it away.
	e.mu.Lock()
	delete(e.containers, "dies")
	e.mu.Unlock()
	_ = ln.Close()
	lease, err := kv.Grant(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Put(t.Context(), map[string]string{foreign: "10.9.9.9:80"}); err != nil {
		t.Fatal(err)
	}
	run(t, e, kv)
	eventually(t, "the new presence", func() bool {
		now, _, err := kv.Get(t.Context(), host)
		return err == nil && now.Lease != 0 && now.Lease != before.Lease
	})
	now, _, err := kv.Get(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	held, _, err := kv.Get(t.Context(), lives)
	if err != nil || held.Lease != now.Lease {
		t.Errorf("not taken over: %+v, presence %+v", held, now)
	}
	if value(t, kv, dies) != "" {
		t.Error("the key of a container that ended stays")
	}
	if value(t, kv, foreign) == "" {
		t.Error("another host's key was deleted")
	}
	eventually(t, "what does not answer goes in the end", func() bool { return value(t, kv, lives) == "" })
}

func TestEngineAway(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	_, port := listen(t)
	a, _ := run(t, e, kv)
	key := keys.Service("demo", "demo_v1.web.1")
	e.start("c", contained("c", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "announced", func() bool { return value(t, kv, key) != "" })
	e.mu.Lock()
	e.away = true
	e.mu.Unlock()
	e.broken <- errors.New("connection lost")
	eventually(t, "not ready", func() bool { return a.Ready(t.Context()) != nil })
	if value(t, kv, key) == "" {
		t.Error("unannounced for the Engine's sake")
	}
	// What happened meanwhile is seen afterwards.
	e.mu.Lock()
	delete(e.containers, "c")
	e.away = false
	e.mu.Unlock()
	e.put("d", contained("d", "demo_v1.web.2", "127.0.0.1", nil, port))
	eventually(t, "caught up", func() bool {
		return value(t, kv, key) == "" && value(t, kv, keys.Service("demo", "demo_v1.web.2")) != ""
	})
	eventually(t, "ready", func() bool { return a.Ready(t.Context()) == nil })
}

func TestEtcdAway(t *testing.T) {
	t.Parallel()
	srv, e := etcdtest.Start(t), newFakeEngine()
	kv := srv.Dial()
	_, port := listen(t)
	run(t, e, kv)
	e.start("a", contained("a", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "announced", func() bool { return value(t, kv, keys.Service("demo", "demo_v1.web.1")) != "" })
	srv.Stop()
	e.start("b", contained("b", "demo_v1.web.2", "127.0.0.1", nil, port))
	e.end("a")
	srv.Restart()
	eventually(t, "caught up", func() bool {
		first, _, err1 := kv.Get(t.Context(), keys.Service("demo", "demo_v1.web.1"))
		second, _, err2 := kv.Get(t.Context(), keys.Service("demo", "demo_v1.web.2"))
		return err1 == nil && err2 == nil && first.Value == "" && second.Value != ""
	})
}

// revoke ends a lease as etcd would, by etcd's own HTTP gateway.
func revoke(t *testing.T, endpoint string, lease int64) {
	t.Helper()
	body := fmt.Sprintf(`{"ID": "%d"}`, lease)
	resp, err := http.Post("http://"+endpoint+"/v3/lease/revoke", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

func TestLeaseLost(t *testing.T) {
	t.Parallel()
	srv, e := etcdtest.Start(t), newFakeEngine()
	kv := srv.Dial()
	_, port := listen(t)
	run(t, e, kv)
	key := keys.Service("demo", "demo_v1.web.1")
	e.start("c", contained("c", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "announced", func() bool { return value(t, kv, key) != "" && value(t, kv, host) != "" })
	was, _, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	revoke(t, srv.Endpoints[0], was.Lease)
	eventually(t, "announced anew", func() bool {
		now, _, err := kv.Get(t.Context(), key)
		return err == nil && now.Lease != 0 && now.Lease != was.Lease && value(t, kv, host) != ""
	})
}

func TestDeletedKeysComeBack(t *testing.T) {
	t.Parallel()
	kv, e := etcdtest.New(t), newFakeEngine()
	_, port := listen(t)
	run(t, e, kv)
	key := keys.Service("demo", "demo_v1.web.1")
	e.start("c", contained("c", "demo_v1.web.1", "127.0.0.1", nil, port))
	eventually(t, "announced", func() bool { return value(t, kv, key) != "" })
	if _, _, err := kv.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	eventually(t, "written again", func() bool { return value(t, kv, key) != "" })
}
