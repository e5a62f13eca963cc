package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"golang.org/x/sync/singleflight"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
	"github.com/deis/deis/internal/retry"
)

const (
	callTimeout = time.Minute      // of one call, also on an Engine under load
	pullTimeout = 10 * time.Minute // of a whole image
	pullIdle    = time.Minute      // without any progress
)

// adapter makes calls to the Engine, each with a deadline.
type adapter struct {
	cfg    Config
	engine *engine.Client
	pulls  singleflight.Group
}

// list finds the platform's app containers; more narrows them down.
func (a *adapter) list(ctx context.Context, more ...filters.KeyValuePair) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	args := filters.NewArgs(append(more, filters.Arg("label", labels.Platform+"="+a.cfg.Platform), filters.Arg("label", labels.Job))...)
	return a.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
}

// find looks one container up.
func (a *adapter) find(ctx context.Context, uuid string) (c container.Summary, ok bool, err error) {
	list, err := a.list(ctx, filters.Arg("label", labels.UUID+"="+uuid))
	if err != nil || len(list) == 0 {
		return container.Summary{}, false, err
	}
	return list[0], true, nil
}

// create makes a container, and before it what it needs: the image, and its
// name, which a leftover may have. It returns the id of a container that is
// there already.
func (a *adapter) create(ctx context.Context, p plan) (id string, err error) {
	for range 4 { // an image or a name may be gone, or taken again, meanwhile
		id, err = a.tryCreate(ctx, p)
		switch {
		case err == nil:
			return id, nil
		case engine.IsNotFound(err):
			err = a.pull(ctx, p.Config.Image)
		case engine.IsConflict(err):
			var same string
			if same, err = a.freeName(ctx, p); same != "" {
				return same, nil
			}
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("container %s: image or name are lost again and again", p.Name)
}

// tryCreate is one call. It outlives ctx: what an Engine has begun it finishes,
// and a container whose id nobody got could not be removed.
func (a *adapter) tryCreate(ctx context.Context, p plan) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	resp, err := a.engine.ContainerCreate(ctx, p.Config, p.Host, p.Network, nil, p.Name)
	return resp.ID, err
}

// freeName looks at the container that has a plan's name. It returns the id of
// the very container that is wanted, removes a leftover, and leaves what is not
// the platform's.
func (a *adapter) freeName(ctx context.Context, p plan) (same string, err error) {
	c, err := a.inspect(ctx, p.Name)
	if engine.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	leftover, wanted := p.replaces(c.Config.Labels)
	if wanted && state(c.State.Status) != deis.StateDestroyed {
		return c.ID, nil
	}
	if !leftover && !wanted {
		return "", fmt.Errorf("the name %s is taken by a container that is not the platform's", p.Name)
	}
	return "", a.remove(ctx, c.ID)
}

func (a *adapter) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return a.engine.ContainerInspect(ctx, id)
}

// hostname is the Engine's host's.
func (a *adapter) hostname(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := a.engine.Info(ctx)
	return info.Name, err
}

func (a *adapter) start(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return a.engine.ContainerStart(ctx, id, container.StartOptions{})
}

func (a *adapter) unpause(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return a.engine.ContainerUnpause(ctx, id)
}

func (a *adapter) stop(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stopSeconds*time.Second+callTimeout)
	defer cancel()
	seconds := stopSeconds
	err := a.engine.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if engine.IsNotFound(err) {
		return nil
	}
	return err
}

// remove kills and removes a container, and returns when it is gone, whoever
// else is removing it too.
func (a *adapter) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var last error
	err := retry.Until(ctx, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		last = a.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case engine.IsNotFound(last):
			return true, nil
		case last == nil, engine.IsConflict(last): // see whether it is gone
			return false, nil
		}
		return false, last
	})
	if err != nil && last != nil {
		return last
	}
	return err
}

// pull fetches an image, once for all who want it at the same time.
func (a *adapter) pull(ctx context.Context, ref string) error {
	for {
		pulled := a.pulls.DoChan(ref, func() (any, error) { return nil, a.pullNow(ctx, ref) })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-pulled:
			if errors.Is(r.Err, context.Canceled) && ctx.Err() == nil {
				continue // whoever began has given up, we have not
			}
			if r.Err != nil {
				return pullError{r.Err}
			}
			return nil
		}
	}
}

// pullError tells a pull's failure from others.
type pullError struct{ error }

func (e pullError) Unwrap() error { return e.error }

func (a *adapter) pullNow(ctx context.Context, ref string) error {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	ctx, stalled := context.WithCancelCause(ctx)
	defer stalled(nil)
	idle := time.AfterFunc(pullIdle, func() { stalled(errStalled) })
	defer idle.Stop()
	r, err := a.engine.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: a.engine.RegistryAuth(ref)})
	if err == nil {
		defer r.Close()
		err = engine.Stream(progress{r, idle}, io.Discard, nil)
	}
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

var errStalled = errors.New("nothing came for a minute")

// progress puts a timer off with each read.
type progress struct {
	io.Reader
	idle *time.Timer
}

func (p progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.idle.Reset(pullIdle)
	return n, err
}

// removeImages removes the digests of a repository, except those that keep says
// and what containers use. Tags are the builder's, and what has one stays.
func (a *adapter) removeImages(ctx context.Context, repository string, keep func(context.Context) ([]string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	list, err := a.engine.ImageList(ctx, image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return err
	}
	digests, err := keep(ctx) // not before the list: what it does not say yet may be needed soon
	if err != nil {
		return err
	}
	kept := make(map[string]bool, len(digests))
	for _, digest := range digests {
		kept[repository+"@"+digest] = true
	}
	for _, img := range list {
		if tagged(img.RepoTags) {
			continue
		}
		for _, ref := range img.RepoDigests {
			if kept[ref] || !strings.HasPrefix(ref, repository+"@") {
				continue
			}
			_, err := a.engine.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
			if err != nil && !engine.IsNotFound(err) && !engine.IsConflict(err) { // gone, or in use
				return fmt.Errorf("remove image %s: %w", ref, err)
			}
		}
	}
	return nil
}

// tagged says whether an image has a tag; Engines write <none> for none.
func tagged(tags []string) bool {
	for _, t := range tags {
		if !strings.Contains(t, "<none>") {
			return true
		}
	}
	return false
}

// words are the Engine's for users: the part of its message that tells them
// what to do, in one line.
func words(err error) string {
	text := strings.TrimPrefix(err.Error(), "Error response from daemon: ")
	if _, after, ok := strings.Cut(text, "starting container process caused: "); ok {
		text = after
	} else if _, after, ok := strings.Cut(text, "unable to start container process: "); ok {
		text = after
	}
	text = strings.TrimSuffix(text, ": unknown")
	return strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
}
