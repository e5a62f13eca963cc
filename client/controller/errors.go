package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/deis/deis/internal/api"
)

// Error is an answer that is not a success: what the controller says, or
// something in its place.
type Error struct {
	Status int    // of HTTP, from 300 on
	Body   []byte // the first MiB
}

// IsNotFound tells the error of a name that nothing has, or nothing that the
// user may know of.
func IsNotFound(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound
}

// Error is what Deis v1 printed, and what scripts look for: an empty line, the
// status with its phrase in upper case, then a `key: text` line for each
// sentence of the body, or the body as it is if that is no JSON object, and
// not too long.
func (e *Error) Error() string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, strings.ToUpper(http.StatusText(e.Status))))
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", status)
	for _, line := range e.Lines() {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// What of a body that is not the API's is passed on: a router's short page is,
// a wall of HTML is not.
const (
	maxForeign      = 512
	maxForeignLines = 8
)

// Lines are the sentences of the body: `key: text`, by key. A body that is no
// JSON object is one of them, or is told of in one if it is long.
func (e *Error) Lines() []string {
	text := strings.TrimSpace(string(e.Body))
	var object map[string]json.RawMessage
	switch {
	case text == "":
		return nil
	case json.Unmarshal(e.Body, &object) == nil, len(text) <= maxForeign && strings.Count(text, "\n") < maxForeignLines:
		return api.ErrorText(e.Body)
	}
	what := "a text"
	if m := htmlTitle.FindStringSubmatch(text); m != nil {
		what = fmt.Sprintf("a page of HTML titled %.80q", strings.Join(strings.Fields(m[1]), " "))
	} else if strings.HasPrefix(text, "<") {
		what = "a page of HTML"
	}
	return []string{fmt.Sprintf("%s of %d bytes, which is not the API's: something else answered, or a router on the way", what, len(e.Body))}
}

var htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>([^<]{1,400})</title>`)

// ofAPI tells whether it is the API that says so, not something on the way, or
// a controller that has no such path.
func (e *Error) ofAPI() bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(e.Body, &fields) == nil && len(fields) > 0
}
