//go:build integration

package router_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/keys"
)

// TestManyApps has 5,000 apps with 3 endpoints each, and says how long a
// change takes there.
func TestManyApps(t *testing.T) {
	p := start(t, local)
	var ops []etcd.Op
	for a := range 5000 {
		app := fmt.Sprintf("app-%d", a)
		ops = append(ops, etcd.Set(keys.App(app), app))
		for e := range 3 {
			ops = append(ops, etcd.Set(keys.Service(app, job(app, e+1)), fmt.Sprintf("10.%d.%d.%d:5000", a/250, a%250, e+1)))
		}
	}
	rev, err := p.kv.Apply(t.Context(), ops...)
	if err != nil {
		t.Fatal(err)
	}
	p.served(rev)
	one, _ := backend(t, "one")
	timed := func(what string, change func(), host string) {
		began := time.Now()
		change()
		p.eventually(what, func() bool { return p.get(host).status == http.StatusOK })
		t.Logf("%s: routed after %s", what, time.Since(began).Round(time.Millisecond))
	}
	timed("new app", func() {
		p.put(keys.App("demo"), "demo")
		p.put(keys.Service("demo", job("demo", 1)), one)
	}, "demo.localhost")
	timed("new domain", func() { p.put(keys.Domain("www.example.com"), "demo") }, "www.example.com")
	two, _ := backend(t, "two")
	timed("endpoint elsewhere", func() { p.set(keys.Service("demo", job("demo", 1)), two) }, "demo.localhost")
	if a := p.get("demo.localhost"); a.seen.Name != "two" {
		t.Error(a.body)
	}
	if n := p.metric("deis_router_endpoints"); n != 15001 || p.reloads() != 0 {
		t.Error(n, "endpoints,", p.reloads(), "reloads")
	}
	p.expect("www.example.com", http.StatusOK)
}
