package controller

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzErrorBody: of any body an error makes the status and a bounded text, all
// of it if it is the API's.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{`{"detail":"Not found"}`, `{"id":["a","b"],"n":1,"o":{"p":null}}`, "<html><title>x\n</title>", "", "[]", `{"a":`, "\xff\x00", strings.Repeat("<p>", 600)} {
		f.Add(404, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := &Error{Status: status, Body: body}
		text := err.Error()
		if !strings.HasPrefix(text, "\n") || !strings.HasSuffix(text, "\n") || http.StatusText(status) != "" && !strings.Contains(text, strings.ToUpper(http.StatusText(status))) {
			t.Errorf("%q", text)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil && len(text) > maxForeign+1000 {
			t.Errorf("%d bytes of what is not the API's", len(text))
		}
		for key, value := range object {
			var sentence string
			if json.Unmarshal(value, &sentence) == nil && !strings.Contains(text, key+": "+sentence) {
				t.Errorf("%q lacks %q", text, sentence)
			}
		}
	})
}

// FuzzPath: a name is one segment of a path, or refused.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"demo", "..", "a/b", "%2e%2e", "a?b#c", "*.example.com", "é", "\x00", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p, err := path("/v1/apps/%s/", name)
		if err != nil {
			return
		}
		u, err := url.Parse("http://deis.example.com" + p)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path != "/v1/apps/"+name+"/" || u.RawQuery != "" || u.Fragment != "" || strings.Count(u.EscapedPath(), "/") != 4 {
			t.Errorf("%q: %s", name, p)
		}
	})
}
