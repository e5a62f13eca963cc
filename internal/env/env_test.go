package env

import (
	"strings"
	"testing"
	"time"
)

func get(m map[string]string) func(string) string {
	return func(k string) string { return m[k] }
}

func TestDefaultsAndValues(t *testing.T) {
	e := From(get(map[string]string{"TTL": "30", "SIZE": "256M", "ON": "true", "AT": ":80", "ETCD": "a:1,b:2", "IP": "::1"}))
	if e.Seconds("TTL", 20) != 30*time.Second || e.Seconds("OTHER", 20) != 20*time.Second {
		t.Error("Seconds")
	}
	if e.Bytes("SIZE", 1) != 256<<20 || e.Bytes("OTHER", 7) != 7 {
		t.Error("Bytes")
	}
	if !e.Bool("ON", false) || e.Listen("AT", "x") != ":80" || len(e.Etcd()) != 2 || e.IP("IP").String() != "::1" {
		t.Error("Bool, Listen, Etcd or IP")
	}
	if e.Err() != nil {
		t.Error(e.Err())
	}
}

func TestEtcdFromHostAndPort(t *testing.T) {
	if got := From(get(map[string]string{"HOST": "10.0.0.1"})).Etcd(); got[0] != "10.0.0.1:4001" {
		t.Error(got)
	}
}

func TestErrNamesEverythingWrong(t *testing.T) {
	e := From(get(map[string]string{"TTL": "soon", "SIZE": "-1M", "AT": "80", "PORT": "70000", "ON": "maybe", "IP": "x", "ETCD": "nohost"}))
	e.Seconds("TTL", 20)
	e.Bytes("SIZE", 1)
	e.Listen("AT", ":1")
	e.Port("PORT", 1)
	e.Bool("ON", true)
	e.IP("IP")
	e.Etcd()
	e.Required("KEY")
	for _, name := range []string{"TTL", "SIZE", "AT", "PORT", "ON", "IP", "ETCD", "KEY"} {
		if e.Err() == nil || !strings.Contains(e.Err().Error(), name+": ") {
			t.Errorf("%s is not named in: %v", name, e.Err())
		}
	}
}
