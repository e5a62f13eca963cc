package api

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	want := Time{time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)}
	b, err := json.Marshal(want)
	if err != nil || string(b) != `"2014-01-01T00:00:00UTC"` {
		t.Fatal(string(b), err)
	}
	var got Time
	if err := json.Unmarshal(b, &got); err != nil || !got.Equal(want.Time) {
		t.Fatal(got, err)
	}
	if err := json.Unmarshal([]byte(`"2014-01-01"`), &got); err == nil {
		t.Fatal("accepted another form")
	}
}

func TestErrorText(t *testing.T) {
	for body, want := range map[string][]string{
		`{"detail":"Not found"}`:             {"detail: Not found"},
		`{"id":["a","b"],"detail":"c"}`:      {"detail: c", "id: a", "id: b"},
		`<h1>Server Error (500)</h1>` + "\n": {"<h1>Server Error (500)</h1>"},
		`{"version":3}`:                      {"version: 3"},
	} {
		if got := ErrorText([]byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", body, got)
		}
	}
}
