package arch

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// tree asks go list for the packages of the module.
func tree(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []Package
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		dir, _ := local(p.ImportPath)
		pkgs = append(pkgs, Package{Dir: dir, Imports: p.Imports})
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list found %d packages", len(pkgs))
	}
	return pkgs
}

func report(t *testing.T, breaches []string) {
	t.Helper()
	for _, b := range breaches {
		t.Error(b)
	}
}

func TestTree(t *testing.T) {
	pkgs := tree(t)
	report(t, Imports(pkgs))
	report(t, Technology(pkgs))
}

func TestImportsFindsPlantedBreaches(t *testing.T) {
	for from, to := range map[string]string{
		"router/table":         "publisher/announce", // another component
		"internal/etcd":        "controller/deis",
		"controller/rest":      "controller/postgres", // parts meet in run.go
		"controller/postgres":  "controller",          // a face
		"controller/deis":      "controller/rest",
		"cmd/router":           "publisher",
		"cmd/builder":          "builder/git", // a part
		"controller/scheduler": "controller/scheduler/docker",
		"client/settings":      "client/cmd",
		"router":               "controller/deis",
	} {
		if b := Imports([]Package{{Dir: from, Imports: []string{Module + "/" + to}}}); len(b) != 1 {
			t.Errorf("%s may import %s", from, to)
		}
	}
}

func TestImportsAllowsTheLayout(t *testing.T) {
	for _, p := range [][2]string{
		{"cmd/router", "router"}, {"cmd/router", "internal/process"}, {"router", "router/table"}, {"controller/rest", "controller/deis"},
		{"controller/scheduler/docker", "controller/scheduler"}, {"client/cmd", "client/controller"}, {"cmd/deis", "client/cmd"}, {"router/table", "internal/keys"},
	} {
		if b := Imports([]Package{{Dir: p[0], Imports: []string{Module + "/" + p[1]}}}); len(b) != 0 {
			t.Error(b)
		}
	}
}

func TestTechnologyFindsPlantedBreaches(t *testing.T) {
	for from, imp := range map[string]string{
		"controller/rest": "github.com/jackc/pgx/v5", "router/table": "go.etcd.io/etcd/client/v3", "builder/build": "github.com/docker/docker/client",
		"controller/deis": "github.com/docker/docker/api/types", "router": "github.com/spf13/cobra",
	} {
		if b := Technology([]Package{{Dir: from, Imports: []string{imp}}}); len(b) != 1 {
			t.Errorf("%s may import %s", from, imp)
		}
	}
}

// sources calls fn with each Go file of the tree that is no test.
func sources(t *testing.T, fn func(file string, src []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fn(strings.TrimPrefix(file, root+"/"), src)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A main may hand the environment on; what it calls may not read it.
func TestEnvironmentIsReadInOnePlace(t *testing.T) {
	sources(t, func(file string, src []byte) {
		for _, free := range []string{"internal/process/", "internal/pgtest/", "cmd/", "examples/", "tests/", "bench/"} {
			if strings.HasPrefix(file, free) {
				return
			}
		}
		b, err := Environment(file, src)
		if err != nil {
			t.Fatal(err)
		}
		report(t, b)
	})
}

func TestEnvironmentFindsPlantedBreach(t *testing.T) {
	b, err := Environment("x.go", []byte("package x\nimport \"os\"\nvar home = os.Getenv(\"HOME\")\n"))
	if err != nil || len(b) != 1 {
		t.Error(b, err)
	}
}

func TestFilesAreSmall(t *testing.T) {
	sources(t, func(file string, src []byte) {
		if n := strings.Count(string(src), "\n"); n > 600 {
			t.Errorf("%s has %d lines", file, n)
		}
	})
}

func TestVariablesAreDocumented(t *testing.T) {
	found := 0
	for _, c := range components {
		settings, err := os.ReadFile(filepath.Join(root, c, "settings.go"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		found++
		doc, err := os.ReadFile(filepath.Join(root, c, "doc.go"))
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := Documented(c, settings, doc)
		if err != nil {
			t.Fatal(err)
		}
		report(t, b)
	}
	if found == 0 {
		t.Error("no component has a settings.go")
	}
}

func TestDocumentedFindsPlantedBreaches(t *testing.T) {
	settings := []byte("package x\nfunc f() { e.Seconds(\"TTL\", 20); e.Etcd(); getenv(\"SECRET\") }\n")
	b, err := Documented("x", settings, []byte("// # Environment\n//\n//\tTTL   seconds\n//\tGONE  nothing\n//\tETCD  where\n"))
	if err != nil || len(b) != 2 {
		t.Error(b, err)
	}
}

func TestDependenciesAreRecorded(t *testing.T) {
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile(filepath.Join(root, "docs/decisions/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	report(t, Dependencies(string(gomod), string(record)))
}

func TestDependenciesFindsPlantedBreaches(t *testing.T) {
	gomod := "require (\n\texample.org/a v1.0.0\n\texample.org/b v1.2.0\n\texample.org/i v1.0.0 // indirect\n)\n"
	record := "| module | version |\n|---|---|\n| `example.org/b` | v1.1.0 | x |\n| `example.org/c` | v1.0.0 | x |\n"
	if b := Dependencies(gomod, record); len(b) != 3 || slices.ContainsFunc(b, func(s string) bool { return strings.Contains(s, "example.org/i ") }) {
		t.Error(b)
	}
}
