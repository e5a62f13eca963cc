package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Environment finds the calls by which a file reads its process's environment;
// settings get it as a function instead.
func Environment(file string, src []byte) ([]string, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, 0)
	if err != nil {
		return nil, err
	}
	var breaches []string
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ"}, sel.Sel.Name) {
			breaches = append(breaches, fmt.Sprintf("%s uses os.%s: only internal/process reads the environment", fset.Position(n.Pos()), sel.Sel.Name))
		}
		return true
	})
	return breaches, nil
}

// readers are the methods of env.Env that read one variable.
var readers = []string{"String", "Required", "Int", "Port", "Bool", "Seconds", "Bytes", "Listen", "IP"}

// SettingsRead lists the variables that a settings.go reads.
func SettingsRead(src []byte) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "settings.go", src, 0)
	if err != nil {
		return nil, err
	}
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fun := call.Fun.(type) {
		case *ast.SelectorExpr:
			if fun.Sel.Name == "Etcd" && len(call.Args) == 0 {
				names = append(names, "ETCD")
			}
			if !slices.Contains(readers, fun.Sel.Name) {
				return true
			}
		case *ast.Ident:
			if fun.Name != "getenv" {
				return true
			}
		}
		if len(call.Args) > 0 {
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && variable.MatchString(s) {
					names = append(names, s)
				}
			}
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names), nil
}

var (
	variable  = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	mentioned = regexp.MustCompile(`\b[A-Z][A-Z0-9_]+\b`)
)

// Documented compares the variables that settings.go reads with those that
// doc.go tells of.
func Documented(component string, settings, doc []byte) ([]string, error) {
	read, err := SettingsRead(settings)
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, word := range mentioned.FindAllString(string(doc), -1) {
		told[word] = true
	}
	var breaches []string
	for _, name := range read {
		if !told[name] {
			breaches = append(breaches, fmt.Sprintf("%s/doc.go does not tell of %s", component, name))
		}
	}
	for _, line := range documentedVariables(string(doc)) {
		if !slices.Contains(read, line) && !slices.Contains(processVariables, line) {
			breaches = append(breaches, fmt.Sprintf("%s/doc.go tells of %s, which settings.go does not read", component, line))
		}
	}
	return breaches, nil
}

// processVariables are read by internal/process and internal/env for every
// component.
var processVariables = []string{"HEALTH_LISTEN", "LOG_LEVEL", "ETCD", "ETCD_PORT", "HOST"}

// documentedVariables are the first words of the lines under "Environment".
func documentedVariables(doc string) []string {
	_, section, ok := strings.Cut(doc, "Environment")
	if !ok {
		return nil
	}
	var names []string
	for i, line := range strings.Split(section, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "//")
		if i > 0 && strings.HasPrefix(strings.TrimSpace(line), "#") {
			break // the next heading
		}
		word, _, _ := strings.Cut(strings.TrimLeft(line, " \t-*`"), " ")
		word = strings.TrimRight(word, ":,`")
		if variable.MatchString(word) && strings.HasPrefix(line, "\t") || variable.MatchString(word) && strings.HasPrefix(strings.TrimSpace(line), "- ") {
			names = append(names, word)
		}
	}
	return names
}

// Dependencies compares the direct requirements of a go.mod with the rows of
// the dependency record: `| module | version | ...`.
func Dependencies(gomod, record string) []string {
	required := map[string]string{}
	for _, line := range strings.Split(gomod, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") {
			required[fields[0]] = fields[1]
		}
	}
	recorded := map[string]string{}
	for _, line := range strings.Split(record, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) > 3 && strings.Contains(cells[1], "/") {
			recorded[strings.Trim(strings.TrimSpace(cells[1]), "`")] = strings.TrimSpace(cells[2])
		}
	}
	var breaches []string
	for module, v := range required {
		if recorded[module] != v {
			breaches = append(breaches, fmt.Sprintf("docs/decisions/dependencies.md says %q of %s, go.mod %s", recorded[module], module, v))
		}
	}
	for module := range recorded {
		if required[module] == "" {
			breaches = append(breaches, fmt.Sprintf("docs/decisions/dependencies.md has %s, which go.mod does not require directly", module))
		}
	}
	slices.Sort(breaches)
	return breaches
}
