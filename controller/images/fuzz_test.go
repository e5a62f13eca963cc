package images

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/deis/deis/controller/deis"
)

// FuzzForeign looks for names of the platform's own images that are taken for
// others'.
func FuzzForeign(f *testing.F) {
	digest := strings.Repeat("ab", 32)
	for _, image := range []string{
		"nginx", "nginx:1.25", "quay.io/a/b:c", "deis/slugrunner", "deis/controller", "docker.io/deis/router:x", "demo", "library/demo", "index.docker.io/demo",
		"10.0.0.5:5000/demo:v3", "127.0.0.1:5000/demo", "localhost:5000/demo", "LOCALHOST/demo", "localhost.:5000/demo", "[::1]:5000/demo", "[::1]/demo",
		"x.localhost/demo", "example.com/a@sha256:" + digest, digest, "sha256:" + digest, "a b", "", "http://x/y", "A/B", "[::ffff:127.0.0.1]:5000/x",
	} {
		f.Add(image)
	}
	allow := func(ip netip.Addr) bool { return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsUnspecified() }
	i := New(Config{
		Registry: func() (string, error) { return "10.0.0.5:5000", nil }, FromEngine: "127.0.0.1:5000", Allow: allow,
		IsApp: func(_ context.Context, id string) (bool, error) { return id == "demo", nil },
	})
	f.Fuzz(func(t *testing.T, image string) {
		ref, err := i.foreign(t.Context(), image)
		if err != nil {
			var e *deis.Error
			if !errors.As(err, &e) || e.Kind != deis.Invalid && e.Kind != deis.Forbidden || e.Detail == "" && len(e.Fields["image"]) != 1 {
				t.Fatalf("%q: %v is not the client's fault", image, err)
			}
			return
		}
		again, err := name.ParseReference(ref.Name(), name.WeakValidation)
		if err != nil || again.Name() != ref.Name() || strings.ContainsAny(ref.Name(), " \t\r\n") {
			t.Fatalf("%q is %q, that %v: %v", image, ref.Name(), again, err)
		}
		registry, repository := ref.Context().RegistryStr(), ref.Context().RepositoryStr()
		host := registry
		if h, _, err := net.SplitHostPort(registry); err == nil {
			host = h
		}
		host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
		ip, err := netip.ParseAddr(host)
		if host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && !allow(ip.Unmap()) {
			t.Fatalf("%q is fetched from %s", image, registry)
		}
		if repository == "deis/controller" || registry == name.DefaultRegistry && repository == "library/demo" {
			t.Fatalf("%q is %q", image, ref.Name())
		}
	})
}
