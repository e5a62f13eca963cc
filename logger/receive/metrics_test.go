package receive

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// value is what a counter counts.
func value(t *testing.T, c prometheus.Collector) (n float64) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}
