package rest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/deis/deis/controller/deis"
)

// fields are the body of a request. What is wrong with them is collected, so
// that the answer names it all; fields that nobody asks for are ignored.
type fields struct {
	values map[string]any
	wrong  map[string][]string
}

func (f *fields) fail(name, text string) {
	if f.wrong == nil {
		f.wrong = map[string][]string{}
	}
	f.wrong[name] = []string{text}
}

// err is nil if every field asked for so far was right.
func (f *fields) err() error {
	if len(f.wrong) == 0 {
		return nil
	}
	return &deis.Error{Kind: deis.Invalid, Fields: f.wrong}
}

// has says whether the field was sent, with whatever value.
func (f *fields) has(name string) bool {
	_, ok := f.values[name]
	return ok
}

// required is a text that must be there and not be blank.
func (f *fields) required(name string) string {
	text := f.optional(name)
	switch {
	case text == nil && f.wrong[name] == nil:
		f.fail(name, textRequired)
	case text != nil && *text == "":
		f.fail(name, textBlank)
	case text != nil:
		return *text
	}
	return ""
}

// text is a text that may be missing or blank.
func (f *fields) text(name string) string {
	if text := f.optional(name); text != nil {
		return *text
	}
	return ""
}

// optional is a text, nil if it is missing. Numbers are taken as they were
// written.
func (f *fields) optional(name string) *string {
	v, ok := f.values[name]
	if !ok {
		return nil
	}
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case nil:
		f.fail(name, textNull)
		return nil
	default:
		f.fail(name, "Not a valid string.")
		return nil
	}
	if strings.ContainsRune(text, 0) { // no record can hold it
		f.fail(name, textNUL)
		return nil
	}
	return &text
}

const textNUL = "Null characters are not allowed."

// maxNumber is what versions and numbers of containers are stored in.
const maxNumber = 1<<31 - 1

// number is a whole number, also written as a text; 0 if it is missing.
func (f *fields) number(name string) int {
	text := f.optional(name)
	if text == nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(*text))
	if err != nil || n > maxNumber || n < -maxNumber {
		f.fail(name, "A valid integer is required.")
		return 0
	}
	return n
}

// object is an object, or a text that holds one in JSON: old clients encode
// twice. It is nil if the field is missing.
func (f *fields) object(name string) map[string]any {
	v, ok := f.values[name]
	if !ok {
		return nil
	}
	if text, ok := v.(string); ok {
		var err error
		if v, err = decodeJSON([]byte(text)); err != nil {
			f.fail(name, "Value must be valid JSON.")
			return nil
		}
	}
	switch v := v.(type) {
	case map[string]any:
		if holdsNUL(v) {
			f.fail(name, textNUL)
			return nil
		}
		return v
	case nil:
		f.fail(name, textNull)
	default:
		f.fail(name, "Expected a dictionary, but got "+typeName(v)+".")
	}
	return nil
}

// holdsNUL says whether a text anywhere in v holds a NUL.
func holdsNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		for _, e := range v {
			if holdsNUL(e) {
				return true
			}
		}
	case map[string]any:
		for k, e := range v {
			if holdsNUL(k) || holdsNUL(e) {
				return true
			}
		}
	}
	return false
}
