package sweep

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestEffectOf(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         effect
		repo, digest string
	}{
		{"GET", "/v2/", none, "", ""},
		{"GET", "/v2/demo/blobs/sha256:ab", none, "", ""},
		{"HEAD", "/v2/demo/manifests/v1", none, "", ""},
		{"HEAD", "/v2/demo/blobs/sha256:ab", claims, "demo", "sha256:ab"},
		{"HEAD", "/v2/deis/slugrunner/blobs/sha256:ab", claims, "deis/slugrunner", "sha256:ab"},
		{"HEAD", "/v2/demo/blobs/uploads/1", none, "", ""},
		{"PATCH", "/v2/demo/blobs/uploads/1", none, "", ""},
		{"POST", "/v2/demo/blobs/uploads/", writes, "", ""},
		{"PUT", "/v2/demo/blobs/uploads/1", writes, "", ""},
		{"PUT", "/v2/demo/manifests/v1", writes, "", ""},
		{"DELETE", "/v2/demo/manifests/sha256:ab", writes, "", ""},
		{"POST", "/other", none, "", ""},
	} {
		e, repo, digest := effectOf(httptest.NewRequest(c.method, c.path, nil))
		if e != c.want || repo != c.repo || digest != c.digest {
			t.Errorf("%s %s: %v %q %q", c.method, c.path, e, repo, digest)
		}
	}
}

func TestGateGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Second)
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := g.shut(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("shut with a request inside: %v", err)
		}
		g.leave()
		open, err := g.shut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("entered a gate that is shut: %v", err)
		}
		open()
		if err := g.enter(t.Context()); err != nil {
			t.Errorf("the gate did not open: %v", err)
		}
		g.leave()
	})
}
