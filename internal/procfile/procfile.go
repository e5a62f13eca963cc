// Package procfile reads which processes an app has: its Procfile, and the
// .release file in which a buildpack names defaults. The builder sends them to
// the controller, the slug images start them.
package procfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize bounds a Procfile or .release file.
const MaxSize = 64 << 10

var errNotMap = errors.New("it is not a list of lines such as `web: command`")

// typeName is what a process type may be called; it becomes part of container
// names.
var typeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

// Parse reads a Procfile: a YAML map from process type to command. Commands
// are kept as text whatever YAML would take them for, a type given twice has
// its last command, and a file without any is an empty map.
func Parse(b []byte) (map[string]string, error) {
	root, err := document(b)
	if err != nil {
		return nil, err
	}
	types, err := stringMap(root)
	if err != nil {
		return nil, err
	}
	for name := range types {
		if !typeName.MatchString(name) {
			return nil, fmt.Errorf("%q cannot be the name of a process type", name)
		}
	}
	return types, nil
}

// Release is what bin/release of a buildpack prints.
type Release struct {
	Config map[string]string // config_vars: defaults of the environment
	Types  map[string]string // default_process_types
}

// ParseRelease reads a .release file; what it has beside the two maps is
// ignored.
func ParseRelease(b []byte) (Release, error) {
	r := Release{Config: map[string]string{}, Types: map[string]string{}}
	root, err := document(b)
	if err != nil || root == nil {
		return r, err
	}
	if root.Kind != yaml.MappingNode {
		return r, errNotMap
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch root.Content[i].Value {
		case "config_vars":
			r.Config, err = stringMap(root.Content[i+1])
		case "default_process_types":
			r.Types, err = stringMap(root.Content[i+1])
		}
		if err != nil {
			return Release{}, fmt.Errorf("%s: %w", root.Content[i].Value, err)
		}
	}
	return r, nil
}

// document is the root of a YAML file, nil if the file is empty.
func document(b []byte) (*yaml.Node, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", MaxSize)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil
	}
	return doc.Content[0], nil
}

// stringMap reads a map of scalars. Aliases are refused, not followed.
func stringMap(n *yaml.Node) (map[string]string, error) {
	m := map[string]string{}
	if n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return m, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, errNotMap
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, errNotMap
		}
		if value.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s is not a single command", key.Value)
		}
		if strings.ContainsRune(key.Value+value.Value, 0) { // no process can be given it
			return nil, fmt.Errorf("%q holds a NUL character", key.Value)
		}
		m[key.Value] = value.Value
	}
	return m, nil
}
