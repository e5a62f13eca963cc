//go:build integration

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/uuid"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/controller/scheduler/schedulertest"
	"github.com/deis/deis/controller/scheduler/schedulertest/program"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

const (
	app     = "demo"
	missing = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// host is a real Engine with a network and a registry for one test.
type host struct {
	*Scheduler
	engine         *engine.Client
	exposed, plain string // digests
}

func newHost(t *testing.T) host {
	t.Helper()
	e, err := engine.Dial(t.Context(), "unix:///var/run/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	platform := "t" + strings.ToLower(rand.Text())[:10]
	reg := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelError))))
	t.Cleanup(reg.Close)
	cfg := Config{
		Platform: platform, Network: platform + "-apps", Registry: strings.TrimPrefix(reg.URL, "http://"),
		HostTags: map[string]string{"disk": "ssd"},
	}
	h := host{Scheduler: New(cfg, e, slog.New(slog.DiscardHandler)), engine: e}
	_, err = e.NetworkCreate(t.Context(), cfg.Network, network.CreateOptions{
		Labels: map[string]string{labels.Platform: platform}, Options: map[string]string{"com.docker.network.bridge.enable_icc": "false"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.clean(t) })
	base := programImage(t)
	h.plain = push(t, cfg, base, nil)
	h.exposed = push(t, cfg, base, map[string]struct{}{"5000/tcp": {}, "5001/udp": {}})
	return h
}

// clean removes what a test left, and fails if those were containers.
func (h host) clean(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := h.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labels.Platform+"="+h.cfg.Platform))})
	if err != nil {
		t.Error(err)
	}
	for _, c := range list {
		t.Errorf("left: %s", c.Names)
		_ = h.engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
	}
	if err := h.engine.NetworkRemove(ctx, h.cfg.Network); err != nil {
		t.Error(err)
	}
	if err := h.RemoveImages(ctx, app, nil); err != nil {
		t.Error(err)
	}
	if left := h.images(t, ctx); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// images are the digests that the Engine has of the app.
func (h host) images(t *testing.T, ctx context.Context) []string {
	t.Helper()
	list, err := h.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", h.cfg.repository(app)))})
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, img := range list {
		for _, ref := range img.RepoDigests {
			_, digest, _ := strings.Cut(ref, "@")
			digests = append(digests, digest)
		}
	}
	return digests
}

// programImage has schedulertest's program as its only file.
func programImage(t *testing.T) v1.Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "env", "CGO_ENABLED=0", "go", "build", "-o", binary, "./testdata/probe").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	if err := tw.WriteHeader(&tar.Header{Name: program.Path, Mode: 0o755, Size: int64(len(b)), Format: tar.FormatPAX}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func push(t *testing.T, cfg Config, img v1.Image, ports map[string]struct{}) string {
	t.Helper()
	img, err := mutate.Config(img, v1.Config{Entrypoint: []string{program.Path}, ExposedPorts: ports})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(cfg.repository(app) + "@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func (h host) spec(num int, args ...string) deis.Spec {
	return deis.Spec{
		Identity: labels.Identity{UUID: uuid.NewString(), ID: jobid.ID{App: app, Version: 3, Type: "web", Num: num}},
		Image:    h.exposed, Command: args, Memory: 64 << 20,
	}
}

func TestSuite(t *testing.T) {
	h := newHost(t)
	info, err := h.engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	schedulertest.Run(t, schedulertest.Backend{
		Scheduler: h, Platform: h.cfg.Platform, App: app, Exposed: h.exposed, Plain: h.plain, Missing: missing, Hostname: info.Name,
	})
}

// TestByHand does to containers what operators and kernels do.
func TestByHand(t *testing.T) {
	h := newHost(t)
	spec := h.spec(1, "serve")
	id := spec.Identity.UUID
	must(t, h.Create(t.Context(), spec))
	must(t, h.Start(t.Context(), id))
	defer func() { must(t, h.Destroy(t.Context(), id)) }()

	c := h.one(t)
	if !strings.HasPrefix(c.Name, "/"+h.cfg.Platform+".") {
		t.Errorf("name %s", c.Name)
	}
	if err := syscall.Kill(c.State.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.await(t, "started again after its death", func(st deis.Status) bool { return st.State == deis.StateUp && st.Restarts == 1 })

	must(t, h.engine.ContainerPause(t.Context(), c.ID))
	h.await(t, "down when paused", func(st deis.Status) bool { return st.State == deis.StateDown })
	must(t, h.Start(t.Context(), id))
	h.await(t, "up again", func(st deis.Status) bool { return st.State == deis.StateUp })

	must(t, h.engine.ContainerStop(t.Context(), c.ID, container.StopOptions{}))
	h.await(t, "down when stopped", func(st deis.Status) bool { return st.State == deis.StateDown && st.Exposed })
	must(t, h.Start(t.Context(), id))
	h.await(t, "up again", func(st deis.Status) bool { return st.State == deis.StateUp })

	must(t, h.engine.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{Force: true}))
	if all, err := h.States(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
	must(t, h.Create(t.Context(), spec))
	must(t, h.Start(t.Context(), id))
	h.await(t, "made again", func(st deis.Status) bool { return st.State == deis.StateUp && st.Restarts == 0 })
}

// TestPlatformsShareAnEngine runs the same job for two of them.
func TestPlatformsShareAnEngine(t *testing.T) {
	one, two := newHost(t), newHost(t)
	for _, h := range []host{one, two} {
		spec := h.spec(1, "serve")
		must(t, h.Create(t.Context(), spec))
		must(t, h.Start(t.Context(), spec.Identity.UUID))
		defer func() { must(t, h.Destroy(t.Context(), spec.Identity.UUID)) }()
	}
	for _, h := range []host{one, two} {
		if all, err := h.States(t.Context(), ""); err != nil || len(all) != 1 {
			t.Errorf("%+v %v", all, err)
		}
	}
}

func TestRemoveImagesKeepsWhatIsAskedFor(t *testing.T) {
	h := newHost(t)
	for i, digest := range []string{h.exposed, h.plain} {
		spec := h.spec(i+1, "serve")
		spec.Image = digest
		must(t, h.Create(t.Context(), spec))
		must(t, h.Destroy(t.Context(), spec.Identity.UUID))
	}
	tag := h.cfg.repository(app) + ":git-12345678" // as the builder has it
	must(t, h.engine.ImageTag(t.Context(), h.cfg.repository(app)+"@"+h.plain, tag))
	must(t, h.RemoveImages(t.Context(), app, nil))
	if got := h.images(t, t.Context()); !slices.Equal(got, []string{h.plain}) {
		t.Errorf("have %v, want the tagged one only", got)
	}
	if _, err := h.engine.ImageRemove(t.Context(), tag, image.RemoveOptions{}); err != nil {
		t.Error(err)
	}
	spec := h.spec(1, "serve")
	must(t, h.Create(t.Context(), spec))
	must(t, h.Destroy(t.Context(), spec.Identity.UUID))
	must(t, h.RemoveImages(t.Context(), app, func(context.Context) ([]string, error) { return []string{h.exposed}, nil }))
	if got := h.images(t, t.Context()); !slices.Equal(got, []string{h.exposed}) {
		t.Errorf("have %v, want %s", got, h.exposed)
	}
}

// one is the only container.
func (h host) one(t *testing.T) container.InspectResponse {
	t.Helper()
	all, err := h.States(t.Context(), app)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	c, err := h.engine.ContainerInspect(t.Context(), all[0].Container)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// await waits until the only container's status satisfies ok.
func (h host) await(t *testing.T, what string, ok func(deis.Status) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var last []deis.Status
	err := retry.Until(ctx, 20*time.Millisecond, func(ctx context.Context) (done bool, err error) {
		last, err = h.States(ctx, app)
		return len(last) == 1 && ok(last[0]), err
	})
	if err != nil {
		t.Fatalf("never: %s: %v, %+v", what, err, last)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
