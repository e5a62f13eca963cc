package jobid

import "testing"

func TestRoundTrip(t *testing.T) {
	for _, id := range []ID{{"go", 2, "web", 1}, {"a-b-3", 10, "worker2", 12}, {"x", 1, "Big_Type-x", 999}} {
		got, err := Parse(id.String())
		if err != nil || got != id {
			t.Errorf("Parse(%q) = %+v, %v", id, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "/go_v2.web.1", "go_v0.web.1", "go_v2.web.0", "go_v2.web", "Go_v2.web.1", "go_v2.web.1.2", "go_v2xweb.1", "go_v2.2web.1", "go_v2.web.1\n", "_v2.web.1"} {
		if id, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v", s, id)
		}
	}
}

func TestRoutable(t *testing.T) {
	for typ, want := range map[string]bool{"web": true, "cmd": true, "webhook": false, "cmdline": false, "worker": false, "run": false} {
		if (ID{"a", 1, typ, 1}).Routable() != want {
			t.Error(typ)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("go_v2.web.1")
	f.Add("a-b_v10.worker2.3")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err == nil && id.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, id)
		}
	})
}
