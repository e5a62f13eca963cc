package deis_test

import (
	"context"
	"sync"
	"testing"

	"github.com/deis/deis/controller/deis"
)

// recorder notes what is created.
type recorder struct {
	deis.Scheduler
	mu    sync.Mutex
	specs []deis.Spec
}

func (r *recorder) Create(ctx context.Context, s deis.Spec) error {
	r.mu.Lock()
	r.specs = append(r.specs, s)
	r.mu.Unlock()
	return r.Scheduler.Create(ctx, s)
}

// created returns what was created since the last time.
func (r *recorder) created() []deis.Spec {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.specs = nil }()
	return r.specs
}

// The operator's unitHostname holds for what starts from then on; one that
// makes no sense fails deploys, and what runs goes on.
func TestUnitHostname(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 1})
	for mode, want := range map[settings]string{"default": "", "application": "demo.v2.web.1", "server": deis.ServerHostname} {
		n := p.needs()
		r := &recorder{Scheduler: n.Scheduler}
		n.Scheduler, n.Settings = r, mode
		if _, err := deis.New(n).Restart(t.Context(), p.by, "demo", "", 0); err != nil {
			t.Fatal(err)
		}
		if specs := r.created(); len(specs) != 1 || specs[0].Hostname != want {
			t.Errorf("%s: %+v", mode, specs)
		}
	}
	n := p.needs()
	n.Settings = settings("nonsense")
	c := deis.New(n)
	_, _, err := c.CreateBuild(t.Context(), p.by, "demo", build(2))
	p.kind(err, deis.Unavailable, "Unsupported hostname: nonsense")
	p.settle(c)
	p.consistent("demo", 2, map[string]int{"web": 1})
}
