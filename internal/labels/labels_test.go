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

func FuzzParse(f *testing.F) {
	f.Add("deis", "demo_v3.web.1", "u", `{"url":"/health","initial_delay":3,"timeout":1}`)
	f.Add("", "demo_v3.web.1", "", "")
	f.Add("x", "nonsense", "u", "{}")
	f.Add("x", "", "u", "{")
	f.Add("x", "a_v1.b.1", "u", `{"url":1}`)
	f.Fuzz(func(t *testing.T, platform, job, uuid, health string) {
		i, ok, err := Parse(map[string]string{Platform: platform, Job: job, UUID: uuid, Healthcheck: health})
		if ok == (err != nil) && job != "" || err != nil && err.Error() == "" {
			t.Fatalf("%q: %v %v", job, ok, err)
		}
		if !ok {
			return
		}
		if i.Platform != platform || i.UUID != uuid || i.ID.String() != job || (i.Health != nil) != (health != "") {
			t.Fatalf("%q %q %q %q is %+v", platform, job, uuid, health, i)
		}
		again, ok, err := Parse(i.Labels())
		if !ok || err != nil || !reflect.DeepEqual(again, i) {
			t.Fatalf("%+v becomes %+v: %v", i, again, err)
		}
	})
}

func TestName(t *testing.T) {
	id := jobid.ID{App: "demo", Version: 3, Type: "web", Num: 1}
	for platform, want := range map[string]string{"deis": "demo_v3.web.1", "test": "test.demo_v3.web.1"} {
		if got := (Identity{Platform: platform, ID: id}).Name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
