package api

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/core/trade"
)

// lagBounds are the bounds of the lags' buckets, in seconds.
var lagBounds = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10}

// mostLagging is how many of the readers that lag most are named.
const mostLagging = 5

// OpsLag is how far the readers of a node's streams are behind.
type OpsLag struct {
	Readers int         `json:"readers"` // whose lag is known
	P50     float64     `json:"p50_ms"`
	P99     float64     `json:"p99_ms"`
	Max     float64     `json:"max_ms"`
	CutOff  uint64      `json:"cut_off"` // since the start
	Warned  uint64      `json:"warned"`
	Most    []OpsReader `json:"most"` // behind, those that are most
}

// MarshalJSON writes a list where there is none: a node of an earlier release tells nothing of its readers.
func (l OpsLag) MarshalJSON() ([]byte, error) {
	type plain OpsLag
	if l.Most == nil {
		l.Most = []OpsReader{}
	}
	return json.Marshal(plain(l))
}

// OpsReader is the reader of a stream.
type OpsReader struct {
	Stream string  `json:"stream"`
	Login  string  `json:"login"`
	From   string  `json:"from"`
	Lag    float64 `json:"lag_ms"` // the age of the oldest update that it has not had
	Behind int     `json:"behind"` // updates
}

// readerLag is the lag of one reader.
type readerLag struct {
	kind, from string
	account    trade.AccountID
	age        time.Duration
	behind     int
}

// lags are those of all readers, least first.
func (s *Server) lags() []readerLag {
	s.seats.mu.Lock()
	all := make([]readerLag, 0, len(s.seats.all))
	asks := make([]func(time.Time) (time.Duration, int), 0, len(s.seats.all))
	for p := range s.seats.all {
		if p.lag != nil {
			all = append(all, readerLag{kind: p.kind, from: p.from, account: p.account})
			asks = append(asks, p.lag)
		}
	}
	s.seats.mu.Unlock()
	now := time.Now()
	for i, ask := range asks {
		all[i].age, all[i].behind = ask(now)
	}
	slices.SortFunc(all, func(a, b readerLag) int { return cmp.Compare(a.age, b.age) })
	return all
}

// Lag is how far readers are behind.
func (s *Server) Lag() OpsLag {
	all := s.lags()
	v := OpsLag{Readers: len(all), CutOff: sum(s.measures.cutOff), Warned: sum(s.measures.warned), Most: []OpsReader{}}
	if len(all) == 0 {
		return v
	}
	ms := func(n int) float64 { return float64(all[n].age.Microseconds()) / 1000 }
	v.P50, v.P99, v.Max = ms((len(all)-1)/2), ms((len(all)-1)*99/100), ms(len(all)-1)
	for n := len(all) - 1; n >= 0 && len(v.Most) < mostLagging && all[n].behind > 0; n-- {
		known, _ := s.Directory.Account(all[n].account)
		v.Most = append(v.Most, OpsReader{Stream: all[n].kind, Login: known.Login, From: all[n].from, Lag: ms(n),
			Behind: all[n].behind})
	}
	return v
}

var (
	lagDesc = prometheus.NewDesc("evenkeel_stream_lag_seconds",
		"Readers of streams now, by the age of the oldest update that each has not had.", []string{"stream"}, nil)
	laggingDesc = prometheus.NewDesc("evenkeel_stream_lagging_seconds",
		"The readers that are most behind, at most five.", []string{"place", "stream", "login", "from"}, nil)
)

// lagMeasures are the lags in /metrics, as they are when it is asked for.
type lagMeasures struct{ s *Server }

// Describe implements prometheus.Collector.
func (lagMeasures) Describe(to chan<- *prometheus.Desc) { to <- lagDesc; to <- laggingDesc }

// Collect implements prometheus.Collector.
func (l lagMeasures) Collect(to chan<- prometheus.Metric) {
	kinds := map[string][]readerLag{}
	for _, r := range l.s.lags() {
		kinds[r.kind] = append(kinds[r.kind], r)
	}
	for kind, all := range kinds {
		buckets, sum := map[float64]uint64{}, 0.0
		for _, bound := range lagBounds {
			buckets[bound] = 0
		}
		for _, r := range all {
			sum += r.age.Seconds()
			for _, bound := range lagBounds {
				if r.age.Seconds() <= bound {
					buckets[bound]++
				}
			}
		}
		to <- prometheus.MustNewConstHistogram(lagDesc, uint64(len(all)), sum, buckets, kind)
	}
	for n, r := range l.s.Lag().Most {
		to <- prometheus.MustNewConstMetric(laggingDesc, prometheus.GaugeValue, r.Lag/1000, string(rune('1'+n)), r.Stream,
			r.Login, r.From)
	}
}
