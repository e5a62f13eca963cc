package images

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/deis/deis/controller/deis"
)

// recorder notes the requests that pass.
type recorder struct {
	http.RoundTripper
	mu    sync.Mutex
	calls []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.calls = append(r.calls, req.Method+" "+req.URL.Scheme+" "+req.URL.Path)
	r.mu.Unlock()
	return r.RoundTripper.RoundTrip(req)
}

// TestReleaseAsksLittle keeps config:set short: every request counts.
func TestReleaseAsksLittle(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	r.push("demo:git-"+sha(1), v1.Config{})
	i := r.images(nil)
	rec := &recorder{RoundTripper: i.internal}
	i.internal = rec
	_, err := i.Release(t.Context(), pushed(2, 1, nil))
	must(t, err)
	puts := 0
	for _, c := range rec.calls {
		if strings.HasPrefix(c, "PUT ") {
			puts++
		}
		if !strings.Contains(c, " http ") {
			t.Error("not plain HTTP:", c)
		}
	}
	if puts != 2 || len(rec.calls) > 10 { // the config's end, and the manifest
		t.Errorf("%d requests:\n%s", len(rec.calls), strings.Join(rec.calls, "\n"))
	}
}

// TestReleaseKeepsTheForm compares media types, of Docker and of OCI.
func TestReleaseKeepsTheForm(t *testing.T) {
	r := newRegistry(t, "127.0.0.1")
	img, err := random.Image(1<<10, 2)
	must(t, err)
	oci := mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	for n, source := range []v1.Image{img, oci} {
		must(t, remote.Write(r.ref("demo:git-"+sha(n+1)), source))
		_, err := r.images(nil).Release(t.Context(), pushed(n+1, n+1, map[string]string{"A": "1"}))
		must(t, err)
		made, err := remote.Image(r.ref(fmt.Sprintf("demo:v%d", n+1)))
		must(t, err)
		was, err := source.Manifest()
		must(t, err)
		is, err := made.Manifest()
		must(t, err)
		if is.MediaType != was.MediaType || is.Config.MediaType != was.Config.MediaType || is.Layers[0].MediaType != was.Layers[0].MediaType {
			t.Errorf("%+v became %+v", was, is)
		}
	}
}

// TestForeignRegistryThatStops sends the beginning of a layer and no more.
func TestForeignRegistryThatStops(t *testing.T) {
	r, other := newRegistry(t, "127.0.0.1"), newRegistry(t, "127.0.0.2")
	other.push("tool:1", v1.Config{})
	over := make(chan struct{})
	whole := other.Config.Handler
	stingy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/blobs/") {
			whole.ServeHTTP(w, req)
			return
		}
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		<-over
	}))
	serve(t, stingy, "127.0.0.3")
	t.Cleanup(func() { close(over) })
	i := r.images(only("127.0.0.3"))
	i.patience = 100 * time.Millisecond
	_, err := i.Release(t.Context(), external(2, stingy.Listener.Addr().String()+"/tool:1"))
	kind(t, err, deis.Unavailable, "could not be fetched: its registry stopped sending")
	if tags := r.tags("demo"); len(tags) != 0 {
		t.Error("something was stored:", tags)
	}
}

// large is an image whose config object would fill the memory.
type large struct{ v1.Image }

func (large) Manifest() (*v1.Manifest, error) {
	return &v1.Manifest{Config: v1.Descriptor{Size: maxConfig + 1}}, nil
}

func TestConfigThatIsNone(t *testing.T) {
	if err := checkSize(large{}); err == nil || reason(err, authn.Anonymous) != "its config is larger than 8 MiB" {
		t.Error(err)
	}
	img, err := random.Image(1<<10, 1)
	must(t, err)
	must(t, checkSize(img))
}

// TestLocalIDs are no names of images anywhere.
func TestLocalIDs(t *testing.T) {
	i := newRegistry(t, "127.0.0.1").images(nil)
	id := strings.Repeat("0a", 32)
	for _, image := range []string{id, "sha256:" + id} {
		_, err := i.Release(t.Context(), external(2, image))
		kind(t, err, deis.Forbidden, "Repository name "+image+" is not allowed")
	}
	if slices.Contains(parts, "base") || slices.Contains(parts, "slugrunner") {
		t.Error("the bases are for everybody")
	}
}
