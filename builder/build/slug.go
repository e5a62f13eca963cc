package build

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/procfile"
)

// Where the slugbuilder keeps things.
const (
	cachePath = "/tmp/cache"
	slugPath  = "/tmp/slug.tgz"
	typesPath = "/tmp/types.json"
)

// tidyTimeout bounds what is cleaned up behind a build.
const tidyTimeout = time.Minute

// bySlug compiles the tree with a buildpack and puts the slug into an image on
// the slug runner. It returns the process types: those declared in the tree,
// else what the slug says.
func (b *Builder) bySlug(ctx context.Context, network string, req Request, declared map[string]string) (_ map[string]string, err error) {
	fresh, err := b.createCache(ctx, req.App)
	if err != nil {
		return nil, err
	}
	defer func() { // after the container that uses it has gone
		if fresh && err != nil {
			b.dropCache(ctx, req.App)
		}
	}()
	config, host := b.slugbuilder(network, req)
	created, err := b.engine.ContainerCreate(ctx, config, host, nil, nil, "")
	if err != nil {
		return nil, fmt.Errorf("create slugbuilder: %w", err)
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
		defer cancel()
		_ = b.engine.ContainerRemove(clean, created.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}) // else the next start does
	}()
	if err := b.compile(ctx, created.ID, req); err != nil {
		return nil, err
	}
	types := declared
	if declared == nil {
		if types, err = b.slugTypes(ctx, created.ID); err != nil {
			return nil, err
		}
	}
	text := fmt.Sprintf("FROM %s\nADD slug.tgz /app/\nENV GIT_SHA %s\n", b.cfg.Slugrunner, req.SHA)
	fmt.Fprintf(req.Out, "\n-----> Building Docker image\n")
	marks := map[string]string{labels.Platform: b.cfg.Platform, labels.App: req.App}
	return types, again(req.Out, func() error {
		slug, closeSlug, err := b.slug(ctx, created.ID)
		if err != nil {
			return err
		}
		defer closeSlug()
		return b.image(ctx, network, req, nil, marks, func(w *tar.Writer) error {
			if err := writeFile(w, "Dockerfile", []byte(text)); err != nil {
				return err
			}
			return writeEntry(w, &tar.Header{Typeflag: tar.TypeReg, Name: "slug.tgz", Mode: 0o644, Size: slug.size}, slug)
		})
	})
}

// cacheVolume is the name of an app's build cache.
func (b *Builder) cacheVolume(app string) string { return b.cfg.Platform + "-cache-" + app }

// createCache makes sure that the app has a cache; fresh says that it had none.
func (b *Builder) createCache(ctx context.Context, app string) (fresh bool, err error) {
	name := b.cacheVolume(app)
	have, err := b.engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	if err != nil {
		return false, fmt.Errorf("look for the cache of %s: %w", app, err)
	}
	fresh = !slices.ContainsFunc(have.Volumes, func(v *volume.Volume) bool { return v.Name == name })
	_, err = b.engine.VolumeCreate(ctx, volume.CreateOptions{
		Name:   name,
		Labels: map[string]string{labels.Platform: b.cfg.Platform, labels.App: app},
	})
	if err != nil {
		return false, fmt.Errorf("create the cache of %s: %w", app, err)
	}
	return fresh, nil
}

// dropCache removes a cache that the app's first build, which failed, made: it
// holds nothing worth keeping. What cannot be removed now goes with the app.
func (b *Builder) dropCache(ctx context.Context, app string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	_ = b.engine.VolumeRemove(ctx, b.cacheVolume(app), true)
}

// slugbuilder is the container for a build.
func (b *Builder) slugbuilder(network string, req Request) (*container.Config, *container.HostConfig) {
	env := maps.Clone(b.cfg.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, req.Config)
	env["SOURCE_VERSION"] = req.SHA
	if b.cfg.Stack != "" {
		env["STACK"] = b.cfg.Stack
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	config := &container.Config{
		Image:       b.cfg.Slugbuilder,
		Env:         list,
		Labels:      map[string]string{labels.Platform: b.cfg.Platform, labels.App: req.App, labels.Build: req.SHA[:8]},
		AttachStdin: true, OpenStdin: true, StdinOnce: true,
		AttachStdout: true, AttachStderr: true,
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(network),
		Mounts:      []mount.Mount{{Type: mount.TypeVolume, Source: b.cacheVolume(req.App), Target: cachePath}},
	}
	engine.Restrictions{Memory: b.cfg.Memory}.Restrict(host)
	return config, host
}

// compile runs a created slugbuilder with the tree on its stdin.
func (b *Builder) compile(ctx context.Context, id string, req Request) error {
	conn, err := b.engine.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("attach to slugbuilder: %w", err)
	}
	stopped := context.AfterFunc(ctx, conn.Close)
	defer func() {
		if stopped() {
			conn.Close()
		}
	}()
	exited, waitErr := b.engine.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := b.engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return failure("the build could not be started: %v", err)
	}
	body, wait := stream(func(w *tar.Writer) error {
		return req.Source.Walk(func(h *tar.Header, content io.Reader) error { return writeEntry(w, h, content) })
	})
	defer wait()
	defer body.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(conn.Conn, body) // the build fails if it does not get all
		_ = body.Close()
		_ = conn.CloseWrite()
	}()
	err = engine.Demultiplex(req.Out, req.Out, conn.Reader)
	select {
	case result := <-exited:
		conn.Close()
		<-sent
		switch {
		case body.err() != nil:
			return failure("the source cannot be built: %v", body.err())
		case result.Error != nil:
			return errors.New(result.Error.Message)
		case result.StatusCode != 0:
			return failure("build failed (exit %d)", result.StatusCode)
		}
		return err
	case err := <-waitErr:
		conn.Close()
		<-sent
		return fmt.Errorf("wait for slugbuilder: %w", err)
	}
}

// slugTypes reads the process types that the slug has.
func (b *Builder) slugTypes(ctx context.Context, id string) (map[string]string, error) {
	f, done, err := b.copyOut(ctx, id, typesPath)
	if err != nil {
		return nil, err
	}
	defer done()
	text, err := io.ReadAll(io.LimitReader(f, 4*procfile.MaxSize))
	if err != nil {
		return nil, err
	}
	var types map[string]string
	if err := json.Unmarshal(text, &types); err != nil {
		return nil, failure("the build did not say its process types")
	}
	return types, nil
}

// slugFile is the slug on its way out of the container.
type slugFile struct {
	io.Reader
	size int64
}

func (b *Builder) slug(ctx context.Context, id string) (slugFile, func(), error) {
	f, done, err := b.copyOut(ctx, id, slugPath)
	if err != nil {
		return slugFile{}, nil, err
	}
	if f.size > b.cfg.MaxSlug {
		done()
		return slugFile{}, nil, failure("the slug is larger than %d MiB", b.cfg.MaxSlug>>20)
	}
	return f, done, nil
}

// copyOut opens a regular file of a container. What is in there was made by
// the build, so nothing is taken for granted.
func (b *Builder) copyOut(ctx context.Context, id, path string) (slugFile, func(), error) {
	body, _, err := b.engine.CopyFromContainer(ctx, id, path)
	if engine.IsNotFound(err) {
		return slugFile{}, nil, failure("the build left no %s", path)
	}
	if err != nil {
		return slugFile{}, nil, fmt.Errorf("copy %s: %w", path, err)
	}
	r := tar.NewReader(body)
	h, err := r.Next()
	if err != nil || h.Typeflag != tar.TypeReg {
		_ = body.Close()
		return slugFile{}, nil, failure("the build left something strange in %s", path)
	}
	return slugFile{r, h.Size}, func() { _ = body.Close() }, nil
}
