package build

import (
	"errors"
	"strings"
	"testing"
)

func TestAgain(t *testing.T) {
	for name, c := range map[string]struct {
		gone  int // how often an image is removed meanwhile
		last  error
		calls int
		want  string
	}{
		"at once":      {0, nil, 1, ""},
		"twice":        {2, nil, 3, ""},
		"then failed":  {1, failure("build failed"), 2, "build failed"},
		"never":        {maxAgain, nil, maxAgain, "build failed: other images were removed meanwhile, again and again; push again later"},
		"other errors": {0, errors.New("away"), 1, "away"},
	} {
		var out strings.Builder
		calls := 0
		err := again(&out, func() error {
			calls++
			if calls <= c.gone {
				return errImageGone
			}
			return c.last
		})
		said := ""
		if err != nil {
			said = err.Error()
		}
		if calls != c.calls || said != c.want || strings.Count(out.String(), "building again") != c.gone {
			t.Errorf("%s: %d builds, %q, %q", name, calls, said, out.String())
		}
	}
}

// TestImageGone: only what the Engine itself says, and not a missing base.
func TestImageGone(t *testing.T) {
	const id = "sha256:2126ee835c9e7afab60612eb69ffa20836e8ba912827985222f24d1b6420b543"
	for text, want := range map[string]bool{
		`unable to find image "` + id + `"`:      true,
		"unable to find image " + id:             true,
		`unable to find image "nginx"`:           false,
		`echo unable to find image "` + id + `"`: false,
		"pull access denied for x":               false,
	} {
		if imageGone.MatchString(text) != want {
			t.Errorf("%q", text)
		}
	}
}
