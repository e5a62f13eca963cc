package controller_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEveryErrorIsShown: what the API may say of an error, and what is written
// into apps' logs, is in a test or in an exchange, so that nobody changes it unseen.
func TestEveryErrorIsShown(t *testing.T) {
	var shown strings.Builder
	said := map[string]string{} // where, by text
	for _, folder := range []string{"rest", "deis", "postgres", "images", "ldap", "scheduler", "scheduler/docker"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				shown.Write(text)
				continue
			}
			errorTexts(t, file, text, said)
		}
	}
	files, err := filepath.Glob(filepath.Join(wireFolder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "matrix_test.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	if len(said) < 40 {
		t.Errorf("only %d errors were found", len(said))
	}
	all := shown.String()
	for text, where := range said {
		if !asPattern(text).MatchString(all) {
			t.Errorf("%s: no test shows %q", where, text)
		}
	}
}

var verbs = regexp.MustCompile(`%(?:\.\d+)?[sdvqf]`)

// asPattern is a format as it is found in answers, or in strings of Go.
func asPattern(format string) *regexp.Regexp {
	parts := verbs.Split(format, -1)
	for i, part := range parts {
		quoted := strconv.Quote(part)
		parts[i] = regexp.QuoteMeta(quoted[1 : len(quoted)-1])
	}
	return regexp.MustCompile(strings.Join(parts, `[^\n]+`))
}

// errorTexts collects the texts of errors in a file: of the functions that make
// them, of sentences that are returned, of fields called Detail, of constants
// that are called after them, and of lines for apps' logs.
func errorTexts(t *testing.T, file string, src []byte, said map[string]string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, " ") {
				said[text] = set.Position(lit.Pos()).String()
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			switch name {
			case "event", "Event", "fail": // lines of apps' logs
				if x, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) > 0 {
					if _, ok := x.X.(*ast.Ident); !ok || x.X.(*ast.Ident).Name == "c" {
						ast.Inspect(n.Args[len(n.Args)-1], func(n ast.Node) bool {
							if e, ok := n.(ast.Expr); ok {
								note(e)
							}
							return true
						})
						return true
					}
				}
			}
			switch name {
			case "Errorf", "Field", "fail", "bad", "Refused", "registryError":
				if x, ok := n.Fun.(*ast.SelectorExpr); ok {
					if pkg, ok := x.X.(*ast.Ident); ok && pkg.Name == "fmt" {
						return true // causes, which only the log has
					}
				}
				for _, arg := range n.Args {
					note(arg)
				}
			}
		case *ast.ReturnStmt: // of what is wrong with something
			for _, r := range n.Results {
				if call, ok := r.(*ast.CallExpr); ok && len(call.Args) > 0 {
					if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
						r = call.Args[0]
					}
				}
				if lit, ok := r.(*ast.BasicLit); ok && len(lit.Value) > 2 && lit.Value[1] >= 'A' && lit.Value[1] <= 'Z' {
					note(lit)
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Detail" {
				note(n.Value)
			}
		case *ast.CompositeLit: // []string{"..."}, the texts of a field
			if a, ok := n.Type.(*ast.ArrayType); ok {
				if elt, ok := a.Elt.(*ast.Ident); ok && elt.Name == "string" && len(n.Elts) == 1 {
					note(n.Elts[0])
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if !strings.HasPrefix(name.Name, "text") || i >= len(n.Values) {
					continue
				}
				note(n.Values[i])
				if list, ok := n.Values[i].(*ast.CompositeLit); ok {
					for _, e := range list.Elts {
						if pair, ok := e.(*ast.KeyValueExpr); ok {
							note(pair.Value)
						}
					}
				}
			}
		}
		return true
	})
}
