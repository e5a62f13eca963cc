package images

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"

	"github.com/deis/deis/controller/deis"
)

// registry is a real one in memory, with the operations that the platform's
// own adds.
type registry struct {
	*httptest.Server
	t    testing.TB
	addr string

	mu      sync.Mutex
	asked   []string // requests under /deis/
	status  int      // their answer
	written int64    // bytes of request bodies
}

// newRegistry starts a registry on an address such as 127.0.0.2.
func newRegistry(t testing.TB, ip string) *registry {
	t.Helper()
	logrus.SetOutput(io.Discard)
	config, err := configuration.Parse(strings.NewReader(`
version: 0.1
http: {secret: test}
log: {level: error, accesslog: {disabled: true}}
storage:
  inmemory: {}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	app := handlers.NewApp(ctx, config)
	r := &registry{t: t, status: http.StatusNoContent}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/deis/") {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.asked = append(r.asked, req.Method+" "+req.URL.Path)
			w.WriteHeader(r.status)
			return
		}
		req.Body = &counting{ReadCloser: req.Body, r: r}
		app.ServeHTTP(w, req)
	}))
	serve(t, r.Server, ip)
	r.addr = r.Listener.Addr().String()
	return r
}

// serve starts a server on an address, over TLS unless it is 127.0.0.1: plain
// HTTP is for the platform's registry.
func serve(t testing.TB, s *httptest.Server, ip string) {
	t.Helper()
	s.Listener.Close()
	var err error
	if s.Listener, err = net.Listen("tcp", ip+":0"); err != nil {
		t.Fatal(err)
	}
	if ip == "127.0.0.1" {
		s.Start()
	} else {
		s.StartTLS()
	}
	t.Cleanup(s.Close)
}

// counting counts what is uploaded.
type counting struct {
	io.ReadCloser
	r *registry
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.written += int64(n)
	return n, err
}

func (r *registry) uploaded() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.written
	r.written = 0
	return n
}

func (r *registry) ref(image string) name.Reference {
	r.t.Helper()
	var plain []name.Option
	if r.TLS == nil {
		plain = append(plain, name.Insecure)
	}
	ref, err := name.ParseReference(r.addr+"/"+image, plain...)
	if err != nil {
		r.t.Fatal(err)
	}
	return ref
}

// client is how tests reach r.
func (r *registry) client() remote.Option {
	return remote.WithTransport(&http.Transport{TLSClientConfig: trust})
}

// push pushes an image with that config and layers of its own.
func (r *registry) push(image string, config v1.Config) v1.Image {
	r.t.Helper()
	img, err := random.Image(100<<10, 3)
	if err == nil {
		img, err = mutate.Config(img, config)
	}
	if err == nil {
		err = remote.Write(r.ref(image), img, r.client())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return img
}

// config reads an image back.
func (r *registry) config(image string) (v1.Config, string) {
	r.t.Helper()
	img, err := remote.Image(r.ref(image))
	if err != nil {
		r.t.Fatalf("%s: %v", image, err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		r.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		r.t.Fatal(err)
	}
	return file.Config, digest.String()
}

func (r *registry) has(image string) bool {
	r.t.Helper()
	_, err := remote.Head(r.ref(image))
	if err != nil && !isNotFound(err) {
		r.t.Fatal(err)
	}
	return err == nil
}

// tags lists a repository, empty if it does not exist.
func (r *registry) tags(app string) []string {
	r.t.Helper()
	tags, err := remote.List(r.ref(app).Context())
	if err != nil && !isNotFound(err) {
		r.t.Fatal(err)
	}
	slices.Sort(tags)
	return tags
}

// images makes Images of a platform whose registry is r, on which the apps
// demo and other exist.
func (r *registry) images(allow Allow) *Images {
	i := New(Config{
		Registry:   func() (string, error) { return r.addr, nil },
		FromEngine: "127.0.0.1:5000",
		IsApp:      func(_ context.Context, id string) (bool, error) { return id == "demo" || id == "other", nil },
		Allow:      allow,
	})
	i.external.(*http.Transport).TLSClientConfig = trust
	return i
}

// trust is for the certificate of httptest, which is in the name of example.com.
var trust = func() *tls.Config {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com"
	return config
}()

// sha is that of the n-th pushed build.
func sha(n int) string { return fmt.Sprintf("%08x", n) }

func pushed(version, build int, env map[string]string) deis.ReleaseImage {
	return deis.ReleaseImage{App: "demo", Version: version, Image: "demo", SHA: sha(build), Build: fmt.Sprint("b", build), Env: env}
}

func external(version int, image string) deis.ReleaseImage {
	return deis.ReleaseImage{App: "demo", Version: version, Image: image, Build: "b1", Env: map[string]string{"A": "1"}}
}
