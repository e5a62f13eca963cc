package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/tests/platform"
)

// Bare containers are the limit: the Engine's own, on the apps' network, that
// no component of the platform knows.

// bareLabel marks them, for their removal.
func (b *bench) bareLabel() string { return "deis.bench=" + b.platform.Name }

func (b *bench) appsNetwork() string { return b.platform.Name + "-apps" }

// dockerRun starts a bare container with the Docker client.
func (b *bench) dockerRun(ctx context.Context, args ...string) (id string, err error) {
	return platform.Docker(ctx, append([]string{"run", "--detach", "--label", b.bareLabel(), "--network", b.appsNetwork()}, args...)...)
}

// createBare starts one through the Engine's API.
func (b *bench) createBare(ctx context.Context, image string) (id string, err error) {
	key, value, _ := strings.Cut(b.bareLabel(), "=")
	made, err := b.engine.ContainerCreate(ctx,
		&container.Config{Image: image, Labels: map[string]string{key: value}},
		&container.HostConfig{NetworkMode: container.NetworkMode(b.appsNetwork())},
		&network.NetworkingConfig{}, nil, "")
	if err != nil {
		return "", err
	}
	return made.ID, b.engine.ContainerStart(ctx, made.ID, container.StartOptions{})
}

// addressOf is a container's address on the apps' network.
func (b *bench) addressOf(ctx context.Context, id string) (string, error) {
	c, err := b.engine.ContainerInspect(ctx, id)
	if err != nil {
		return "", err
	}
	if n := c.NetworkSettings.Networks[b.appsNetwork()]; n != nil && n.IPAddress != "" {
		return n.IPAddress, nil
	}
	return "", fmt.Errorf("container %.12s has no address on %s", id, b.appsNetwork())
}

// answers waits until a container answers 200 on port 5000.
func (b *bench) answers(ctx context.Context, id string) (time.Time, error) {
	ip, err := b.addressOf(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	return when(ctx, 2*time.Millisecond, "a bare container answers", func(ctx context.Context) bool {
		status, _ := fetch(ctx, b.direct, "http://"+ip+":5000/")
		return status == http.StatusOK
	})
}

// remove removes containers.
func (b *bench) remove(ctx context.Context, ids ...string) error {
	var errs []error
	for _, id := range ids {
		errs = append(errs, b.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	return errors.Join(errs...)
}

// removeBare removes what a row left.
func (b *bench) removeBare(ctx context.Context) error {
	left, err := b.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", b.bareLabel()))})
	if err != nil {
		return err
	}
	for _, c := range left {
		err = errors.Join(err, b.remove(ctx, c.ID))
	}
	return err
}

// containers are the app's in the Engine, running or not.
func (a *app) containers(ctx context.Context) ([]container.Summary, error) {
	return a.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", labels.Platform+"="+a.platform.Name), filters.Arg("label", labels.App+"="+a.name))})
}

// image is the id of the image that the app runs.
func (a *app) image(ctx context.Context) (string, error) {
	all, err := a.containers(ctx)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fmt.Errorf("%s has no container", a.name)
	}
	return all[0].ImageID, nil
}

// fetch gets a URL once: status 0 when there was no answer, the body of a 200.
func fetch(ctx context.Context, c *http.Client, url string) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp.StatusCode, ""
	}
	return resp.StatusCode, string(text)
}
