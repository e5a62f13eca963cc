package scheduler

import (
	"context"
	"errors"
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

func TestErrorsForUsers(t *testing.T) {
	late := TimedOut(context.DeadlineExceeded)
	if !errors.Is(late, context.DeadlineExceeded) {
		t.Error(late)
	}
	for want, err := range map[string]error{
		"The container that was to be started is gone.":    Gone(),
		"The command did not end in time and was stopped.": late,
	} {
		var e *deis.Error
		if !errors.As(err, &e) || e.Detail != want || e.Kind != deis.Unavailable {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
