package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestStreamFindsErrorBehind200(t *testing.T) {
	const in = `{"stream":"Step 1/2 : FROM x\n"}{"status":"Pushing","progressDetail":{"current":1,"total":2},"progress":"[=> ]","id":"abc"}{"status":"Pushed","id":"abc"}{"aux":{"Digest":"sha256:1"}}{"errorDetail":{"message":"denied"},"error":"denied"}`
	var out strings.Builder
	var aux string
	err := Stream(strings.NewReader(in), &out, func(m json.RawMessage) { aux = string(m) })
	if err == nil || err.Error() != "denied" {
		t.Error(err)
	}
	if out.String() != "Step 1/2 : FROM x\nabc: Pushed\n" || aux != `{"Digest":"sha256:1"}` {
		t.Errorf("%q, %s", out.String(), aux)
	}
}

func TestStreamCutShort(t *testing.T) {
	if err := Stream(strings.NewReader(`{"stream":"a"}{"str`), new(strings.Builder), nil); err == nil {
		t.Error("a broken stream passed for a whole one")
	}
}

func TestRestrict(t *testing.T) {
	var h container.HostConfig
	Restrictions{CPU: 512}.Restrict(&h)
	if h.Memory != DefaultMemory || h.MemorySwap != h.Memory || *h.PidsLimit != DefaultPids || h.CPUShares != 512 {
		t.Errorf("%+v", h.Resources)
	}
	for _, c := range h.CapAdd {
		if c == "NET_RAW" || c == "SYS_ADMIN" {
			t.Error(c)
		}
	}
	if h.Privileged || len(h.CapDrop) != 1 || h.SecurityOpt[0] != "no-new-privileges" {
		t.Errorf("%+v", h)
	}
}
