package git

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Bounds of a tree. A few objects can describe a tree of any size.
const (
	maxEntries = 250_000
	maxDepth   = 64
	maxLink    = 4096
	maxTags    = 16      // tags of tags
	inMemory   = 4 << 20 // objects above this are streamed from the pack
)

// Tree is the tree of a commit, to be read by one goroutine.
type Tree struct {
	SHA string // of the commit, when a tag was pushed too

	store *filesystem.Storage
	root  *object.Tree
	when  time.Time
	max   int64
}

// Open reads the commit that a hash names, itself or as the end of annotated
// tags. max bounds the bytes of all its files. Close it.
func (r Repos) Open(app, sha string, max int64) (*Tree, error) {
	dir, err := r.path(app)
	if err != nil {
		return nil, err
	}
	store := filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(16*cache.MiByte),
		filesystem.Options{LargeObjectThreshold: inMemory})
	commit, err := peel(store, plumbing.NewHash(sha))
	if err == nil {
		var root *object.Tree
		if root, err = commit.Tree(); err == nil {
			return &Tree{SHA: commit.Hash.String(), store: store, root: root, when: sane(commit.Committer.When), max: max}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("read %s: %w", sha, err), store.Close())
}

// Close lets go of the repository's files.
func (t *Tree) Close() error { return t.store.Close() }

// ErrNotCommit is what Open returns for a tag of something else.
var ErrNotCommit error = treeError("a tag must name a commit")

func peel(store *filesystem.Storage, h plumbing.Hash) (*object.Commit, error) {
	for range maxTags {
		o, err := object.GetObject(store, h)
		if err != nil {
			return nil, err
		}
		switch o := o.(type) {
		case *object.Commit:
			return o, nil
		case *object.Tag:
			h = o.Target
		default:
			return nil, ErrNotCommit
		}
	}
	return nil, ErrNotCommit
}

// sane is a time that every tar and file system can hold.
func sane(t time.Time) time.Time {
	if t.Year() < 1980 || t.Year() > 2100 {
		return time.Unix(0, 0)
	}
	return t
}

// File reads a regular file of the root of at most max bytes; without one the
// error is fs.ErrNotExist.
func (t *Tree) File(name string, max int64) ([]byte, error) {
	for _, e := range t.root.Entries {
		if e.Name != name || !e.Mode.IsFile() || e.Mode == filemode.Symlink {
			continue
		}
		size, err := t.store.EncodedObjectSize(e.Hash)
		if err != nil {
			return nil, err
		}
		if size > max {
			return nil, tooLarge(name, max)
		}
		blob, err := object.GetBlob(t.store, e.Hash)
		if err != nil {
			return nil, err
		}
		r, err := blob.Reader()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// treeError is what is wrong with a tree; its text is for the pusher.
type treeError string

func (e treeError) Error() string    { return string(e) }
func (e treeError) Sentence() string { return string(e) }

func tooLarge(name string, max int64) error {
	return treeError(fmt.Sprintf("%s is larger than %s", name, size(max)))
}

// Walk calls fn for every entry, folders before what they hold, as headers of
// a tar. Folders of submodules are empty.
func (t *Tree) Walk(fn func(h *tar.Header, content io.Reader) error) error {
	w := walk{tree: t, fn: fn}
	return w.folder(t.root, "", 0)
}

type walk struct {
	tree    *Tree
	fn      func(*tar.Header, io.Reader) error
	entries int
	bytes   int64
}

func (w *walk) folder(t *object.Tree, dir string, depth int) error {
	if depth > maxDepth {
		return treeError("the folders are nested too deeply")
	}
	seen := make(map[string]bool, len(t.Entries))
	for _, e := range t.Entries {
		// git checks this too, when it receives objects; what came before that
		// setting, or by a bug in it, must not reach a file system either.
		if bad(e.Name) || seen[e.Name] {
			return treeError(fmt.Sprintf("%q cannot be the name of a file", e.Name))
		}
		seen[e.Name] = true
		if w.entries++; w.entries > maxEntries {
			return treeError(fmt.Sprintf("there are more than %d files", maxEntries))
		}
		if err := w.entry(e, path.Join(dir, e.Name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(e object.TreeEntry, name string, depth int) error {
	h := &tar.Header{Name: name, Mode: 0o644, ModTime: w.tree.when, Format: tar.FormatPAX}
	switch e.Mode {
	case filemode.Dir, filemode.Submodule:
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		if err := w.fn(h, nil); err != nil || e.Mode == filemode.Submodule {
			return err
		}
		sub, err := object.GetTree(w.tree.store, e.Hash)
		if err != nil {
			return err
		}
		return w.folder(sub, name, depth+1)
	case filemode.Symlink:
		target, err := w.link(e.Hash)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, target, 0o777
		return w.fn(h, nil)
	case filemode.Executable:
		h.Mode = 0o755
	case filemode.Regular, filemode.Deprecated:
	default:
		return treeError(fmt.Sprintf("%s is of an unknown kind", name))
	}
	size, err := w.tree.store.EncodedObjectSize(e.Hash)
	if err != nil {
		return err
	}
	if w.bytes += size; w.bytes > w.tree.max {
		return tooLarge("the tree", w.tree.max)
	}
	blob, err := object.GetBlob(w.tree.store, e.Hash)
	if err != nil {
		return err
	}
	r, err := blob.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	h.Typeflag, h.Size = tar.TypeReg, size
	return w.fn(h, r)
}

func (w *walk) link(h plumbing.Hash) (string, error) {
	blob, err := object.GetBlob(w.tree.store, h)
	if err != nil {
		return "", err
	}
	if blob.Size > maxLink {
		return "", treeError("a symbolic link is too long")
	}
	r, err := blob.Reader()
	if err != nil {
		return "", err
	}
	defer r.Close()
	target, err := io.ReadAll(r)
	if strings.ContainsRune(string(target), 0) {
		return "", treeError("a symbolic link has a control character")
	}
	return string(target), err
}

func bad(name string) bool {
	return name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") || strings.ContainsAny(name, "/\x00") || len(name) > 255
}
