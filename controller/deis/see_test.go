package deis

import (
	"testing"
	"time"
)

func TestSee(t *testing.T) {
	type look struct {
		after    time.Duration // the look before
		restarts int
		up       time.Duration // since the start; negative: between two starts
		want     bool          // crashed
	}
	const s = time.Second
	for name, test := range map[string]struct {
		row   Container
		looks []look
	}{
		"five in a moment":          {looks: []look{{0, 0, s, false}, {s, 2, 0, false}, {s, 4, -1, false}, {s, 5, -1, true}, {20 * s, 5, -1, true}}},
		"more than were looked at":  {looks: []look{{0, 0, s, false}, {5 * s, 7, -1, true}}},
		"four":                      {looks: []look{{0, 0, s, false}, {5 * s, 4, s, false}, {56 * s, 4, 57 * s, false}, {5 * s, 0, 62 * s, false}}},
		"slowly":                    {looks: []look{{0, 1, s, false}, {20 * s, 2, s, false}, {20 * s, 3, s, false}, {20 * s, 4, s, false}, {20 * s, 5, s, false}, {20 * s, 6, s, false}}},
		"every eleven seconds":      {looks: []look{{0, 1, 0, false}, {11 * s, 2, 0, false}, {11 * s, 3, 0, false}, {11 * s, 4, 0, false}, {11 * s, 5, 0, true}}},
		"recovers when it is up":    {looks: []look{{0, 5, -1, true}, {50 * s, 6, 49 * s, true}, {s, 6, 50 * s, true}, {10 * s, 6, 60 * s, false}, {60 * s, 0, 120 * s, false}}},
		"long pauses, short lives":  {looks: []look{{0, 5, -1, true}, {60 * s, 11, -1, true}, {120 * s, 12, -1, true}, {120 * s, 13, s, true}}},
		"a controller that is new":  {looks: []look{{0, 12, -1, true}}},
		"one that remembers":        {row: Container{Crashed: true}, looks: []look{{0, 2, s, true}, {10 * s, 3, s, true}, {59 * s, 3, 59 * s, true}, {s, 3, 60 * s, false}}},
		"once after a long life":    {looks: []look{{0, 0, time.Hour, false}, {s, 9, -1, false}, {s, 9, s, false}, {60 * s, 0, 61 * s, false}, {s, 10, -1, false}}},
		"again after a long life":   {looks: []look{{0, 0, time.Hour, false}, {s, 9, -1, false}, {s, 12, -1, false}, {s, 13, -1, true}}},
		"started by hand":           {looks: []look{{0, 4, -1, false}, {s, 0, 0, false}, {s, 4, -1, false}, {s, 5, -1, true}}},
		"stopped while it was bad":  {looks: []look{{0, 5, -1, true}, {s, 0, 0, true}, {60 * s, 0, 60 * s, false}}},
		"nothing new, no new crash": {looks: []look{{0, 4, s, false}, {s, 4, s, false}, {s, 4, s, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			now, e := time.Unix(1e9, 0), exits{}
			for i, l := range test.looks {
				now = now.Add(l.after)
				st := Status{Container: "c", Restarts: l.restarts, State: StateUp, Started: now.Add(-l.up)}
				if l.up < 0 {
					st.State, st.Started = StateCrashed, now.Add(-time.Minute)
				}
				if e = see(e, i > 0, test.row, st, now); e.crashed != l.want {
					t.Fatalf("look %d: crashed: %v", i+1, e.crashed)
				}
				if len(e.at) > crashExits {
					t.Fatal("remembers more than it needs")
				}
			}
			if e = see(e, true, test.row, Status{Container: "other", State: StateUp, Started: now}, now); e.crashed {
				t.Error("a container that was made anew is still crashed")
			}
		})
	}
}
