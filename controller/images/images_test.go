package images

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/deis/deis/controller/deis"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func kind(t testing.TB, err error, want deis.Kind, part string) {
	t.Helper()
	var e *deis.Error
	if !errors.As(err, &e) || e.Kind != want || !strings.Contains(err.Error(), part) {
		t.Errorf("error is %v of kind %d, want kind %d with %q", err, deis.KindOf(err), want, part)
	}
}

func layers(t testing.TB, img v1.Image) []v1.Hash {
	t.Helper()
	m, err := img.Manifest()
	must(t, err)
	var out []v1.Hash
	for _, l := range m.Layers {
		out = append(out, l.Digest)
	}
	return out
}

func TestReleaseOfAPushedBuild(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	img := r.push("demo:git-"+sha(1), v1.Config{
		Env:        []string{"PATH=/bin", "COLOR=red", "KEEP=a=b", "COLOR=again"},
		Labels:     map[string]string{"deis.app": "other", "deis.platform": "deis", "maintainer": "ann"},
		Entrypoint: []string{"/runner/init"}, WorkingDir: "/app", User: "app", ExposedPorts: map[string]struct{}{"5000/tcp": {}},
	})
	i := r.images(nil)
	r.uploaded()
	env := map[string]string{"COLOR": "blue \"'$\\\n\té\U0001F600", "EMPTY": "", "DEIS_APP": "demo", "DEIS_RELEASE": "v2"}
	digest, err := i.Release(t.Context(), pushed(2, 1, env))
	must(t, err)
	if n := r.uploaded(); n > 8<<10 {
		t.Errorf("%d bytes were uploaded; layers must not move", n)
	}
	got, at := r.config("demo:v2")
	if at != digest {
		t.Errorf("v2 is %s, want %s", at, digest)
	}
	want := v1.Config{
		Env:        []string{"PATH=/bin", "COLOR=" + env["COLOR"], "KEEP=a=b", "DEIS_APP=demo", "DEIS_RELEASE=v2", "EMPTY="},
		Labels:     map[string]string{"deis.source": "git-" + sha(1), "maintainer": "ann"},
		Entrypoint: []string{"/runner/init"}, WorkingDir: "/app", User: "app",
	}
	if !slices.Equal(got.Env, want.Env) || !maps.Equal(got.Labels, want.Labels) || !slices.Equal(got.Entrypoint, want.Entrypoint) ||
		got.WorkingDir != want.WorkingDir || got.User != want.User || len(got.ExposedPorts) != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	released, err := remote.Image(r.ref("demo@" + digest))
	must(t, err)
	if !slices.Equal(layers(t, released), layers(t, img)) {
		t.Error("layers differ")
	}

	// The same again is the same; another image of the version replaces it.
	if again, err := i.Release(t.Context(), pushed(2, 1, env)); again != digest || err != nil {
		t.Error(again, err)
	}
	second, err := i.Release(t.Context(), pushed(2, 1, map[string]string{"DEIS_RELEASE": "v2"}))
	must(t, err)
	if _, at := r.config("demo:v2"); at != second || second == digest {
		t.Errorf("v2 is %s, want %s", at, second)
	}
	if r.has("demo@" + digest) {
		t.Error("the image that v2 was before stays")
	}
	if tags := r.tags("demo"); !slices.Equal(tags, []string{"git-" + sha(1), "v2"}) {
		t.Error(tags)
	}

	_, err = i.Release(t.Context(), pushed(3, 9, nil))
	kind(t, err, deis.Unavailable, "The image of release v3 could not be made.")
	in := pushed(3, 1, nil)
	in.Image = "other"
	_, err = i.Release(t.Context(), in)
	kind(t, err, deis.Forbidden, "Repository name other is not allowed")
}

// only lets images come from one address.
func only(ip string) Allow {
	return func(a netip.Addr) bool { return a == netip.MustParseAddr(ip) }
}

func TestReleaseOfAnImageFromElsewhere(t *testing.T) {
	r, other := newRegistry(t, "127.0.0.1"), newRegistry(t, "127.0.0.2")
	i := r.images(only("127.0.0.2"))
	img := other.push("team/tool:1", v1.Config{Env: []string{"A=0", "B=2"}, Labels: map[string]string{"deis.uuid": "x"}})
	digest, err := i.Release(t.Context(), external(2, other.addr+"/team/tool:1"))
	must(t, err)
	got, at := r.config("demo:v2")
	if at != digest || !slices.Equal(got.Env, []string{"A=1", "B=2"}) || !maps.Equal(got.Labels, map[string]string{"deis.source": "build-b1"}) {
		t.Errorf("%s: %+v", at, got)
	}
	copied, err := remote.Image(r.ref("demo:build-b1"))
	must(t, err)
	if !slices.Equal(layers(t, copied), layers(t, img)) {
		t.Error("layers differ")
	}
	// From here on the platform does not depend on the other registry.
	other.Close()
	r.uploaded()
	if _, err := i.Release(t.Context(), external(3, other.addr+"/team/tool:1")); err != nil {
		t.Error(err)
	}
	if n := r.uploaded(); n > 8<<10 {
		t.Errorf("%d bytes were uploaded; layers must not move", n)
	}
	in := external(4, other.addr+"/team/tool:1")
	in.Build = "b2"
	_, err = i.Release(t.Context(), in)
	kind(t, err, deis.Unavailable, "could not be fetched: ")
}

func TestImageOfManyArchitectures(t *testing.T) {
	r, other := newRegistry(t, "127.0.0.1"), newRegistry(t, "127.0.0.2")
	index := v1.ImageIndex(empty.Index)
	var ours v1.Image
	for _, arch := range []string{"s390x", runtime.GOARCH, "riscv64"} {
		img, err := random.Image(1<<10, 1)
		must(t, err)
		if arch == runtime.GOARCH {
			ours = img
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	must(t, remote.WriteIndex(other.ref("tool"), index, other.client()))
	digest, err := r.images(only("127.0.0.2")).Release(t.Context(), external(2, other.addr+"/tool"))
	must(t, err)
	img, err := remote.Image(r.ref("demo@" + digest))
	must(t, err)
	if !slices.Equal(layers(t, img), layers(t, ours)) {
		t.Error("another architecture was taken")
	}
}

func TestImagesThatAreNotAllowed(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	r.push("other:v2", v1.Config{Env: []string{"SECRET=1"}})
	i := r.images(nil)
	_, digest := r.config("other:v2")
	_, port, err := net.SplitHostPort(r.addr)
	must(t, err)
	own := ownAddress(t)
	for _, image := range []string{
		r.addr + "/other:v2", r.addr + "/other@" + digest, "localhost:" + port + "/other:v2", "LOCALHOST:" + port + "/other:v2",
		"localhost/other", "registry.localhost/other", "127.0.0.1:5000/other", "127.0.0.1:" + port + "/other", "127.0.0.2:" + port + "/other",
		"127.0.0.1/other", "[::1]:" + port + "/other", "0.0.0.0:" + port + "/other", "[::ffff:127.0.0.1]:" + port + "/other",
		"169.254.169.254/other", own + ":" + port + "/other", "2130706433:" + port + "/other", "0x7f000001:" + port + "/other", "127.1:" + port + "/other",
		"other", "other:v2", "other@" + digest, "demo", "demo:git-" + sha(1), "library/other", "docker.io/library/other", "index.docker.io/other", "docker.io/other:v1",
		"deis/controller", "deis/controller:1.14.0", "docker.io/deis/etcd", "deis/registry@" + digest, "deis/slugbuilder", "deis/filter",
		"mirror.example.com/deis/database:1.14.0",
	} {
		digest, err := i.Release(t.Context(), external(2, image))
		if err == nil {
			t.Errorf("%s was released as %s", image, digest)
			continue
		}
		if k := deis.KindOf(err); k != deis.Forbidden && k != deis.Invalid && !errors.Is(err, errNotAllowed) && !unresolved(err) {
			t.Errorf("%s: kind %d, %v", image, k, err)
		}
	}
	for _, image := range []string{"UPPER/case", "a b", "http://x/y", "", "x:y:z", "x@sha256:12"} {
		if _, err := i.Release(t.Context(), external(2, image)); deis.KindOf(err) != deis.Invalid {
			t.Errorf("%q: %v", image, err)
		}
	}
	if tags := r.tags("demo"); len(tags) != 0 {
		t.Error("something was stored:", tags)
	}
	// The bases that users may build on, and public images, are none of ours.
	for _, image := range []string{"deis/slugrunner", "deis/base:latest", "deis/example-go", "redis:7", "example.com/other:1", "ann/other"} {
		if _, err := i.foreign(t.Context(), image); err != nil {
			t.Errorf("%s: %v", image, err)
		}
	}
}

// unresolved says that a name was taken for one of DNS, and is none.
func unresolved(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

// ownAddress is an address of this host that is not loopback, or loopback if
// there is no other.
func ownAddress(t *testing.T) string {
	addrs, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	return "127.0.0.1"
}

// What a name means is known only when it is dialled, and redirects are
// followed: both must not lead to the platform.
func TestDialRefusesThePlatform(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	_, port, err := net.SplitHostPort(r.addr)
	must(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:"+port+"/v2/", nil)
	must(t, err)
	resp, err := r.images(nil).external.RoundTrip(req)
	if !errors.Is(err, errNotAllowed) {
		t.Error(err)
	}
	if err == nil {
		resp.Body.Close()
	}

	r.push("other:v2", v1.Config{})
	lure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/" {
			return
		}
		http.Redirect(w, req, "http://"+r.addr+req.URL.Path, http.StatusTemporaryRedirect)
	}))
	serve(t, lure, "127.0.0.2")
	_, err = r.images(only("127.0.0.2")).Release(t.Context(), external(2, lure.Listener.Addr().String()+"/other:v2"))
	kind(t, err, deis.Unavailable, "could not be fetched: ")
	if tags := r.tags("demo"); len(tags) != 0 {
		t.Error("something was stored:", tags)
	}
}

func TestWhyAnImageCannotBeFetched(t *testing.T) {
	r, other := newRegistry(t, "127.0.0.1"), newRegistry(t, "127.0.0.2")
	private := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	serve(t, private, "127.0.0.2")
	closed := httptest.NewUnstartedServer(nil)
	serve(t, closed, "127.0.0.2")
	closed.Close()
	i := r.images(only("127.0.0.2"))
	for host, why := range map[string]string{
		other.addr:                       "its registry does not have it",
		private.Listener.Addr().String(): "its registry does not have it, or not for everybody",
		closed.Listener.Addr().String():  "connect: connection refused",
		"no-such-host.invalid":           "no-such-host.invalid is not a known host",
	} {
		_, err := i.Release(t.Context(), external(2, host+"/tool:1"))
		var e *deis.Error
		if want := "The image " + host + "/tool:1 could not be fetched: " + why + "."; !errors.As(err, &e) || e.Detail != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestNotOurs(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": false, "::1": false, "0.0.0.0": false, "::": false, "169.254.169.254": false, "fe80::1": false, "224.0.0.1": false,
		ownAddress(t): false, "8.8.8.8": true, "2001:db8::7": true,
	} {
		if got := notOurs(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestPrune(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	i := r.images(nil)
	must(t, i.Prune(t.Context(), "demo", 2)) // nothing there
	r.push("demo:git-"+sha(1), v1.Config{})
	r.push("demo:git-"+sha(2), v1.Config{})
	r.push("demo:git-"+sha(3), v1.Config{})
	r.push("demo:git-"+sha(4), v1.Config{}) // not released yet
	// v2 and v5 are of build 1, v3 of 2, v4 and v6 of 3.
	for n, build := range []int{1, 2, 3, 1, 3} {
		_, err := i.Release(t.Context(), pushed(n+2, build, map[string]string{"N": strings.Repeat("x", n)}))
		must(t, err)
	}
	for range 2 {
		must(t, i.Prune(t.Context(), "demo", 2))
		if tags := r.tags("demo"); !slices.Equal(tags, []string{"git-" + sha(1), "git-" + sha(3), "git-" + sha(4), "v5", "v6"}) {
			t.Fatal(tags)
		}
	}
	if _, err := i.Release(t.Context(), pushed(7, 1, nil)); err != nil {
		t.Error("a source of a kept release is gone:", err)
	}
}

func TestDelete(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	i := r.images(nil)
	for _, status := range []int{http.StatusNoContent, http.StatusNotFound} {
		r.status, r.asked = status, nil
		must(t, i.Delete(t.Context(), "demo"))
		if want := []string{"DELETE /deis/repositories/demo", "POST /deis/sweep"}; !slices.Equal(r.asked, want) {
			t.Error(r.asked)
		}
	}
	r.status = http.StatusServiceUnavailable
	kind(t, i.Delete(t.Context(), "demo"), deis.Unavailable, "The app's images could not be deleted.")
}

func TestRegistryAway(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	i := r.images(nil)
	r.Close()
	_, err := i.Release(t.Context(), pushed(2, 1, nil))
	kind(t, err, deis.Unavailable, "The image of release v2 could not be made.")
	_, err = i.Release(t.Context(), external(2, "redis:7"))
	kind(t, err, deis.Unavailable, "The registry is not available.")
	i.cfg.Registry = func() (string, error) { return "", errors.New("not announced") }
	_, err = i.Release(t.Context(), pushed(2, 1, nil))
	kind(t, err, deis.Unavailable, "The registry is not available.")
	kind(t, i.Delete(t.Context(), "demo"), deis.Unavailable, "The registry is not available.")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newRegistry(t, "127.0.0.1").images(nil).Release(ctx, pushed(2, 1, nil)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkRelease is the manifest rewrite that stands between config:set and
// the start of containers.
func BenchmarkRelease(b *testing.B) {
	r := newRegistry(b, "127.0.0.1")
	r.push("demo:git-"+sha(1), v1.Config{Env: []string{"PATH=/bin"}})
	i := r.images(nil)
	for n := 2; b.Loop(); n++ {
		if _, err := i.Release(b.Context(), pushed(n, 1, map[string]string{"N": strings.Repeat("x", n%100)})); err != nil {
			b.Fatal(err)
		}
	}
}
