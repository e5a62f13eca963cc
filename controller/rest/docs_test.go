package rest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented finds the lines of docs/api.md that start an endpoint:
// `### POST /v1/apps`, followed by a line `user · 201`.
var documented = regexp.MustCompile("(?m)^### `([A-Z]+) (/\\S*)`\n\n([a-z]+) · ([0-9]{3})")

// TestDocs compares the API's page with the table.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range documented.FindAllStringSubmatch(string(page), -1) {
		got = append(got, strings.Join(m[1:], " "))
	}
	if n := strings.Count(string(page), "\n### `"); n != len(got) {
		t.Errorf("%d endpoints, but %d say who may call them", n, len(got))
	}
	for _, r := range Routes() {
		want = append(want, fmt.Sprintf("%s %s %s %d", r.Method, r.Pattern, r.Who, r.Status))
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("docs/api.md lacks %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("docs/api.md has %s, the API does not", g)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d endpoints in docs/api.md, %d in the API", len(got), len(want))
	}
}
