package deis_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/deis/deis/controller/deis"
)

// hoarder is a scheduler that notes which images were to be kept.
type hoarder struct {
	deis.Scheduler

	mu   sync.Mutex
	kept []string
}

func (h *hoarder) RemoveImages(ctx context.Context, _ string, keep func(context.Context) ([]string, error)) error {
	kept, err := keep(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = kept
	return err
}

// What an operation is about to start, and what runs still, keeps its image,
// whenever images are removed.
func TestImagesThatAreKept(t *testing.T) {
	p := newPlatform(t)
	n := p.needs()
	h := &hoarder{Scheduler: n.Scheduler}
	n.Scheduler = h
	c := deis.New(n)
	digest := map[int]string{}
	keeps := func(versions ...int) {
		t.Helper()
		c.KeepImages(t.Context(), "demo")
		var want []string
		for _, v := range versions {
			want = append(want, digest[v])
		}
		h.mu.Lock()
		got := slices.DeleteFunc(slices.Sorted(slices.Values(h.kept)), func(d string) bool { return d == "" }) // of v1
		h.mu.Unlock()
		if slices.Sort(want); !slices.Equal(got, want) || slices.Contains(want, "") {
			t.Fatalf("keeps %v, want those of %v in %v", got, versions, digest)
		}
	}
	released := func() {
		t.Helper()
		p.settle(c)
		digest[p.latest("demo").Version] = p.latest("demo").Image
	}
	p.app(c, "demo", map[string]int{"web": 1})
	released()
	keeps(2)

	_, _, letGo := p.attending(nil) // from v2's
	var once sync.Once
	begun, announce := make(chan deis.Status), make(chan struct{})
	p.started = func(st deis.Status) {
		if st.Job.Version == 3 {
			once.Do(func() { begun <- st })
			<-announce
		}
		p.routes.announce(st)
	}
	deployed := make(chan error, 1)
	go func() {
		_, _, err := c.CreateBuild(context.WithoutCancel(t.Context()), p.by, "demo", build(3))
		deployed <- err
	}()
	<-begun
	pending, err := p.db.PendingReleases(t.Context(), "demo")
	p.must(err)
	digest[3] = pending[0].Image
	keeps(2, 3)
	close(announce)
	p.must(<-deployed)
	p.started = nil
	released()
	for range 2 {
		_, _, err := c.CreateBuild(t.Context(), p.by, "demo", build(4))
		p.must(err)
		released()
	}
	keeps(2, 4, 5) // v2's for the command that is attended
	letGo()
	keeps(4, 5)
}

// Nothing is removed when it is not known what is needed.
func TestImagesWithoutRecords(t *testing.T) {
	p := newPlatform(t)
	p.app(p.controller(), "demo", map[string]int{"web": 1})
	n := p.needs()
	records := &restless{Records: n.Records}
	records.away.Store(true)
	h := &hoarder{Scheduler: n.Scheduler, kept: []string{"x"}}
	n.Records, n.Scheduler = records, h
	deis.New(n).KeepImages(t.Context(), "demo")
	if len(h.kept) > 0 {
		t.Error("kept", h.kept)
	}
}
