package build

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/deis/deis/internal/labels"
)

// files is a tree in memory; names that end in a slash are folders.
type files map[string]string

func (f files) File(name string, max int64) ([]byte, error) {
	content, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if int64(len(content)) > max {
		return nil, errors.New("too large")
	}
	return []byte(content), nil
}

func (f files) Walk(fn func(*tar.Header, io.Reader) error) error {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(f[name]))}
		switch {
		case strings.HasSuffix(name, "/"):
			h.Typeflag, h.Size = tar.TypeDir, 0
		case strings.HasPrefix(f[name], "-> "):
			h.Typeflag, h.Size, h.Linkname = tar.TypeSymlink, 0, f[name][3:]
		}
		if err := fn(h, strings.NewReader(f[name])); err != nil {
			return err
		}
	}
	return nil
}

// contextOf lists what the Engine gets.
func contextOf(t *testing.T, source files) map[string]string {
	t.Helper()
	keep, err := ignore(source)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := writeTree(t.Context(), w, source, []byte("AMENDED"), keep); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		got[h.Name] = string(content) + h.Linkname
	}
}

func TestContext(t *testing.T) {
	tree := files{"Dockerfile": "FROM x", "a": "1", "d/": "", "d/b": "2", "d/keep": "3", "l": "-> ../../etc/passwd", "secret.txt": "no"}
	for name, c := range map[string]struct {
		ignore string
		want   string
	}{
		"nothing":     {"", "Dockerfile a d/ d/b d/keep l secret.txt"},
		"a pattern":   {"secret*\n", ".dockerignore Dockerfile a d/ d/b d/keep l"},
		"all but one": {"*\n!d/keep\n", "Dockerfile d/ d/keep"},
		"a folder":    {"# comment\nd\n", ".dockerignore Dockerfile a l secret.txt"},
		"itself":      {"Dockerfile\n.dockerignore\n", "Dockerfile a d/ d/b d/keep l secret.txt"},
	} {
		source := maps.Clone(tree)
		if c.ignore != "" {
			source[".dockerignore"] = c.ignore
		}
		got := contextOf(t, source)
		if names := strings.Join(slices.Sorted(maps.Keys(got)), " "); names != c.want {
			t.Errorf("%s: %s", name, names)
		}
		if got["Dockerfile"] != "AMENDED" || name == "nothing" && got["l"] != "../../etc/passwd" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := ignore(files{".dockerignore": "[a\n"}); !strings.Contains(errText(err), ".dockerignore cannot be read") {
		t.Error(err)
	}
}

func TestSlugbuilderContainer(t *testing.T) {
	b := New(nil, Config{Platform: "p", Networks: []string{"p-builds"}, Builds: 1, Memory: 5 << 20, Slugbuilder: "deis/slugbuilder:1", Stack: "s",
		Env: map[string]string{"GOPROXY": "https://proxy", "HTTP_PROXY": "http://p"}})
	config, host := b.slugbuilder("p-builds", Request{App: "demo", SHA: strings.Repeat("a", 40), Config: map[string]string{"GOPROXY": "off", "LINES": "a\nb", "SOURCE_VERSION": "mine"}})
	want := []string{"GOPROXY=off", "HTTP_PROXY=http://p", "LINES=a\nb", "SOURCE_VERSION=" + strings.Repeat("a", 40), "STACK=s"}
	if !slices.Equal(config.Env, want) {
		t.Errorf("%q", config.Env)
	}
	if !maps.Equal(config.Labels, map[string]string{labels.Platform: "p", labels.App: "demo", labels.Build: "aaaaaaaa"}) {
		t.Error(config.Labels)
	}
	if host.NetworkMode != container.NetworkMode("p-builds") || host.Resources.Memory != 5<<20 || host.Resources.MemorySwap != 5<<20 ||
		host.CapDrop[0] != "ALL" || slices.Contains(host.CapAdd, "NET_RAW") || host.SecurityOpt[0] != "no-new-privileges" || host.Privileged || len(host.Binds) != 0 {
		t.Errorf("%+v", host)
	}
	if len(host.Mounts) != 1 || host.Mounts[0].Source != "p-cache-demo" || host.Mounts[0].Target != "/tmp/cache" {
		t.Error(host.Mounts)
	}
}

func TestBuildArgsAreThoseAskedFor(t *testing.T) {
	b := New(nil, Config{Networks: []string{"n"}, Builds: 1, Env: map[string]string{"GOPROXY": "p", "GOFLAGS": "f", "https_proxy": "h"}})
	args := b.buildArgs([]string{"GOPROXY", "OTHER"})
	if len(args) != 2 || *args["GOPROXY"] != "p" || *args["https_proxy"] != "h" {
		t.Error(args)
	}
}

func TestDeclaredTypes(t *testing.T) {
	if types, err := declaredTypes(files{}); types != nil || err != nil {
		t.Error(types, err)
	}
	if types, err := declaredTypes(files{"Procfile": "# nothing"}); types == nil || len(types) != 0 || err != nil {
		t.Error(types, err)
	}
	var f *Failure
	if _, err := declaredTypes(files{"Procfile": "web x"}); !errors.As(err, &f) || !strings.HasPrefix(f.Sentence(), "the Procfile cannot be read: ") {
		t.Error(err)
	}
}
