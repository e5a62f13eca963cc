package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
)

// RemoveLeftovers removes containers of builds that a crash cut off. It must
// not run beside builds.
func (b *Builder) RemoveLeftovers(ctx context.Context) error {
	containers, err := b.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", labels.Platform+"="+b.cfg.Platform), filters.Arg("label", labels.Build))})
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range containers {
		if c.Labels[labels.Job] != "" { // an app's, whatever its image says
			continue
		}
		err := b.engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !engine.IsNotFound(err) && !engine.IsConflict(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Purge removes the cache and the images of an app that is gone.
func (b *Builder) Purge(ctx context.Context, app string) error {
	err := b.engine.VolumeRemove(ctx, b.cacheVolume(app), true)
	if engine.IsNotFound(err) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("remove the cache of %s: %w", app, err)
	}
	return errors.Join(err, b.removeImages(ctx, app))
}

// Apps lists the apps that have a cache or an image of a build on the Engine.
func (b *Builder) Apps(ctx context.Context) ([]string, error) {
	volumes, err := b.engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labels.Platform+"="+b.cfg.Platform))})
	if err != nil {
		return nil, err
	}
	var apps []string
	for _, v := range volumes.Volumes {
		if app := v.Labels[labels.App]; app != "" && v.Name == b.cacheVolume(app) {
			apps = append(apps, app)
		}
	}
	images, err := b.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labels.Platform+"="+b.cfg.Platform))})
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		for _, tag := range i.RepoTags {
			rest, ok := strings.CutPrefix(tag, b.cfg.Registry+"/")
			if app, version, _ := strings.Cut(rest, ":"); ok && strings.HasPrefix(version, "git-") {
				apps = append(apps, app)
			}
		}
	}
	slices.Sort(apps)
	return slices.Compact(apps), nil
}
