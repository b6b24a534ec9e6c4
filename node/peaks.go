package node

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/capacity"
	"evenkeel/intake"
)

// peaksName is the folder of the record of peaks.
const peaksName = "peaks"

// learnEvery is how often newly measured knees are looked for.
const learnEvery = 10 * time.Second

// openPeaks goes on with the record of the most that was asked of this node, each day, for ever.
func (n *Node) openPeaks(_, running context.Context) error {
	peaks, warning, err := capacity.OpenPeaks(filepath.Join(n.config.Dir, peaksName), time.Now())
	if err != nil {
		return err
	}
	if warning != nil {
		n.log.Warn("a year's peaks cannot be read, and were set aside", "error", warning)
	}
	n.peaks = peaks
	n.work.Go(func() { n.recordPeaks(running) })
	return nil
}

// recordPeaks counts what comes to the door. A disk that fails does not end it.
func (n *Node) recordPeaks(running context.Context) {
	tick := time.NewTicker(capacity.LookEvery)
	defer tick.Stop()
	warn := func(what string, err error) {
		if err != nil {
			n.log.Warn(what, "error", err)
		}
	}
	learned := time.Time{}
	for {
		now := time.Now()
		warn("the record of peaks is not on disk", n.peaks.Look(now, n.counts()))
		if now.Sub(learned) >= learnEvery {
			warn("the measured knees cannot be read", n.peaks.Learn())
			learned = now
		}
		select {
		case <-running.Done():
			warn("the record of peaks is not on disk", n.peaks.End(time.Now(), n.counts()))
			return
		case <-tick.C:
		}
	}
}

// counts are all requests that came so far, and the bytes of clients' connections.
func (n *Node) counts() map[string]uint64 {
	counts := doorCounts(n.door.Queue)
	counts[capacity.BytesIn], counts[capacity.BytesOut] = n.servers.gate.Bytes()
	return counts
}

// doorCounts are all requests that came to the queue so far, by class, whatever became of them.
func doorCounts(q *intake.Queue) map[string]uint64 {
	counts := map[string]uint64{}
	for _, class := range intake.Classes() {
		s := q.Status(class)
		counts[class.String()] = s.Straight + s.Waited + s.PushedOut + s.Outwaited + s.Foreseen + s.Gone +
			uint64(s.Waiting)
	}
	return counts
}

// peakGauges are what the record says in /metrics.
type peakGauges struct{ peaks *capacity.Peaks }

func peakMeasure(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_capacity_"+name, help, append([]string{"class"}, more...), nil)
}

var (
	peakRate = peakMeasure("peak", "The highest rate of requests over a second, of this node: today, and of all days.", "of")
	peakNow  = peakMeasure("rate", "Requests a second, over the last ten.")
	peakKnee = peakMeasure("knee", "The highest rate at which promises were kept when it was measured (evenkeel capacity).")
	peakRoom = peakMeasure("headroom", "The knee over the highest rate of all days; the law asks for 3.")
	peakUse  = peakMeasure("use", "The rate of the last ten seconds over the knee.")
	peakWarn = peakMeasure("alert", "1 when 70 % of the knee are in use, or the headroom is below the law's.")
)

// Describe implements prometheus.Collector.
func (peakGauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{peakRate, peakNow, peakKnee, peakRoom, peakUse, peakWarn} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (p peakGauges) Collect(to chan<- prometheus.Metric) {
	for _, s := range p.peaks.Report(time.Now()).Classes {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{s.Class}, labels...)...)
		}
		gauge(peakRate, s.Today.Second, "today")
		gauge(peakRate, s.Record.Second, "record")
		gauge(peakNow, s.Now)
		gauge(peakWarn, one(s.Alert))
		for _, v := range []struct {
			d     *prometheus.Desc
			value *float64
		}{{peakKnee, s.Knee}, {peakRoom, s.Headroom}, {peakUse, s.Use}} {
			if v.value != nil {
				gauge(v.d, *v.value)
			}
		}
	}
}
