// Package build makes an app's image from its source: by its Dockerfile, or by
// a buildpack in a slugbuilder. It gives the image to the platform's registry
// and keeps the Engine tidy.
package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/docker/docker/api/types"
	dockerbuild "github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/deis/deis/internal/procfile"
)

// Engine is what builds need of the Docker Engine.
type Engine interface {
	ImageBuild(ctx context.Context, context io.Reader, o dockerbuild.ImageBuildOptions) (dockerbuild.ImageBuildResponse, error)
	InspectImage(ctx context.Context, ref string) (image.InspectResponse, error)
	ImageList(ctx context.Context, o image.ListOptions) ([]image.Summary, error)
	ImagePull(ctx context.Context, ref string, o image.PullOptions) (io.ReadCloser, error)
	ImagePush(ctx context.Context, ref string, o image.PushOptions) (io.ReadCloser, error)
	ImageRemove(ctx context.Context, ref string, o image.RemoveOptions) ([]image.DeleteResponse, error)
	ImagesPrune(ctx context.Context, f filters.Args) (image.PruneReport, error)
	ContainerCreate(ctx context.Context, c *container.Config, h *container.HostConfig, n *network.NetworkingConfig, p *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerAttach(ctx context.Context, id string, o container.AttachOptions) (types.HijackedResponse, error)
	ContainerStart(ctx context.Context, id string, o container.StartOptions) error
	ContainerWait(ctx context.Context, id string, c container.WaitCondition) (<-chan container.WaitResponse, <-chan error)
	ContainerRemove(ctx context.Context, id string, o container.RemoveOptions) error
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
	CopyFromContainer(ctx context.Context, id, path string) (io.ReadCloser, container.PathStat, error)
	VolumeCreate(ctx context.Context, o volume.CreateOptions) (volume.Volume, error)
	VolumeList(ctx context.Context, o volume.ListOptions) (volume.ListResponse, error)
	VolumeRemove(ctx context.Context, name string, force bool) error
}

// Config is what an operator decides about builds.
type Config struct {
	Platform     string              // DEIS_NAME
	Registry     string              // host:port of the platform's registry, as the Engine names it
	RegistryAuth func(string) string // credentials for an image
	Registries   []string            // host:port of registries that bases may come from although they have a port
	Networks     []string            // builds run in, one after the other
	Memory       int64               // bytes, for each build
	Builds       int                 // at once
	Timeout      time.Duration       // of one build, from its slot to its push
	MaxSlug      int64               // bytes
	CacheAge     time.Duration       // of images without a name, before they are pruned
	Slugbuilder  string              // image
	Slugrunner   string              // image
	Stack        string              // STACK of buildpacks; empty: the image's own
	Env          map[string]string   // what fetching needs in a build: proxies, GOPROXY
}

// Source is the tree of a commit.
type Source interface {
	// File reads a regular file of the root of at most max bytes; without one
	// the error is fs.ErrNotExist.
	File(name string, max int64) ([]byte, error)
	// Walk calls fn for every entry, folders before what they hold.
	Walk(fn func(h *tar.Header, content io.Reader) error) error
}

// Request is one build.
type Request struct {
	App    string
	SHA    string // 40 hex digits
	Source Source
	Config map[string]string // of the app; buildpacks get it, Dockerfiles do not
	IsApp  func(name string) bool
	Out    io.Writer // the pusher's
}

// Result is what the controller must know of an image.
type Result struct {
	Types      map[string]string // process types
	Dockerfile bool
}

// Failure is a build that failed through what was pushed. Its text is for the
// pusher.
type Failure struct{ Reason string }

func (f *Failure) Error() string { return f.Reason }

// Sentence is the text.
func (f *Failure) Sentence() string { return f.Reason }

func failure(format string, args ...any) error { return &Failure{fmt.Sprintf(format, args...)} }

var discard = io.Discard

// Builder makes images.
type Builder struct {
	cfg    Config
	engine Engine
	slots  *slots
}

// New makes a Builder.
func New(e Engine, cfg Config) *Builder {
	return &Builder{cfg: cfg, engine: e, slots: newSlots(cfg.Builds, cfg.Networks)}
}

// Build makes the image of a commit and pushes it to the registry. It waits
// for a slot when as many builds as are allowed run.
func (b *Builder) Build(ctx context.Context, req Request) (Result, error) {
	file, err := req.Source.File("Dockerfile", maxDockerfile)
	byDockerfile := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Result{}, err
	}
	network, release, err := b.slots.take(ctx, byDockerfile, func() { fmt.Fprintln(req.Out, "-----> Waiting for a build slot") })
	if err != nil {
		return Result{}, err
	}
	defer release()
	tooLong := failure("the build took longer than %s and was stopped", b.cfg.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Timeout, tooLong)
	defer cancel()
	result, err := b.build(ctx, network, req, file, byDockerfile)
	if err != nil && ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return result, err
}

func (b *Builder) build(ctx context.Context, network string, req Request, file []byte, byDockerfile bool) (Result, error) {
	declared, err := declaredTypes(req.Source)
	if err != nil {
		return Result{}, err
	}
	result := Result{Types: declared, Dockerfile: byDockerfile}
	if byDockerfile {
		err = b.byDockerfile(ctx, network, req, file)
	} else {
		result.Types, err = b.bySlug(ctx, network, req, declared)
	}
	if err != nil {
		return Result{}, err
	}
	if result.Types == nil {
		result.Types = map[string]string{}
	}
	fmt.Fprintln(req.Out, "-----> Pushing image to private registry")
	if err := b.push(ctx, b.tag(req.App, req.SHA)); err != nil {
		return Result{}, failure("the image could not be pushed to the registry: %v", err)
	}
	return result, nil
}

// Tidy lets older images of the app go. It is worth a log line when it fails,
// and nothing else.
func (b *Builder) Tidy(ctx context.Context, app string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	return b.prune(ctx, app)
}

// declaredTypes reads the Procfile of the tree, nil without one.
func declaredTypes(source Source) (map[string]string, error) {
	text, err := source.File("Procfile", procfile.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	declared, err := procfile.Parse(text)
	if err != nil {
		return nil, failure("the Procfile cannot be read: %v", err)
	}
	return declared, nil
}
