package memory

import (
	"slices"
	"testing"

	"github.com/deis/deis/logger/storage/storagetest"
)

func TestPositionsGoWithTheirLines(t *testing.T) {
	m := New(Limits{Lines: 3, Bytes: 1000, Total: 1000})
	if err := m.Append("demo", []string{"one", "two"}); err != nil {
		t.Fatal(err)
	}
	begin, two := storagetest.Seek(t, m, "demo", -1), storagetest.Seek(t, m, "demo", 1)
	if err := m.Append("demo", []string{"three", "four"}); err != nil {
		t.Fatal(err)
	}
	storagetest.Lost(t, m, "demo", begin)
	if got, _ := storagetest.Rest(t, m, "demo", two); !slices.Equal(got, []string{"two", "three", "four"}) {
		t.Errorf("%q", got)
	}
	if oldest := storagetest.Seek(t, m, "demo", -1); oldest != two {
		t.Errorf("%v, want %v", oldest, two)
	}
}
