package cmd

import (
	"encoding/json"

	"github.com/deis/deis/client/controller"
)

// How a command that lists or describes prints what it found.
const (
	outputText = "text" // for people, and for scripts written for Deis v1
	outputJSON = "json" // with the API's names, see docs/using/output.md
)

// printed adds the flag that chooses between text and JSON.
func (v *verb) printed(as *string) {
	*as = outputText
	v.option(as, "output", "", "FORMAT", "text or json; text by default")
	v.newer()
	v.checks = append(v.checks, func() error {
		if *as != outputText && *as != outputJSON {
			return v.refuse("--output is text or json")
		}
		return nil
	})
}

// show prints what was found: as JSON, or by calling text.
func (f *Factory) show(as string, found any, text func()) error {
	if as != outputJSON {
		text()
		return nil
	}
	e := json.NewEncoder(f.IO.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(found)
}

// listed is a list in JSON: how many there are, and those that were asked for.
type listed[T any] struct {
	Count   int `json:"count"`
	Results []T `json:"results"`
}

// list is a page without the ways to others.
func list[T any](p controller.Page[T]) listed[T] {
	return listed[T]{Count: p.Count, Results: append([]T{}, p.Results...)} // an empty one is [], not null
}
