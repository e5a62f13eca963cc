package announce

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	announced prometheus.Gauge
	withdrawn prometheus.Counter
	writes    prometheus.Counter
	leases    prometheus.Counter
	probes    *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		announced: prometheus.NewGauge(prometheus.GaugeOpts{Name: "deis_publisher_announced_containers", Help: "Containers that are announced."}),
		withdrawn: prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_publisher_withdrawals_total", Help: "Containers that were withdrawn."}),
		writes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_publisher_etcd_writes_total", Help: "Keys written or deleted."}),
		leases:    prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_publisher_leases_total", Help: "Leases made: more than one means that one was lost."}),
		probes: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "deis_publisher_probe_seconds", Help: "Time that probes took, by outcome.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8)}, []string{"outcome"}),
	}
	reg.MustRegister(m.announced, m.withdrawn, m.writes, m.leases, m.probes)
	return m
}
