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
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// buildGrace is how long a build's image is kept that no release was made of: a
// push may be about to release it.
const buildGrace = time.Hour

// unused are a repository's builds that no release needed at some time.
type unused struct {
	seen time.Time
	tags map[string]bool
}

// Prune deletes the app's release images except the newest keep, and with each
// the build's image that no kept release was made of. Builds that never got a
// release go when nobody has wanted them for an hour.
func (i *Images) Prune(ctx context.Context, app string, keep int) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	repo, err := i.repository(app)
	if err != nil {
		return err
	}
	options := i.options(ctx)
	tags, err := remote.List(repo, options...)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tags of %s: %w", app, err)
	}
	releases := versions(tags)
	kept, old := versionTags(releases[:min(keep, len(releases))]), versionTags(releases[min(keep, len(releases)):])
	forgotten, due := i.forgotten(app)
	if len(old) == 0 && !due {
		return nil // most often
	}
	needed, err := sources(repo, kept, options)
	if err != nil {
		return err
	}
	ended, err := sources(repo, old, options)
	if err != nil {
		return err
	}
	var stay, gone []string
	next := map[string]bool{}
	for _, tag := range builds(tags) {
		switch {
		case !needed[tag] && (ended[tag] || due && forgotten[tag]):
			gone = append(gone, tag)
			continue
		case !needed[tag]:
			next[tag] = true
		}
		stay = append(stay, tag)
	}
	// Builds before releases: a release's image is what tells its build.
	if err := prune(repo, stay, gone, options); err != nil {
		return err
	}
	if err := prune(repo, kept, old, options); err != nil {
		return err
	}
	if due {
		i.remember(app, next)
	}
	return nil
}

// forgotten are the builds that no release needed when they were looked at
// last; due says that this is long enough ago.
func (i *Images) forgotten(app string) (tags map[string]bool, due bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	u, known := i.unused[app]
	return u.tags, !known || i.now().Sub(u.seen) >= buildGrace
}

func (i *Images) remember(app string, tags map[string]bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unused[app] = unused{seen: i.now(), tags: tags}
}

// builds are the tags of images that releases are made of.
func builds(tags []string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool {
		return !strings.HasPrefix(t, "git-") && !strings.HasPrefix(t, "build-")
	})
}

// sources are the builds that releases were made of.
func sources(repo name.Repository, releases []string, options []remote.Option) (map[string]bool, error) {
	found := map[string]bool{}
	for _, tag := range releases {
		image, err := remote.Image(repo.Tag(tag), options...)
		if isNotFound(err) {
			continue // a tag whose manifest is gone
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", tag, repo.RepositoryStr(), err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("config of %s of %s: %w", tag, repo.RepositoryStr(), err)
		}
		found[config.Config.Labels[sourceLabel]] = true
	}
	return found, nil
}

// prune deletes the tags that go, and their manifests unless a tag that stays
// has the same.
func prune(repo name.Repository, stay, gone []string, options []remote.Option) error {
	if len(gone) == 0 {
		return nil
	}
	shared := map[v1.Hash]bool{}
	for _, tag := range stay {
		desc, err := remote.Head(repo.Tag(tag), options...)
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("%s of %s: %w", tag, repo.RepositoryStr(), err)
		}
		if err == nil {
			shared[desc.Digest] = true
		}
	}
	for _, tag := range gone {
		desc, err := remote.Head(repo.Tag(tag), options...)
		if err == nil {
			var ref name.Reference = repo.Digest(desc.Digest.String())
			if shared[desc.Digest] {
				ref = repo.Tag(tag)
			}
			err = remote.Delete(ref, options...)
		}
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("delete %s of %s: %w", tag, repo.RepositoryStr(), err)
		}
	}
	return nil
}

// Withdraw deletes the image of a release that failed, if there is one.
func (i *Images) Withdraw(ctx context.Context, app string, version int) error {
	ctx, cancel := context.WithTimeout(ctx, withdrawTimeout)
	defer cancel()
	repo, err := i.repository(app)
	if err != nil {
		return err
	}
	return prune(repo, nil, []string{versionTag(version)}, i.options(ctx))
}

// versions are the numbers of v<N> tags, newest first.
func versions(tags []string) []int {
	var out []int
	for _, t := range tags {
		if n, err := strconv.Atoi(strings.TrimPrefix(t, "v")); err == nil && n > 0 && t == versionTag(n) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Compare(b, a) })
	return out
}

func versionTag(version int) string { return "v" + strconv.Itoa(version) }

func versionTags(versions []int) []string {
	tags := make([]string, len(versions))
	for i, v := range versions {
		tags[i] = versionTag(v)
	}
	return tags
}

// Delete deletes the app's repository and sweeps what only it referred to.
func (i *Images) Delete(ctx context.Context, app string) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	host, err := i.cfg.Registry()
	if err != nil {
		return registryError(textAway, err)
	}
	for _, step := range []struct{ method, path string }{{http.MethodDelete, "/deis/repositories/" + app}, {http.MethodPost, "/deis/sweep"}} {
		if err := i.call(ctx, step.method, "http://"+host+step.path); err != nil {
			return registryError("The app's images could not be deleted.", err)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.unused, app)
	return nil
}

// call asks the registry for one of the platform's own operations. A registry
// that is busy with another answers 503, and is asked again by whoever asked us.
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
