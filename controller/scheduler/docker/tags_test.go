package docker

import (
	"maps"
	"testing"
)

func TestParseTags(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"":                     {},
		" ":                    {},
		"disk=ssd":             {"disk": "ssd"},
		"disk=ssd, zone=a=b ":  {"disk": "ssd", "zone": "a=b"},
		"a=1,b=2,controller=1": {"a": "1", "b": "2", "controller": "1"},
	} {
		if got, err := ParseTags(text); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"disk", "=ssd", "disk=", "a=1,,b=2", "a=1,a=2"} {
		if got, err := ParseTags(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
