package deis

import (
	"strings"
	"testing"

	"github.com/deis/deis/internal/jobid"
)

func TestHostname(t *testing.T) {
	job := jobid.ID{App: "demo", Version: 2, Type: "web", Num: 1}
	long := jobid.ID{App: strings.Repeat("a", 60), Version: 2, Type: "web", Num: 1}
	for _, test := range []struct {
		mode string
		job  jobid.ID
		want string
	}{
		{"", job, ""},
		{"default", job, ""},
		{"application", job, "demo.v2.web.1"},
		{"application", long, strings.Repeat("a", 60) + ".v2"},
		{"server", job, ServerHostname},
	} {
		if got, err := hostname(test.mode, test.job); got != test.want || err != nil {
			t.Errorf("%s: %q %v, want %q", test.mode, got, err, test.want)
		}
	}
	if _, err := hostname("Application", job); KindOf(err) != Unavailable || err.Error() != "Unsupported hostname: Application" {
		t.Error(err)
	}
}
