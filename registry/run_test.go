package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sync/errgroup"

	"github.com/deis/deis/internal/etcd"
	"github.com/deis/deis/internal/etcdtest"
	"github.com/deis/deis/internal/process"
	"github.com/deis/deis/internal/retry"
	"github.com/deis/deis/registry/sweep"
)

// fixture is a running registry.
type fixture struct {
	t       *testing.T
	addr    string
	storage string
	kv      *etcd.KV
	stop    func()
	restart func()
}

func start(t *testing.T, grace time.Duration) *fixture {
	t.Helper()
	srv := etcdtest.Start(t)
	f := &fixture{t: t, storage: filepath.Join(t.TempDir(), "images"), kv: srv.Dial()}
	f.restart = func() {
		ctx, cancel := context.WithCancel(context.Background())
		ready := make(chan net.Addr, 1)
		cfg := Settings{
			Runtime: process.NewRuntime(slog.New(slog.DiscardHandler)), Listen: "127.0.0.1:0", Storage: f.storage,
			SweepInterval: time.Hour, SweepGrace: grace, Etcd: srv.Endpoints, TTL: 5 * time.Second, Host: "127.0.0.1",
		}
		if f.addr != "" {
			cfg.Listen = f.addr // a restarted registry keeps its address
		}
		cfg.OnReady = func(a net.Addr) { ready <- a }
		done := make(chan error, 1)
		go func() { done <- Run(ctx, cfg) }()
		f.stop = func() {
			if cancel != nil {
				cancel()
				cancel = nil
				<-done
			}
		}
		select {
		case a := <-ready:
			f.addr = a.String()
		case err := <-done:
			t.Fatalf("Run: %v", err)
		case <-time.After(30 * time.Second):
			t.Fatal("not ready")
		}
	}
	f.restart()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) ref(s string) name.Reference {
	f.t.Helper()
	r, err := name.ParseReference(f.addr+"/"+s, name.Insecure)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) push(image string) v1.Image {
	f.t.Helper()
	img, err := random.Image(4096, 3)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := remote.Write(f.ref(image), img); err != nil {
		f.t.Fatalf("push %s: %v", image, err)
	}
	return img
}

// pull reads everything and compares every digest.
func (f *fixture) pull(image string) error {
	img, err := remote.Image(f.ref(image))
	if err != nil {
		return err
	}
	return validate.Image(img)
}

func (f *fixture) digest(image string, img v1.Image) string {
	f.t.Helper()
	d, err := img.Digest()
	if err != nil {
		f.t.Fatal(err)
	}
	return image + "@" + d.String()
}

func (f *fixture) request(method, path string, body io.Reader, header ...string) (int, []byte, http.Header) {
	f.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = "http://" + f.addr + path
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, b, resp.Header
}

func (f *fixture) sweep() sweep.Counts {
	f.t.Helper()
	status, body, _ := f.request("POST", "/deis/sweep", nil)
	var c sweep.Counts
	if err := json.Unmarshal(body, &c); status != 200 || err != nil {
		f.t.Fatalf("sweep: %d %s", status, body)
	}
	return c
}

// blobs counts what is stored.
func (f *fixture) blobs() int {
	f.t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(f.storage, "docker/registry/v2/blobs"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "data" {
			n++
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// age makes all links look as if they were made long ago.
func (f *fixture) age() {
	f.t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(f.storage, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "link" {
			return os.Chtimes(p, old, old)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := retry.Until(ctx, 10*time.Millisecond, func(context.Context) (bool, error) { return ok(), nil }); err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
}

func (f *fixture) key(k string) string {
	f.t.Helper()
	e, _, err := f.kv.Get(context.Background(), k)
	if err != nil {
		f.t.Fatal(err)
	}
	return e.Value
}

func TestServesAndAnnounces(t *testing.T) {
	f := start(t, time.Hour)
	img := f.push("demo:v1")
	for _, image := range []string{"demo:v1", f.digest("demo", img)} {
		if err := f.pull(image); err != nil {
			t.Errorf("pull %s: %v", image, err)
		}
	}
	if tags, err := remote.List(f.ref("demo:v1").Context()); err != nil || len(tags) != 1 {
		t.Errorf("tags: %v, %v", tags, err)
	}
	_, port, _ := net.SplitHostPort(f.addr)
	f.eventually("announced", func() bool {
		return f.key("/deis/registry/host") == "127.0.0.1" && f.key("/deis/registry/port") == port
	})
	if p := f.key("/deis/registry/protocol"); p != "http" {
		t.Errorf("protocol is %q", p)
	}
	secret := f.key("/deis/registry/httpSecret")
	f.stop()
	f.eventually("withdrawn", func() bool { return f.key("/deis/registry/host") == "" })
	f.restart()
	if s := f.key("/deis/registry/httpSecret"); s != secret || len(s) < 32 {
		t.Errorf("secret became %q from %q", s, secret)
	}
	if err := f.pull("demo:v1"); err != nil {
		t.Errorf("pull after restart: %v", err)
	}
}

func TestSweepLeavesWhatIsLive(t *testing.T) {
	f := start(t, time.Nanosecond)
	live := f.push("live:v1")
	if err := remote.Write(f.ref("shared:v1"), live); err != nil { // the same layers in two repositories
		t.Fatal(err)
	}
	dead := f.push("demo:v1")
	f.push("demo:v2")
	f.age()
	before := f.blobs()
	if c := f.sweep(); c.Blobs != 0 || f.blobs() != before {
		t.Fatalf("a sweep of live images removed %+v", c)
	}
	for _, image := range []string{f.digest("demo", dead), f.digest("shared", live)} {
		if err := remote.Delete(f.ref(image)); err != nil {
			t.Fatal(err)
		}
	}
	c := f.sweep()
	if c.Blobs != 5 || f.blobs() != before-5 || c.Bytes == 0 { // 3 layers, config, manifest of dead
		t.Errorf("swept %+v, %d of %d blobs are left", c, f.blobs(), before)
	}
	if c.Repositories != 1 {
		t.Errorf("removed %d empty repositories, not shared alone", c.Repositories)
	}
	for image, want := range map[string]bool{"live:v1": true, "demo:v2": true, "demo:v1": false, "shared:v1": false} {
		if err := f.pull(image); (err == nil) != want {
			t.Errorf("pull %s: %v", image, err)
		}
	}
	if c := f.sweep(); c != (sweep.Counts{}) {
		t.Errorf("a second sweep removed %+v", c)
	}
	f.push("shared:v1")
	if err := f.pull("shared:v1"); err != nil {
		t.Errorf("push to a repository that was removed: %v", err)
	}
}

func TestRemoveRepository(t *testing.T) {
	f := start(t, time.Hour)
	f.push("keep:v1")
	f.push("deis/slugrunner:latest")
	left := f.blobs()
	img := f.push("demo:v1")
	f.push("demo:v2")
	for range 2 { // repeatable
		if status, body, _ := f.request("DELETE", "/deis/repositories/demo", nil); status != 204 {
			t.Fatalf("remove: %d %s", status, body)
		}
	}
	if status, _, _ := f.request("HEAD", "/v2/demo/manifests/v1", nil); status != 404 {
		t.Errorf("by tag: %d", status)
	}
	if err := f.pull(f.digest("demo", img)); err == nil {
		t.Error("still there by digest")
	}
	// The grace of an hour holds nothing back: no repository has the layers.
	if c := f.sweep(); c.Blobs != 10 || f.blobs() != left {
		t.Errorf("swept %+v, %d of %d blobs are left", c, f.blobs(), left)
	}
	if _, err := os.Stat(filepath.Join(f.storage, "docker/registry/v2/repositories/demo")); !os.IsNotExist(err) {
		t.Errorf("folder: %v", err)
	}
	for _, bad := range []string{"deis", "..", "%2e%2e", "a%2fb", "_x", "Demo", "-a", "a-", "a_b", "*", strings.Repeat("a", 65)} {
		if status, _, _ := f.request("DELETE", "/deis/repositories/"+bad, nil); status == 204 {
			t.Errorf("%q was removed", bad)
		}
	}
	for _, image := range []string{"keep:v1", "deis/slugrunner:latest"} {
		if err := f.pull(image); err != nil {
			t.Errorf("pull %s: %v", image, err)
		}
	}
	f.push("demo:v1")
	if err := f.pull("demo:v2"); err == nil {
		t.Error("a new app of the name sees an old release")
	}
}

// A push names its layers last: until then a sweep leaves them, however old
// they are, if the push has asked for them.
func TestSweepSparesPushUnderWay(t *testing.T) {
	f := start(t, time.Hour)
	img := f.push("demo:v1")
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	mt, err := img.MediaType()
	if err != nil {
		t.Fatal(err)
	}
	put := func() int {
		status, _, _ := f.request("PUT", "/v2/demo/manifests/v1", bytes.NewReader(raw), "Content-Type", string(mt))
		return status
	}
	if err := remote.Delete(f.ref(f.digest("demo", img))); err != nil {
		t.Fatal(err)
	}
	if c := f.sweep(); c.Blobs != 1 { // the manifest itself
		t.Errorf("swept %+v of a push under way", c)
	}
	if status := put(); status != 201 {
		t.Errorf("manifest of freshly pushed layers: %d", status)
	}
	if err := remote.Delete(f.ref(f.digest("demo", img))); err != nil {
		t.Fatal(err)
	}
	f.age()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(m.Layers, m.Config) {
		if status, _, _ := f.request("HEAD", "/v2/demo/blobs/"+d.Digest.String(), nil); status != 200 {
			t.Fatalf("layer asked for: %d", status)
		}
	}
	f.sweep()
	if status := put(); status != 201 {
		t.Errorf("manifest of layers that were asked for: %d", status)
	}
	if err := f.pull("demo:v1"); err != nil {
		t.Error(err)
	}
	if err := remote.Delete(f.ref(f.digest("demo", img))); err != nil {
		t.Fatal(err)
	}
	f.age()
	if c := f.sweep(); c.Blobs != 5 || f.blobs() != 0 {
		t.Errorf("a push given up left %d blobs: %+v", f.blobs(), c)
	}
}

func TestPushesDuringSweeps(t *testing.T) {
	f := start(t, time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var sweeps errgroup.Group
	n := 0
	sweeps.Go(func() error {
		for ; ctx.Err() == nil; n++ {
			f.sweep()
		}
		return nil
	})
	var pushes errgroup.Group
	for app := range 4 {
		pushes.Go(func() error {
			for v := range 6 {
				ref := fmt.Sprintf("app%d:v%d", app, v)
				img, err := random.Image(64<<10, 4)
				if err != nil {
					return err
				}
				if err := remote.Write(f.ref(ref), img); err != nil {
					return fmt.Errorf("push %s: %w", ref, err)
				}
			}
			return nil
		})
	}
	if err := pushes.Wait(); err != nil {
		t.Error(err)
	}
	cancel()
	_ = sweeps.Wait()
	for app := range 4 {
		for v := range 6 {
			if err := f.pull(fmt.Sprintf("app%d:v%d", app, v)); err != nil {
				t.Errorf("app%d:v%d after %d sweeps: %v", app, v, n, err)
			}
		}
	}
}

// A body that trickles in holds up no sweep, and an upload goes on where it
// was after a restart.
func TestUploadAcrossSweepAndRestart(t *testing.T) {
	f := start(t, time.Nanosecond)
	layer := []byte(strings.Repeat("a layer. ", 1000))
	digest, _, err := v1.SHA256(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	_, _, h := f.request("POST", "/v2/demo/blobs/uploads/", nil)
	status, _, h := f.request("PATCH", h.Get("Location"), bytes.NewReader(layer[:4000]), "Content-Type", "application/octet-stream")
	if status != 202 {
		t.Fatalf("first part: %d", status)
	}
	f.stop()
	f.restart()

	r, w := io.Pipe()
	type answer struct {
		status int
		header http.Header
	}
	answered := make(chan answer, 1)
	go func() {
		status, _, h := f.request("PUT", h.Get("Location")+"&digest="+digest.String(), r, "Content-Type", "application/octet-stream")
		answered <- answer{status, h}
	}()
	if _, err := w.Write(layer[4000:4100]); err != nil {
		t.Fatal(err)
	}
	f.sweep() // would fail if the request held the gate
	if _, err := w.Write(layer[4100:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if a := <-answered; a.status != 201 {
		t.Fatalf("last part: %d", a.status)
	}
	if _, body, _ := f.request("GET", "/v2/demo/blobs/"+digest.String(), nil); !bytes.Equal(body, layer) {
		t.Error("the layer is not what was sent")
	}
	// An upload that nobody finishes goes after a day, and its repository too.
	f.request("POST", "/v2/left/blobs/uploads/", nil)
	f.sweep()
	uploads := filepath.Join(f.storage, "docker/registry/v2/repositories/left/_uploads")
	inside, err := os.ReadDir(uploads)
	if err != nil || len(inside) != 1 {
		t.Fatalf("a new upload: %v, %v", inside, err)
	}
	started := filepath.Join(uploads, inside[0].Name(), "startedat")
	if err := os.WriteFile(started, []byte(time.Now().Add(-25*time.Hour).Format(time.RFC3339)), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := f.sweep(); c.Uploads != 1 || c.Repositories != 1 {
		t.Errorf("swept %+v", c)
	}
	if _, err := os.Stat(filepath.Dir(uploads)); !os.IsNotExist(err) {
		t.Errorf("the repository of an upload given up: %v", err)
	}
}

// A storage that cannot be opened is tried again.
func TestStorageComesLater(t *testing.T) {
	dir := t.TempDir()
	blocker := filepath.Join(dir, "volume")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := etcdtest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan net.Addr, 1)
	cfg := Settings{
		Runtime: process.NewRuntime(slog.New(slog.DiscardHandler)), Listen: "127.0.0.1:0", Storage: filepath.Join(blocker, "images"),
		SweepInterval: time.Hour, SweepGrace: time.Hour, Etcd: srv.Endpoints, TTL: 5 * time.Second, Host: "127.0.0.1",
	}
	cfg.OnReady = func(a net.Addr) { ready <- a }
	s := newServer(cfg.Log, cfg.Metrics)
	if err := s.checkStorage(ctx); err == nil {
		t.Error("ready before the storage is open")
	}
	cfg.Metrics.Unregister(s.requests)
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("not ready")
	}
	cancel()
	<-done
}
