package build

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/deis/deis/internal/engine"
	"github.com/deis/deis/internal/labels"
)

const (
	nativeArch     = runtime.GOARCH
	nativePlatform = "linux/" + nativeArch
)

// published are the images of the platform that anyone may build on.
var published = []string{"docker.io/deis/base:latest", "docker.io/deis/slugrunner:latest"}

// imageID is what the Engine would take for the beginning of an image's id.
var imageID = regexp.MustCompile(`^(sha[0-9]+:)?[a-f0-9]{1,64}$`)

// rules say which images a build may name.
type rules struct {
	registry   string   // of the platform, as the Engine names it
	registries []string // host:port of others that are allowed although they have a port or an address
}

// classify parses the name of an image. own says that it is one of the
// published bases. A name that must not be used is an error, whose text goes
// on after the name.
func (r rules) classify(ref string) (named reference.Named, own bool, err error) {
	if imageID.MatchString(ref) {
		return nil, false, errors.New("may be the id of an image of this machine; add a tag, such as :latest")
	}
	named, err = reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, false, errors.New("is not the name of an image")
	}
	named = reference.TagNameOnly(named)
	if slices.Contains(published, named.String()) {
		return named, true, nil
	}
	domain, path := reference.Domain(named), reference.Path(named)
	switch {
	case strings.EqualFold(domain, r.registry):
		return nil, false, errors.New("is an image of an app of this platform, not a base image")
	case slices.Contains(r.registries, domain):
		return named, false, nil
	case domain == "docker.io" && strings.HasPrefix(path, "deis/"):
		return nil, false, errors.New("is a part of the platform; its base images are deis/base and deis/slugrunner")
	case !public(domain):
		return nil, false, fmt.Errorf("is in a registry (%s) that is not open to builds", domain)
	}
	return named, false, nil
}

// public says whether a registry can only be one on the internet. Its name may
// lead anywhere at the moment the Engine looks it up, so the name of a host is
// no proof; but the port is: behind 443 there is no registry of ours.
func public(domain string) bool {
	host, port, hasPort := strings.Cut(domain, ":")
	if strings.HasPrefix(domain, "[") || hasPort && port != "443" {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "localhost" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return false // also 127.1, 0x7f000001 and their like
	}
	return true
}

// admit looks at every image that a Dockerfile takes from elsewhere, and
// fetches those that are not on the Engine, so that what was looked at is what
// the build will use.
func (b *Builder) admit(ctx context.Context, d *dockerfile, req Request) error {
	r := rules{registry: b.cfg.Registry, registries: b.cfg.Registries}
	seen := map[string]bool{}
	for _, base := range d.bases {
		if seen[base.ref] {
			continue
		}
		seen[base.ref] = true
		named, own, err := r.classify(base.ref)
		if err != nil {
			return refuse(base.line, "%s %v", base.ref, err)
		}
		if own {
			continue
		}
		// A bare name that is an app's means the app more likely than an image
		// of that name; who means the image can say so.
		if !strings.Contains(base.ref, "/") && req.IsApp != nil && req.IsApp(reference.FamiliarName(named)) {
			return refuse(base.line, "%s is an app of this platform, not a base image (of that name there is also docker.io/%s)", base.ref, reference.Path(named))
		}
		if err := b.admitImage(ctx, base, named, req); err != nil {
			return err
		}
	}
	return nil
}

func (b *Builder) admitImage(ctx context.Context, base base, named reference.Named, req Request) error {
	info, err := b.engine.InspectImage(ctx, base.ref)
	if engine.IsNotFound(err) {
		fmt.Fprintf(req.Out, "Pulling %s\n", reference.FamiliarString(named))
		if err := b.pull(ctx, named.String()); err != nil {
			return refuse(base.line, "%s cannot be pulled: %v", base.ref, err)
		}
		info, err = b.engine.InspectImage(ctx, base.ref)
	}
	if err != nil {
		return fmt.Errorf("inspect image %s: %w", base.ref, err)
	}
	if !pulledAs(info, named) {
		return refuse(base.line, "%s is a local image of this machine, not a published one", base.ref)
	}
	if info.Config == nil {
		return nil
	}
	for name := range info.Config.Labels {
		if strings.HasPrefix(name, "deis.") {
			return refuse(base.line, "%s has a label of the platform, %s", base.ref, name)
		}
	}
	if base.from {
		if err := checkTriggers(info.Config.OnBuild); err != nil {
			return refuse(base.line, "%s cannot be built on: %v", base.ref, err)
		}
	}
	return nil
}

// pulledAs says whether the Engine found the image by this very name, and got
// it from the registry that the name says.
func pulledAs(info image.InspectResponse, named reference.Named) bool {
	digested, isDigested := named.(reference.Canonical)
	pulled := slices.ContainsFunc(info.RepoDigests, func(d string) bool {
		have, err := reference.ParseNormalizedNamed(d)
		if err != nil || have.Name() != named.Name() {
			return false
		}
		c, ok := have.(reference.Canonical)
		return !isDigested || ok && c.Digest() == digested.Digest()
	})
	if isDigested || !pulled {
		return pulled
	}
	return slices.ContainsFunc(info.RepoTags, func(t string) bool {
		have, err := reference.ParseNormalizedNamed(t)
		return err == nil && have.String() == named.String()
	})
}

func (b *Builder) pull(ctx context.Context, ref string) error {
	body, err := b.engine.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: b.cfg.RegistryAuth(ref)})
	if err != nil {
		return err
	}
	defer body.Close()
	return engine.Stream(body, discard, nil)
}

// push sends an image to the platform's registry.
func (b *Builder) push(ctx context.Context, ref string) error {
	body, err := b.engine.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: b.cfg.RegistryAuth(ref)})
	if err != nil {
		return err
	}
	defer body.Close()
	return engine.Stream(body, discard, nil)
}

// Images of an app on the Engine, beside those its containers run from.
const keepImages = 2

// prune lets the app's older images go from the Engine: what a build leaves
// behind is worth keeping only as the next one's cache.
func (b *Builder) prune(ctx context.Context, app string) error {
	images, err := b.gitImages(ctx, app)
	if err != nil {
		return err
	}
	slices.SortStableFunc(images, func(x, y image.Summary) int { return int(y.Created - x.Created) })
	var old []image.Summary
	if len(images) > keepImages {
		old = images[keepImages:]
	}
	return errors.Join(b.removeTags(ctx, old, b.repository(app)+":git-"), b.removeDangling(ctx, app, b.cfg.CacheAge.String()))
}

// Discard lets the image of a push go that was not released.
func (b *Builder) Discard(ctx context.Context, app, sha string) error {
	tag := b.repository(app) + ":git-" + sha[:8]
	_, err := b.engine.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
	if err != nil && !engine.IsNotFound(err) && !engine.IsConflict(err) {
		return err
	}
	return b.removeDangling(ctx, app, b.cfg.CacheAge.String())
}

// removeImages lets all of an app's images of builds go.
func (b *Builder) removeImages(ctx context.Context, app string) error {
	images, err := b.gitImages(ctx, app)
	if err != nil {
		return err
	}
	return errors.Join(b.removeTags(ctx, images, b.repository(app)+":git-"), b.removeDangling(ctx, app, ""))
}

func (b *Builder) gitImages(ctx context.Context, app string) ([]image.Summary, error) {
	return b.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", b.repository(app)+":git-*"))})
}

// removeTags takes the tags that begin with prefix from images, and with the
// last tag the image.
func (b *Builder) removeTags(ctx context.Context, images []image.Summary, prefix string) error {
	var errs []error
	for _, img := range images {
		for _, tag := range img.RepoTags {
			if !strings.HasPrefix(tag, prefix) {
				continue
			}
			_, err := b.engine.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
			if err != nil && !engine.IsNotFound(err) && !engine.IsConflict(err) { // in conflict: a container runs from it
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// removeDangling lets the app's images without a name go: stages, and what a
// tag pointed at before. older, if set, spares those made since.
func (b *Builder) removeDangling(ctx context.Context, app, older string) error {
	f := filters.NewArgs(filters.Arg("dangling", "true"),
		filters.Arg("label", labels.Platform+"="+b.cfg.Platform), filters.Arg("label", labels.App+"="+app))
	if older != "" {
		f.Add("until", older)
	}
	_, err := b.engine.ImagesPrune(ctx, f)
	return err
}

func (b *Builder) repository(app string) string { return b.cfg.Registry + "/" + app }

// tag is the name of the image of a commit.
func (b *Builder) tag(app, sha string) string { return b.repository(app) + ":git-" + sha[:8] }
