package controller

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/deis/deis/internal/api"
)

// Error is an answer that is not a success.
type Error struct {
	Status int
	Body   []byte
}

// Error is what Deis v1 printed, and what scripts look for: an empty line, the
// status with its phrase in upper case, then a `key: text` line for each
// sentence of the body, or the body as it is if that is no JSON object.
func (e *Error) Error() string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, strings.ToUpper(http.StatusText(e.Status))))
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", status)
	for _, line := range e.Lines() {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Lines are the sentences of the body.
func (e *Error) Lines() []string {
	if len(strings.TrimSpace(string(e.Body))) == 0 {
		return nil
	}
	return api.ErrorText(e.Body)
}

// ofAPI tells whether it is the API that says so, not something on the way, or
// a controller that has no such path.
func (e *Error) ofAPI() bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(e.Body, &fields) == nil && len(fields) > 0
}
