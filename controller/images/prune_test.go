package images

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A build that was pushed twice is one image under two tags.
func TestPruneKeepsWhatTagsShare(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	i := r.images(nil)
	img := r.push("demo:git-"+sha(1), v1.Config{})
	must(t, remote.Write(r.ref("demo:git-"+sha(2)), img))
	for n, build := range []int{1, 2} {
		_, err := i.Release(t.Context(), pushed(n+1, build, map[string]string{"N": strings.Repeat("x", n)}))
		must(t, err)
	}
	must(t, i.Prune(t.Context(), "demo", 1))
	if tags := r.tags("demo"); !slices.Equal(tags, []string{"git-" + sha(2), "v2"}) {
		t.Error(tags)
	}
	if _, err := i.Release(t.Context(), pushed(3, 2, nil)); err != nil {
		t.Error("the build of a kept release is gone:", err)
	}
}

// A build whose release failed is needed by nobody, but nobody says so.
func TestPruneForgetsBuildsWithoutRelease(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	i := r.images(nil)
	now := time.Now()
	i.now = func() time.Time { return now }
	for n := range 3 {
		r.push("demo:git-"+sha(n+1), v1.Config{})
	}
	r.push("demo:latest", v1.Config{}) // nobody's
	_, err := i.Release(t.Context(), pushed(1, 1, nil))
	must(t, err)
	all := []string{"git-" + sha(1), "git-" + sha(2), "git-" + sha(3), "latest", "v1"}
	for range 2 {
		must(t, i.Prune(t.Context(), "demo", 5))
		if tags := r.tags("demo"); !slices.Equal(tags, all) {
			t.Fatal("before its time:", tags)
		}
	}
	now = now.Add(buildGrace)
	_, err = i.Release(t.Context(), pushed(2, 2, nil)) // at the last moment
	must(t, err)
	must(t, i.Prune(t.Context(), "demo", 5))
	if tags := r.tags("demo"); !slices.Equal(tags, []string{"git-" + sha(1), "git-" + sha(2), "latest", "v1", "v2"}) {
		t.Error(tags)
	}
}

// A release that failed leaves nothing but its build, which may be pushed again.
func TestWithdraw(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	i := r.images(nil)
	r.push("demo:git-"+sha(1), v1.Config{})
	for version := 1; version <= 2; version++ {
		_, err := i.Release(t.Context(), pushed(version, 1, map[string]string{"DEIS_RELEASE": versionTag(version)}))
		must(t, err)
	}
	for range 2 { // and may be repeated
		must(t, i.Withdraw(t.Context(), "demo", 2))
		if tags := r.tags("demo"); !slices.Equal(tags, []string{"git-" + sha(1), "v1"}) {
			t.Error(tags)
		}
	}
	must(t, i.Withdraw(t.Context(), "no-app", 1))
	if _, err := i.Release(t.Context(), pushed(2, 1, nil)); err != nil {
		t.Error("the version cannot be used again:", err)
	}
}

func TestVersions(t *testing.T) {
	got := versions([]string{"v2", "v10", "v1", "git-ab", "v", "v0", "v01", "vx", "latest", "v-1", "v+3"})
	if want := []int{10, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
