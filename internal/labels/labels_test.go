package labels

import (
	"reflect"
	"testing"

	"github.com/deis/deis/internal/jobid"
)

func TestRoundTrip(t *testing.T) {
	for _, health := range []*HealthCheck{nil, {URL: "/health", InitialDelay: 3, Timeout: 1}} {
		want := Identity{Platform: "deis", ID: jobid.ID{App: "demo", Version: 3, Type: "web", Num: 1}, UUID: "u", Health: health}
		got, ok, err := Parse(want.Labels())
		if err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v %v %v, want %+v", got, ok, err, want)
		}
	}
}

func TestParseOthers(t *testing.T) {
	if _, ok, err := Parse(map[string]string{Platform: "deis"}); ok || err != nil {
		t.Error(ok, err)
	}
	if _, ok, err := Parse(map[string]string{Job: "nonsense"}); ok || err == nil {
		t.Error(ok, err)
	}
}

func TestName(t *testing.T) {
	id := jobid.ID{App: "demo", Version: 3, Type: "web", Num: 1}
	for platform, want := range map[string]string{"deis": "demo_v3.web.1", "test": "test.demo_v3.web.1"} {
		if got := (Identity{Platform: platform, ID: id}).Name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
