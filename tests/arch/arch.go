// Package arch holds the rules of the source tree as functions over what `go
// list` says; its tests apply them to the tree, and show for each that it
// fails on a planted breach. docs/architecture.md tells the rules in words.
package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the import path of the tree.
const Module = "github.com/deis/deis"

// Package is one package of the tree.
type Package struct {
	Dir     string   // inside the module, such as controller/rest
	Imports []string // import paths of its files without tests
}

// components are the nine faces, and the two command-line tools.
var components = []string{"controller", "database", "builder", "registry", "logspout", "logger", "publisher", "router", "store", "client", "deisctl"}

// nouns are the packages that all parts of a component share.
var nouns = map[string]string{"controller": "controller/deis", "router": "router/table", "store": "store/cluster"}

// component is the first element of a folder if it names a component.
func component(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	if slices.Contains(components, first) {
		return first
	}
	return ""
}

// within says whether dir is parent or below it.
func within(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

// local turns an import path into a folder of the module.
func local(imp string) (dir string, ok bool) { return strings.CutPrefix(imp, Module+"/") }

// Imports are the rules of who may import whom inside the module.
func Imports(pkgs []Package) []string {
	var breaches []string
	for _, p := range pkgs {
		for _, imp := range p.Imports {
			to, ok := local(imp)
			if !ok {
				continue
			}
			if why := forbidden(p.Dir, to); why != "" {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: %s", p.Dir, to, why))
			}
		}
	}
	return breaches
}

func forbidden(from, to string) string {
	src, dst := component(from), component(to)
	switch {
	case within(from, "tests") || within(from, "bench"):
		return ""
	case within(from, "cmd"):
		return forbiddenMain(from, to)
	case within(from, "internal"):
		if !within(to, "internal") {
			return "internal imports nothing else of the module"
		}
		return ""
	case within(to, "internal"):
		return ""
	case src == "" || dst == "":
		return "only components, cmd, tests and internal import each other"
	case src != dst:
		return "components meet over HTTP, SSH, syslog and etcd"
	case to == dst && src != "client" && src != "deisctl":
		return "only cmd imports a face"
	case from == src: // the face wires its parts
		return ""
	case to == nouns[src]:
		return ""
	case strings.HasPrefix(from, to+"/"):
		return ""
	case within(from, "client/cmd") && within(to, "client"), within(from, "deisctl/cmd") && within(to, "deisctl"):
		return "" // a command-line tool's face is its cmd folder
	case strings.HasPrefix(to, from+"/"):
		return "a folder never imports its children"
	}
	return "parts meet in run.go"
}

func forbiddenMain(from, to string) string {
	name := path.Base(from)
	switch {
	case within(to, "internal"):
		return ""
	case name == "slug" && within(to, "builder/slug"): // the helper of the slug images
		return ""
	case to == name, to == name+"/cmd", name == "deis" && to == "client/cmd":
		return ""
	}
	return "a main package imports internal and its face"
}

// Technology keeps each client library in the folders made for it.
func Technology(pkgs []Package) []string {
	rules := []struct {
		imp     string
		folders []string
	}{
		{"github.com/jackc/pgx/", []string{"controller/postgres", "database", "internal/pgtest"}},
		{"go.etcd.io/etcd/", []string{"internal/etcd", "internal/etcdtest"}},
		{"github.com/docker/docker/client", []string{"internal/engine", "internal/enginetest"}},
		{"github.com/docker/docker/", []string{"internal/engine", "internal/enginetest", "controller/scheduler/docker", "builder/build", "publisher/announce", "logspout/pump"}},
		{"github.com/spf13/cobra", []string{"client", "deisctl", "cmd"}},
		{"github.com/ceph/go-ceph/", []string{"store"}},
	}
	var breaches []string
	for _, p := range pkgs {
		if within(p.Dir, "tests") || within(p.Dir, "bench") {
			continue
		}
		for _, imp := range p.Imports {
			for _, r := range rules {
				if strings.HasPrefix(imp+"/", strings.TrimSuffix(r.imp, "/")+"/") && !slices.ContainsFunc(r.folders, func(f string) bool { return within(p.Dir, f) }) {
					breaches = append(breaches, fmt.Sprintf("%s imports %s, which belongs in %s", p.Dir, imp, strings.Join(r.folders, ", ")))
				}
			}
		}
	}
	return breaches
}
