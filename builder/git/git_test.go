package git

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

func TestParseCommand(t *testing.T) {
	for command, want := range map[string]string{
		"git-receive-pack 'demo.git'":       "receive-pack demo",
		"git-receive-pack '/demo.git'":      "receive-pack demo",
		"git-upload-pack demo":              "upload-pack demo",
		`git-upload-pack "/a-1.git"`:        "upload-pack a-1",
		"git-receive-pack 'Demo'":           "receive-pack ",
		"git-receive-pack '../demo'":        "receive-pack ",
		"git-receive-pack 'a/b.git'":        "receive-pack ",
		"git-receive-pack '--help'":         "receive-pack --help", // a name; a path is made of it
		"git-receive-pack 'a' 'b'":          "receive-pack ",
		"git-receive-pack ''":               "receive-pack ",
		"git-receive-pack '//demo'":         "receive-pack ",
		"git-receive-pack 'demo.git.git'":   "receive-pack ",
		"git-receive-pack $(id)":            "receive-pack ",
		"git-receive-pack 'demo'\n":         "receive-pack demo",
		"git-receive-pack":                  "",
		"receive-pack demo":                 "",
		"git-upload-archive demo":           "",
		"git-receive-pack\tdemo":            "",
		"":                                  "",
		"git-receive-pack " + long("a", 65): "receive-pack ",
	} {
		service, app, ok := ParseCommand(command)
		if got := string(service) + " " + app; ok && got != want || !ok && want != "" {
			t.Errorf("%q: %q %v", command, got, ok)
		}
	}
}

func long(s string, n int) string { return strings.Repeat(s, n) }

func FuzzParseCommand(f *testing.F) {
	f.Add("git-receive-pack '/demo.git'")
	f.Add("git-upload-pack ../../etc")
	f.Fuzz(func(t *testing.T, command string) {
		if _, app, ok := ParseCommand(command); ok && app != "" && !appName.MatchString(app) {
			t.Fatal(app)
		}
	})
}

// scripted decides by the name of the ref.
type scripted struct{ asked []Update }

func (s *scripted) PreReceive(_ context.Context, us []Update, out io.Writer) error {
	s.asked = append(s.asked, us...)
	fmt.Fprintln(out, "looking")
	return nil
}

func (s *scripted) ProcReceive(_ context.Context, u Update, out io.Writer) error {
	s.asked = append(s.asked, u)
	fmt.Fprintln(out, "building")
	if strings.HasSuffix(u.Ref, "bad") {
		return errors.New("build\nfailed")
	}
	return nil
}

const (
	sha1 = "1111111111111111111111111111111111111111"
	sha2 = "2222222222222222222222222222222222222222"
)

func pkt(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		if l == "flush" {
			b.WriteString("0000")
			continue
		}
		fmt.Fprintf(&b, "%04x%s", len(l)+4, l)
	}
	return b.String()
}

func TestProcReceiveProtocol(t *testing.T) {
	in := pkt("version=1\x00push-options atomic\n", "flush", sha1+" "+sha2+" refs/heads/good\n", none+" "+sha1+" refs/heads/bad\n", "flush")
	var out, errs bytes.Buffer
	s := &scripted{}
	if err := ProcReceive(t.Context(), strings.NewReader(in), &out, &errs, s); err != nil {
		t.Fatal(err)
	}
	if want := pkt("version=1\n", "flush", "ok refs/heads/good\n", "ng refs/heads/bad build failed\n", "flush"); out.String() != want {
		t.Errorf("%q\nwant %q", out.String(), want)
	}
	if errs.String() != "building\nbuilding\n" || len(s.asked) != 2 || s.asked[0] != (Update{sha1, sha2, "refs/heads/good"}) {
		t.Errorf("%q %v", errs.String(), s.asked)
	}
	for name, in := range map[string]string{
		"nothing":       "",
		"other version": pkt("version=2\n", "flush"),
		"cut off":       pkt("version=1\n", "flush", sha1+" "+sha2+" refs/heads/good\n"),
		"no hash":       pkt("version=1\n", "flush", "x y refs/heads/a\n", "flush"),
		"no ref":        pkt("version=1\n", "flush", sha1+" "+sha2+" HEAD\n", "flush"),
		"option":        pkt("version=1\n", "flush", sha1+" "+sha2+" --stdin\n", "flush"),
		"odd length":    "00zz",
	} {
		s := &scripted{}
		if err := ProcReceive(t.Context(), strings.NewReader(in), io.Discard, io.Discard, s); err == nil || len(s.asked) != 0 {
			t.Errorf("%s: %v, %v", name, err, s.asked)
		}
	}
}

func FuzzProcReceive(f *testing.F) {
	f.Add([]byte(pkt("version=1\x00atomic\n", "flush", sha1+" "+sha2+" refs/heads/good\n", "flush")))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := &scripted{}
		_ = ProcReceive(t.Context(), bytes.NewReader(in), io.Discard, io.Discard, s)
		for _, u := range s.asked {
			if err := u.check(); err != nil {
				t.Fatal(u, err)
			}
		}
	})
}

func TestPreReceive(t *testing.T) {
	s := &scripted{}
	var errs bytes.Buffer
	if err := PreReceive(t.Context(), strings.NewReader(sha1+" "+sha2+" refs/heads/a\n"), &errs, s); err != nil || len(s.asked) != 1 || errs.String() != "looking\n" {
		t.Error(err, s.asked)
	}
	if err := PreReceive(t.Context(), strings.NewReader("junk\n"), io.Discard, s); err == nil {
		t.Error("junk was passed on")
	}
}

// repos has one app, demo, with a repository.
func newRepos(t *testing.T) Repos {
	t.Helper()
	r := Repos{Root: t.TempDir()}
	if err := r.Prepare(t.Context(), "demo", 7); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPrepareTellsIncarnationsApart(t *testing.T) {
	r := newRepos(t)
	if err := r.Prepare(t.Context(), "demo", 7); err != nil {
		t.Error(err)
	}
	if err := r.Prepare(t.Context(), "demo", 8); !errors.Is(err, ErrOther) {
		t.Error(err)
	}
	if err := r.Prepare(t.Context(), "new", 0); err != nil { // not known yet
		t.Error(err)
	}
	if err := r.Prepare(t.Context(), "new", 5); err != nil { // now it is
		t.Error(err)
	}
	if err := r.Prepare(t.Context(), "new", 6); !errors.Is(err, ErrOther) {
		t.Error(err)
	}
	for _, name := range []string{"", "..", "a/b", "A", long("a", 65)} {
		if err := r.Prepare(t.Context(), name, 1); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if apps, err := r.Apps(); err != nil || strings.Join(apps, " ") != "demo new" {
		t.Error(apps, err)
	}
	if err := r.Collect(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
}

// put writes an object into the repository of demo by git itself.
func put(t *testing.T, r Repos, kind string, content []byte) string {
	t.Helper()
	cmd := exec.Command("git", "--git-dir="+filepath.Join(r.Root, "demo.git"), "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

type entry struct {
	mode, name, hash string
}

func tree(entries ...entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		h := plumbing.NewHash(e.hash)
		fmt.Fprintf(&b, "%s %s\x00%s", e.mode, e.name, h[:])
	}
	return b.Bytes()
}

func commit(t *testing.T, r Repos, tree string) string {
	t.Helper()
	return put(t, r, "commit", []byte("tree "+tree+"\nauthor a <a> 1500000000 +0000\ncommitter a <a> 1500000000 +0000\n\nm\n"))
}

func TestTree(t *testing.T) {
	r := newRepos(t)
	file := put(t, r, "blob", []byte("content"))
	link := put(t, r, "blob", []byte("../outside"))
	sub := put(t, r, "tree", tree(entry{"100755", "run", file}))
	root := put(t, r, "tree", tree(entry{"100644", "Procfile", file}, entry{"40000", "dir", sub}, entry{"120000", "link", link}, entry{"160000", "module", sha1}))
	c := commit(t, r, root)
	tag := put(t, r, "tag", []byte("object "+c+"\ntype commit\ntag v1\ntagger a <a> 1500000000 +0000\n\nm\n"))
	tree, err := r.Open("demo", tag, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if tree.SHA != c {
		t.Error("not peeled:", tree.SHA)
	}
	var got []string
	err = tree.Walk(func(h *tar.Header, content io.Reader) error {
		text := ""
		if h.Typeflag == tar.TypeReg {
			b, err := io.ReadAll(content)
			if err != nil || int64(len(b)) != h.Size {
				t.Error(err, h.Size)
			}
			text = string(b)
		}
		got = append(got, fmt.Sprintf("%c %o %s %s%s", h.Typeflag, h.Mode, h.Name, h.Linkname, text))
		return nil
	})
	want := "0 644 Procfile content|5 755 dir/ |0 755 dir/run content|2 777 link ../outside|5 755 module/ "
	if err != nil || strings.Join(got, "|") != want {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "|"), want)
	}
	if b, err := tree.File("Procfile", 100); err != nil || string(b) != "content" {
		t.Error(string(b), err)
	}
	for _, name := range []string{"none", "dir", "link"} {
		if _, err := tree.File(name, 100); !errors.Is(err, fs.ErrNotExist) {
			t.Error(name, err)
		}
	}
	if _, err := tree.File("Procfile", 3); !strings.Contains(fmt.Sprint(err), "Procfile is larger than 3 bytes") {
		t.Error(err)
	}
}

// TestHostileTrees are such as git's own checks refuse; nothing of them may
// come out even so.
func TestHostileTrees(t *testing.T) {
	r := newRepos(t)
	file := put(t, r, "blob", bytes.Repeat([]byte("x"), 1000))
	sub := put(t, r, "tree", tree(entry{"100644", "passwd", file}))
	bomb := sub
	for range 12 { // 10^12 files
		var entries []entry
		for i := range 10 {
			entries = append(entries, entry{"40000", fmt.Sprint("d", i), bomb})
		}
		bomb = put(t, r, "tree", tree(entries...))
	}
	deep := sub
	for range 100 {
		deep = put(t, r, "tree", tree(entry{"40000", "d", deep}))
	}
	for name, c := range map[string]struct {
		root []byte
		want string
	}{
		"parent":     {tree(entry{"40000", "..", sub}), "cannot be the name"},
		"itself":     {tree(entry{"40000", ".", sub}), "cannot be the name"},
		"slash":      {tree(entry{"100644", "../../etc/passwd", file}), "cannot be the name"},
		"git folder": {tree(entry{"40000", ".GIT", sub}), "cannot be the name"},
		"link twice": {tree(entry{"120000", "a", file}, entry{"40000", "a", sub}), "cannot be the name"},
		"empty name": {tree(entry{"100644", "", file}), ""},
		"bomb":       {tree(entry{"40000", "b", bomb}), "larger than"},
		"deep":       {tree(entry{"40000", "b", deep}), "nested too deeply"},
		"large":      {tree(entry{"100644", "a", file}, entry{"100644", "b", file}), "the tree is larger than 1500 bytes"},
		"missing":    {tree(entry{"100644", "a", sha1}), ""},
		"not a tree": {tree(entry{"40000", "a", file}), ""},
	} {
		tr, err := r.Open("demo", commit(t, r, put(t, r, "tree", c.root)), 1500)
		if err == nil {
			err = tr.Walk(func(h *tar.Header, _ io.Reader) error {
				if strings.Contains(h.Name, "..") {
					t.Errorf("%s: %s came out", name, h.Name)
				}
				return nil
			})
			tr.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Open("demo", file, 1500); !errors.Is(err, ErrNotCommit) {
		t.Error(err)
	}
	if _, err := r.Open("demo", sha2, 1500); err == nil {
		t.Error("opened what is not there")
	}
}

func TestMoveComparesAndSwaps(t *testing.T) {
	r := newRepos(t)
	root := put(t, r, "tree", tree(entry{"100644", "a", put(t, r, "blob", nil)}))
	c := commit(t, r, root)
	u := Update{Old: none, New: c, Ref: "refs/heads/master"}
	if err := r.Move(t.Context(), "demo", u); err != nil {
		t.Fatal(err)
	}
	if err := r.Move(t.Context(), "demo", u); err == nil {
		t.Error("moved although it was there")
	}
	if err := r.Move(t.Context(), "demo", Update{Old: none, New: c, Ref: "--stdin"}); err == nil {
		t.Error("an option was passed on")
	}
}

func TestServeKillsTheWholeGroup(t *testing.T) {
	r := newRepos(t)
	hooks := t.TempDir()
	script := "#!/bin/sh\nsleep 1000 &\necho $! >" + hooks + "/pid\nwait\n"
	if err := os.WriteFile(filepath.Join(hooks, "pre-receive"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	pr, pw := io.Pipe()
	go func() {
		_, err := Server{Repos: r, Hooks: hooks, MaxPush: 1 << 20}.Serve(ctx, ReceivePack, "demo", nil, pr, io.Discard, io.Discard)
		served <- err
	}()
	// A ref for objects that are there already, with an empty pack.
	root := put(t, r, "tree", nil)
	c := commit(t, r, root)
	line := none + " " + c + " refs/heads/a\x00report-status"
	if _, err := io.WriteString(pw, pkt(line, "flush")+emptyPack); err != nil {
		t.Fatal(err)
	}
	var pid string
	for pid == "" {
		b, _ := os.ReadFile(filepath.Join(hooks, "pid"))
		if strings.HasSuffix(string(b), "\n") {
			pid = strings.TrimSpace(string(b))
		}
		select {
		case err := <-served:
			t.Fatal("git ended before its hook:", err)
		default:
		}
	}
	cancel()
	<-served
	pw.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil || strings.Contains(string(status), "Z (zombie)") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the hook's child is alive")
		}
	}
}

// emptyPack is a pack of no objects.
const emptyPack = "PACK\x00\x00\x00\x02\x00\x00\x00\x00\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e"
