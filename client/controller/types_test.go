package controller

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestTypesHoldTheAPI: each noun as docs/api.md shows it comes out of its type
// as it went in, no field lost.
func TestTypesHoldTheAPI(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), "`\n`", "") // an example may go over two lines
	hidden := regexp.MustCompile(`"(created|updated|expires)":"…"`)
	for begins, noun := range map[string]any{
		"A user is ":                            new(User),
		"a list of admins: ":                    new(Admin),
		"A key is\n":                            new(Key),
		"One is\n":                              new(Cert),
		"An app is ":                            new(App),
		"It is\n":                               new(Config),
		"A build is ":                           new(Build),
		"A release is a build with a config:\n": new(Release),
		"A container is ":                       new(Container),
		"that is not for everybody: ":           new(Credential),
		"A domain is ":                          new(Domain),
		"who has access beside the owner: ":     new(Perms),
	} {
		_, rest, ok := strings.Cut(text, begins+"`")
		example, _, ends := strings.Cut(rest, "`")
		if !ok || !ends {
			t.Errorf("docs/api.md shows nothing behind %q", begins)
			continue
		}
		example = hidden.ReplaceAllString(example, `"$1":"2014-01-01T00:00:00UTC"`)
		var want, got any
		if err := json.Unmarshal([]byte(example), &want); err != nil {
			t.Errorf("%s%s: %v", begins, example, err)
			continue
		}
		if err := json.Unmarshal([]byte(example), noun); err != nil {
			t.Errorf("%T: %v", noun, err)
			continue
		}
		b, err := json.Marshal(noun)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%T: %s, want %s, %v", noun, b, example, err)
		}
	}
}
