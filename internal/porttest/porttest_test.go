package porttest

import (
	"net"
	"slices"
	"testing"
)

func TestFree(t *testing.T) {
	one, err := Free(1)
	if err != nil {
		t.Fatal(err)
	}
	taken := one[0]
	ln, err := net.Listen("tcp", Addr(taken))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()

	ports, err := Free(500)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(ports, taken) {
		t.Errorf("%d is given though something listens on it", taken)
	}
	slices.Sort(ports)
	if n := len(slices.Compact(ports)); n != 500 {
		t.Errorf("%d of 500 ports are different", n)
	}
}
