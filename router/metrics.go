package router

import "github.com/prometheus/client_golang/prometheus"

// metrics of what nginx is told.
type metrics struct {
	apps, endpoints, stale, problems, revision prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) metrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "deis_router_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	return metrics{
		apps:      gauge("apps", "Apps that have a host."),
		endpoints: gauge("endpoints", "Containers that requests go to."),
		stale:     gauge("stale_endpoints", "Endpoints kept although their announcement lapsed."),
		problems:  gauge("invalid_values", "Keys in etcd whose value cannot be used."),
		revision:  gauge("served_revision", "Revision of etcd that nginx serves."),
	}
}
