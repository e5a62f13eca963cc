package deis

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestConfigChanges has the rules of spec sections 2.3 and 2.4, a line each.
func TestConfigChanges(t *testing.T) {
	type object = map[string]any
	number := func(s string) json.Number { return json.Number(s) }
	for name, x := range map[string]struct {
		in   ConfigChange
		want Config
	}{
		"keys":              {ConfigChange{Values: object{"FOO": "a", "_foo": "b", "f001": "c", "FOO_BAR_BAZ_": "d"}}, Config{Values: map[string]string{"FOO": "a", "_foo": "b", "f001": "c", "FOO_BAR_BAZ_": "d"}}},
		"strings stay":      {ConfigChange{Values: object{"DAY": "2015-01-02", "AT": "12:30:00", "D": "д", "N": "a\nb\"'$X\\"}}, Config{Values: map[string]string{"DAY": "2015-01-02", "AT": "12:30:00", "D": "д", "N": "a\nb\"'$X\\"}}},
		"values are texts":  {ConfigChange{Values: object{"I": number("5000"), "F": number("1.5"), "T": true, "N": false}}, Config{Values: map[string]string{"I": "5000", "F": "1.5", "T": "True", "N": "False"}}},
		"null takes away":   {ConfigChange{Values: object{"OLD": nil, "NEVER": nil}, Memory: object{"old": nil}, CPU: object{"old": nil}, Tags: object{"old": nil}}, Config{}},
		"memory":            {ConfigChange{Memory: object{"web": "20MB", "b": "20gb", "c": "6144k", "d": "1g"}}, Config{Memory: map[string]string{"web": "20MB", "b": "20gb", "c": "6144k", "d": "1g"}}},
		"memory in bytes":   {ConfigChange{Memory: object{"web": "6291456B"}}, Config{Memory: map[string]string{"web": "6291456B"}}},
		"all kinds of type": {ConfigChange{Memory: object{"worker2": "64M", "Worker": "64M", "a-b_C9": "64M"}, CPU: object{"worker2": number("10"), "Worker": number("20")}}, Config{Memory: map[string]string{"worker2": "64M", "Worker": "64M", "a-b_C9": "64M"}, CPU: map[string]int{"worker2": 10, "Worker": 20}}},
		"cpu":               {ConfigChange{CPU: object{"a": number("0"), "b": "1024", "c": number("512.9"), "d": " 7 "}}, Config{CPU: map[string]int{"a": 0, "b": 1024, "c": 512, "d": 7}}},
		"tags":              {ConfigChange{Tags: object{"ssd": true, "Rack": number("12"), "zone": "eu_west1"}}, Config{Tags: map[string]string{"ssd": "True", "Rack": "12", "zone": "eu_west1"}}},
		"health check":      {ConfigChange{Values: object{"HEALTHCHECK_URL": "/up", "HEALTHCHECK_TIMEOUT": number("3"), "HEALTHCHECK_INITIAL_DELAY": "0"}}, Config{Values: map[string]string{"HEALTHCHECK_URL": "/up", "HEALTHCHECK_TIMEOUT": "3", "HEALTHCHECK_INITIAL_DELAY": "0"}}},
	} {
		p, err := x.in.parse()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		old := Config{Values: map[string]string{"OLD": "1"}, Memory: map[string]string{"old": "64M"}, CPU: map[string]int{"old": 1}, Tags: map[string]string{"old": "1"}}
		if name != "null takes away" {
			old = Config{}
		}
		got := p.merge(old)
		for field, pair := range map[string][2]any{
			"values": {got.Values, x.want.Values}, "memory": {got.Memory, x.want.Memory}, "cpu": {got.CPU, x.want.CPU}, "tags": {got.Tags, x.want.Tags},
		} {
			if reflect.ValueOf(pair[0]).Len()+reflect.ValueOf(pair[1]).Len() > 0 && !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%s: %s are %v, want %v", name, field, pair[0], pair[1])
			}
		}
	}

	const (
		keyText  = "Config keys must start with a letter or underscore and only contain [A-z0-9_]"
		typeText = "Process types can only contain [a-z]"
		limit    = "Limit format: <number><unit>, where unit = B, K, M or G"
		small    = "Memory limits below 6M are too small to start a container."
		integer  = "CPU shares must be an integer"
		shares   = "CPU shares must be between 0 and 1024"
	)
	for _, x := range []struct {
		field string
		key   string
		value any
		want  string
	}{
		{"values", "123", "x", keyText}, {"values", "../../foo", "x", keyText}, {"values", "FOO/", "x", keyText},
		{"values", "FOO-BAR", "x", keyText}, {"values", "FOO\n", "x", keyText}, {"values", "", "x", keyText}, {"values", "1X", nil, keyText},
		{"values", "A", map[string]any{}, "The value of A is neither a text nor a number."},
		{"values", "A", []any{"x"}, "The value of A is neither a text nor a number."},
		{"values", "A", "x\x00", "The value of A holds a NUL character."},
		{"values", "HEALTHCHECK_URL", "http://x", "HEALTHCHECK_URL must be a path that starts with /."},
		{"values", "HEALTHCHECK_URL", "/a b", "HEALTHCHECK_URL must be a path that starts with /."},
		{"values", "HEALTHCHECK_TIMEOUT", "soon", "HEALTHCHECK_TIMEOUT must be a whole number of seconds, at most 3600."},
		{"values", "healthcheck_initial_delay", number("-1"), "HEALTHCHECK_INITIAL_DELAY must be a whole number of seconds, at most 3600."},
		{"memory", "9web", "64M", typeText}, {"memory", "we.b", "64M", typeText}, {"memory", "", "64M", typeText}, {"memory", "-web", nil, typeText},
		{"memory", "web", "20MK", limit}, {"memory", "web", "20gK", limit}, {"memory", "web", number("64"), limit}, {"memory", "web", "6291456", limit}, {"memory", "web", "-1M", limit},
		{"memory", "web", "1.5G", limit}, {"memory", "web", "64M\n", limit}, {"memory", "web", "", limit}, {"memory", "web", "9999999999999999G", limit}, {"memory", "web", "9999999G", limit},
		{"memory", "web", "0M", small}, {"memory", "web", "5M", small}, {"memory", "web", "6143K", small}, {"memory", "Worker2", "1B", small},
		{"memory", "web", true, limit}, {"memory", "web", []any{}, "The value of web is neither a text nor a number."},
		{"cpu", "9web", number("1"), typeText}, {"cpu", "web", "lots", integer}, {"cpu", "web", "1.5", integer}, {"cpu", "web", "", integer},
		{"cpu", "web", true, integer}, {"cpu", "web", map[string]any{}, integer}, {"cpu", "web", number("1e400"), integer},
		{"cpu", "web", number("1025"), shares}, {"cpu", "web", "-1", shares}, {"cpu", "web", number("1e300"), shares}, {"cpu", "worker2", number("-5"), shares},
		{"tags", "a.b", "c", "Tag keys can only contain [a-z]"}, {"tags", "", "c", "Tag keys can only contain [a-z]"}, {"tags", "a1", "c", "Tag keys can only contain [a-z]"},
		{"tags", "a", "b\n", "Invalid tag value"}, {"tags", "a", "", "Invalid tag value"}, {"tags", "a", "b c", "Invalid tag value"},
		{"tags", "a", strings.Repeat("b", 129), "Ensure this field has no more than 128 characters."},
		{"tags", strings.Repeat("a", 129), nil, "Ensure this field has no more than 128 characters."},
	} {
		var in ConfigChange
		*map[string]*map[string]any{"values": &in.Values, "memory": &in.Memory, "cpu": &in.CPU, "tags": &in.Tags}[x.field] = object{x.key: x.value}
		var e *Error
		if _, err := in.parse(); !errors.As(err, &e) || e.Kind != Invalid || len(e.Fields) != 1 || len(e.Fields[x.field]) != 1 || e.Fields[x.field][0] != x.want {
			t.Errorf("%s %.20q: %.20v: %v, want %s", x.field, x.key, x.value, err, x.want)
		}
	}
	var e *Error
	if _, err := (ConfigChange{Values: object{"1": "x"}, Memory: object{"1": "x"}, CPU: object{"1": "x"}, Tags: object{"1": "x"}}).parse(); !errors.As(err, &e) || len(e.Fields) != 4 {
		t.Error("not all that is wrong is named:", err)
	}
}

func TestConfigsAreBounded(t *testing.T) {
	texts := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint("k", i)] = "v"
		}
		return m
	}
	cpu := map[string]int{}
	for k := range texts(101) {
		cpu[k] = 1
	}
	if err := checkSize(Config{Values: texts(1000), Memory: texts(100), Tags: texts(100)}); err != nil {
		t.Error(err)
	}
	for field, c := range map[string]Config{
		"values": {Values: texts(1001)}, "memory": {Memory: texts(101)}, "tags": {Tags: texts(101)}, "cpu": {CPU: cpu},
	} {
		var e *Error
		if err := checkSize(c); !errors.As(err, &e) || len(e.Fields[field]) != 1 {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := checkSize(Config{Values: map[string]string{"A": strings.Repeat("x", 1<<20)}}); err == nil {
		t.Error("a value of 1 MiB was accepted")
	}
}

// TestLimitsReachContainers: limits apply to the very type that they name, and
// to one-off containers under their type, run.
func TestLimitsReachContainers(t *testing.T) {
	c := New(Needs{Settings: fixed{}})
	s := snapshot{config: Config{
		Memory: map[string]string{"worker2": "64M", "Worker": "1G", "worke": "7M", "run": "32M"},
		CPU:    map[string]int{"worker2": 10, "Worker": 20, "worke": 30},
	}}
	for typ, want := range map[string][2]int64{"worker2": {64 << 20, 10}, "Worker": {1 << 30, 20}, "worker": {0, 0}, "web": {0, 0}} {
		spec := c.spec(Container{App: "demo", Version: 2, Type: typ, Num: 1}, s)
		if spec.Memory != want[0] || spec.CPU != want[1] {
			t.Errorf("%s: %d bytes, %d shares, want %v", typ, spec.Memory, spec.CPU, want)
		}
	}
	if spec := c.runSpec(s, "ls"); spec.Memory != 32<<20 {
		t.Error(spec.Memory)
	}
}
