package scheduler

import (
	"testing"

	"github.com/deis/deis/controller/deis"
	"github.com/deis/deis/internal/jobid"
	"github.com/deis/deis/internal/labels"
)

func TestCheckTags(t *testing.T) {
	s := deis.Spec{Identity: labels.Identity{ID: jobid.ID{App: "demo", Version: 2, Type: "web", Num: 1}}}
	host := map[string]string{"disk": "ssd", "zone": "a"}
	if err := CheckTags(s, nil); err != nil {
		t.Error(err)
	}
	s.Tags = map[string]string{"disk": "ssd"}
	if err := CheckTags(s, host); err != nil {
		t.Error(err)
	}
	s.Tags = map[string]string{"zone": "b", "gpu": "1", "disk": "ssd"}
	const want = "web.1 cannot be placed: no host has the tags gpu=1, zone=b."
	if err := CheckTags(s, host); err == nil || err.Error() != want || deis.KindOf(err) != deis.Unavailable {
		t.Errorf("%v, want %s", err, want)
	}
}
