package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Prune deletes the app's release images except the newest keep, and with each
// the build's image that no kept release was made of. Images of builds that
// no release had yet are left alone: they may be about to be released.
func (i *Images) Prune(ctx context.Context, app string, keep int) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	repo, err := i.repository(app)
	if err != nil {
		return err
	}
	tags, err := remote.List(repo, i.options(ctx)...)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tags of %s: %w", app, err)
	}
	versions := releases(tags)
	if len(versions) <= keep {
		return nil
	}
	needed := map[string]bool{} // digests and source tags of what stays
	for _, v := range versions[:keep] {
		digest, source, err := i.inspect(ctx, repo, v)
		if err != nil {
			return err
		}
		needed[digest], needed[source] = true, true
	}
	for _, v := range versions[keep:] {
		digest, source, err := i.inspect(ctx, repo, v)
		if isNotFound(err) {
			continue // a tag whose manifest is gone
		}
		if err != nil {
			return err
		}
		if source != "" && !needed[source] {
			if err := i.deleteTag(ctx, repo, source); err != nil {
				return err
			}
		}
		if needed[digest] {
			continue
		}
		if err := remote.Delete(repo.Digest(digest), i.options(ctx)...); err != nil && !isNotFound(err) {
			return fmt.Errorf("delete v%d of %s: %w", v, app, err)
		}
	}
	return nil
}

// releases are the numbers of v<N> tags, newest first.
func releases(tags []string) []int {
	var out []int
	for _, t := range tags {
		if n, err := strconv.Atoi(strings.TrimPrefix(t, "v")); err == nil && strings.HasPrefix(t, "v") && n > 0 {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Compare(b, a) })
	return out
}

// inspect reads a release's digest and the tag that it was made of.
func (i *Images) inspect(ctx context.Context, repo name.Repository, version int) (digest, source string, err error) {
	image, err := remote.Image(repo.Tag("v"+strconv.Itoa(version)), i.options(ctx)...)
	if err != nil {
		return "", "", err
	}
	d, err := image.Digest()
	if err != nil {
		return "", "", err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return "", "", err
	}
	return d.String(), config.Config.Labels[sourceLabel], nil
}

// deleteTag deletes the manifest that a tag names.
func (i *Images) deleteTag(ctx context.Context, repo name.Repository, tag string) error {
	desc, err := remote.Head(repo.Tag(tag), i.options(ctx)...)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := remote.Delete(repo.Digest(desc.Digest.String()), i.options(ctx)...); err != nil && !isNotFound(err) {
		return fmt.Errorf("delete %s of %s: %w", tag, repo.RepositoryStr(), err)
	}
	return nil
}

// Delete deletes the app's repository and sweeps what only it referred to.
func (i *Images) Delete(ctx context.Context, app string) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	host, err := i.cfg.Registry()
	if err != nil {
		return registryError("The registry is not available.", err)
	}
	if err := i.call(ctx, http.MethodDelete, "http://"+host+"/deis/repositories/"+app); err != nil {
		return registryError("The app's images could not be deleted.", err)
	}
	if err := i.call(ctx, http.MethodPost, "http://"+host+"/deis/sweep"); err != nil {
		return registryError("The app's images could not be deleted.", err)
	}
	return nil
}

// call asks the registry for one of the platform's own operations.
func (i *Images) call(ctx context.Context, method, url string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	resp, err := i.internal.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		return errors.Join(fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, body), err)
	}
	return err
}
