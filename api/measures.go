package api

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"evenkeel/core/trade"
)

// measures are what /metrics tells. Labels have few values each: routes, not paths.
type measures struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	cutOff   *prometheus.CounterVec
	warned   *prometheus.CounterVec
	readers  *prometheus.GaugeVec
	handler  http.Handler
}

func newMeasures(s *Server, more []prometheus.Collector) *measures {
	m := &measures{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_http_requests_total",
			Help: "Requests by route and status."}, []string{"route", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "evenkeel_http_request_seconds",
			Help:    "Time from the request's headers to the end of its answer, by route; streams are not counted.",
			Buckets: latencyBounds}, []string{"route"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_refusals_total",
			Help: "Refused requests by reason."}, []string{"reason"}),
		cutOff: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_streams_cut_off_total",
			Help: "Stream readers that were too slow."}, []string{"stream"}),
		warned: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "evenkeel_streams_warned_total",
			Help: "Stream readers that were warned that they are too slow."}, []string{"stream"}),
		readers: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "evenkeel_stream_readers",
			Help: "Open streams."}, []string{"stream"}),
	}
	all := prometheus.NewRegistry()
	all.MustRegister(m.requests, m.latency, m.refusals, m.cutOff, m.warned, m.readers, lagMeasures{s})
	gauge := func(name, help string, labels prometheus.Labels, value func() int) {
		all.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value()) }))
	}
	all.MustRegister(doorMeasures{s.Door}, roomMeasures{s.room})
	gauge("evenkeel_logins_waiting", "Password hashes being computed or waited for.", nil, s.Passwords.Waiting)
	gauge("evenkeel_accounts", "Accounts.", nil, s.Directory.Accounts)
	gauge("evenkeel_feed_readers", "Readers of market data.", nil, s.Market.Readers)
	gauge("evenkeel_feed_circles", "Different subscriptions to market data: each is encoded once for all its readers.", nil,
		s.Market.Circles)
	all.MustRegister(more...)
	m.handler = promhttp.HandlerFor(all, promhttp.HandlerOpts{})
	return m
}

// observe counts a request that has been answered.
func (m *measures) observe(c *call, took time.Duration) {
	pattern := "none"
	if c.route != nil {
		pattern = c.route.pattern
	}
	m.requests.WithLabelValues(pattern, strconv.Itoa(c.status)).Inc()
	if c.route == nil || !c.route.stream {
		m.latency.WithLabelValues(pattern).Observe(took.Seconds())
	}
	if c.refused != "" {
		m.refusals.WithLabelValues(c.refused).Inc()
	}
}

// probes reports whether a route tells how this server is: whoever spreads the load asks it to the end.
func (r *route) probes() bool {
	return r.pattern == "GET /healthz" || r.pattern == "GET /readyz" || r.pattern == "GET /metrics"
}

// health says that the process answers.
func health(_ *Server, _ *call) (int, any, error) {
	return http.StatusOK, map[string]string{"status": "ok"}, nil
}

// ready says whether the house can work, and why not.
func ready(s *Server, _ *call) (int, any, error) {
	reasons := []string{}
	if s.Ready != nil {
		reasons = append(reasons, s.Ready()...)
	}
	if s.drains() {
		reasons = append(reasons, "being stopped")
	}
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	return status, map[string]any{"ready": len(reasons) == 0, "reasons": reasons, "version": s.Version}, nil
}

// metrics tells how busy the house is: to this machine, and to who may operate it. Whatever came through a proxy came
// from elsewhere.
func metrics(s *Server, c *call) (int, any, error) {
	if err := s.operates(c); err != nil {
		return 0, nil, err
	}
	c.status = http.StatusOK
	s.measures.handler.ServeHTTP(c.w, c.r)
	return 0, nil, nil
}

// getCapacity is GET /api/v1/capacity: the most that this node was asked for, and how much more it can carry.
func getCapacity(s *Server, c *call) (int, any, error) {
	if err := s.operates(c); err != nil {
		return 0, nil, err
	}
	if s.Capacity == nil {
		return 0, nil, say(unavailable)
	}
	return http.StatusOK, s.Capacity(), nil
}

// operates lets this machine pass, and who may operate the house.
func (s *Server) operates(c *call) error {
	from, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() || c.r.Header.Get("X-Forwarded-For") != "" {
		who, err := s.identify(c)
		if err == nil && !who.May(trade.MayOperate) && !who.Measures {
			err = say(notPermitted, "the measures are for who operates the house")
		}
		return err
	}
	return nil
}
