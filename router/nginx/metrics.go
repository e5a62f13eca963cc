package nginx

import "github.com/prometheus/client_golang/prometheus"

// metrics of nginx as a whole.
type metrics struct {
	starts     prometheus.Counter
	dropped    prometheus.Counter
	feeds      *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	reloadTime prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		starts:     prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_router_nginx_starts_total", Help: "Times nginx was started."}),
		dropped:    prometheus.NewCounter(prometheus.CounterOpts{Name: "deis_router_log_lines_dropped_total", Help: "Access log lines that nobody took in time."}),
		feeds:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deis_router_feeds_total", Help: "Changes of routes without a reload, by outcome."}, []string{"outcome"}),
		reloads:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deis_router_reloads_total", Help: "Reloads of nginx, by outcome."}, []string{"outcome"}),
		reloadTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "deis_router_reload_seconds", Help: "Time from a new configuration to its being served.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}),
	}
	reg.MustRegister(m.starts, m.dropped, m.feeds, m.reloads, m.reloadTime)
	return m
}
