package api

import "testing"

func TestParseLogPosition(t *testing.T) {
	for _, text := range []string{"0123456789abcdef-0", "0123456789abcdef-123456789012345678"} {
		if p, err := ParseLogPosition(text); err != nil || p.String() != text {
			t.Errorf("%s: %v %v", text, p, err)
		}
	}
	for _, text := range []string{"", "-", "0", "0123456789abcdef", "0123456789abcdef-", "0123456789abcdef-01", "0123456789abcdef--1",
		"0123456789abcdef-1234567890123456789", "0123456789ABCDEF-1", "0123456789abcdef-1\n", "../../etc-1"} {
		if p, err := ParseLogPosition(text); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
	p := LogPosition{Log: "0123456789abcdef", Offset: 5}
	if got := p.Add(7).String(); got != "0123456789abcdef-12" {
		t.Error(got)
	}
}

func FuzzParseLogPosition(f *testing.F) {
	f.Add("0123456789abcdef-12")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParseLogPosition(text); err == nil && p.String() != text {
			t.Errorf("%q becomes %q", text, p)
		}
	})
}
