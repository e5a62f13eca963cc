package sweep

import (
	"context"
	"path"
	"strings"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// plan is what a look at all repositories found.
type plan struct {
	young      map[string]bool // digests that a push under way may need
	youngLinks map[string]bool // paths of their links
	repos      map[string]*content
	uploads    int // unfinished, in all repositories
}

// content counts what a repository has.
type content struct{ revisions, youngLinks, uploads int }

func (c *content) empty() bool { return *c == content{} }

// look reads the links of all repositories; links made or touched after since
// are young.
func look(ctx context.Context, driver storagedriver.StorageDriver, since time.Time) (*plan, error) {
	p := &plan{young: map[string]bool{}, youngLinks: map[string]bool{}, repos: map[string]*content{}}
	err := driver.Walk(ctx, repositories, func(info storagedriver.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return p.add(info, since)
	})
	return p, ignoreMissing(err)
}

func (p *plan) add(info storagedriver.FileInfo, since time.Time) error {
	repo, inside, ok := strings.Cut(strings.TrimPrefix(info.Path(), repositories+"/"), "/_")
	if !ok {
		return nil
	}
	c := p.repos[repo]
	if c == nil {
		c = new(content)
		p.repos[repo] = c
	}
	parts := strings.Split(inside, "/")
	switch {
	case inside == "manifests/tags":
		return storagedriver.ErrSkipDir
	case parts[0] == "uploads" && len(parts) > 1:
		c.uploads++
		p.uploads++
		if info.IsDir() {
			return storagedriver.ErrSkipDir
		}
	case info.IsDir() || path.Base(inside) != "link":
	case parts[0] == "manifests":
		c.revisions++
	case parts[0] == "layers" && len(parts) == 4 && info.ModTime().After(since):
		c.youngLinks++
		p.young[parts[1]+":"+parts[2]] = true
		p.youngLinks[info.Path()] = true
	}
	return nil
}
