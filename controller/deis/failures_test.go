package deis

import (
	"fmt"
	"testing"
	"time"
)

func TestCheckFailures(t *testing.T) {
	began := time.Unix(1e9, 0)
	f := checkFailures{began: began, told: map[string]bool{}}
	const refused, code = "failed to connect to container (dial 10.0.0.2:5000: connect: connection refused)", "app failed health check (got '500', expected: '200')"
	for i, step := range []struct {
		detail string
		after  time.Duration
		want   bool
	}{
		{"", 0, false}, {refused, 0, false}, {code, 0, true}, {code, time.Second, false}, {refused, 2 * time.Second, false},
		{refused, 4 * time.Second, true}, {refused, 5 * time.Second, false}, {code, time.Hour, false},
	} {
		if got := f.next(step.detail, began.Add(step.after)); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	told := 0
	for i := range 1000 {
		if f.next(fmt.Sprint(i), began) {
			told++
		}
	}
	if len(f.told) != maxFailures || told != maxFailures-2 {
		t.Error("a log may be filled:", told)
	}
}
