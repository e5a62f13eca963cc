package sweep

import (
	"context"
	"errors"
	"path"
	"strings"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// Where distribution keeps things; its own function for that is not exported.
//
//	repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
//	repositories/<name>/_manifests/tags/...
//	repositories/<name>/_layers/<algorithm>/<hex>/link
//	repositories/<name>/_uploads/<uuid>/...
//	blobs/<algorithm>/<two characters>/<hex>/data
const (
	repositories = "/docker/registry/v2/repositories"
	blobs        = "/docker/registry/v2/blobs"
)

// layerLink is the file by which a repository has a layer.
func layerLink(repo, digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return path.Join(repositories, repo, "_layers", algorithm, hex, "link")
}

// guarded is what the mark and sweep of distribution works on: it refuses to
// delete what a push under way needs, counts, and takes a missing folder for
// an empty one.
type guarded struct {
	storagedriver.StorageDriver
	plan   *plan
	counts *Counts
}

func (d guarded) Walk(ctx context.Context, p string, f storagedriver.WalkFn, options ...func(*storagedriver.WalkOptions)) error {
	return ignoreMissing(d.StorageDriver.Walk(ctx, p, f, options...))
}

func (d guarded) Delete(ctx context.Context, p string) error {
	if rest, ok := strings.CutPrefix(p, blobs+"/"); ok {
		parts := strings.Split(rest, "/")
		if len(parts) == 3 && d.plan.young[parts[0]+":"+parts[2]] {
			return nil
		}
		if info, err := d.Stat(ctx, path.Join(p, "data")); err == nil {
			d.counts.Bytes += info.Size()
		}
		d.counts.Blobs++
		return ignoreMissing(d.StorageDriver.Delete(ctx, p))
	}
	if d.plan.youngLinks[p] {
		return nil
	}
	d.counts.Links++
	return ignoreMissing(d.StorageDriver.Delete(ctx, path.Dir(p))) // the folder has nothing but the link
}

func ignoreMissing(err error) error {
	if errors.As(err, new(storagedriver.PathNotFoundError)) {
		return nil
	}
	return err
}
