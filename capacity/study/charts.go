package study

import (
	"fmt"
	"math"
	"time"
)

// charts are the study's pictures.
func (s *Study) charts() (all []*chart) {
	for i := range s.Knees {
		if len(s.Knees[i].Steps) > 0 {
			all = append(all, s.Knees[i].chart())
		}
	}
	if len(s.Runs) > 0 {
		all = append(all, runsChart(s.Runs))
	}
	if s.Scaling != nil && len(s.Scaling.Points) > 0 {
		all = append(all, s.Scaling.chart())
	}
	for _, f := range s.Forecasts {
		all = append(all, f.chart(s))
	}
	return all
}

// chart shows each step's wait by its rate, and the knee.
func (k *Knee) chart() *chart {
	c := &chart{title: fmt.Sprintf("%s: p99 of the worst class by rate; the knee is at %s a second", k.Kind, figure(k.Rate)),
		x: "requests a second", y: "ms", logX: true, logY: true}
	if k.Rate == 0 {
		c.title = k.Kind + ": p99 of the worst class by rate; none was carried"
	}
	good := curve{name: "carried", colour: blue, dots: true}
	bad := curve{name: "not carried", colour: red, dots: true, crosses: true}
	for _, step := range k.Steps {
		to := &bad
		if step.Carried() {
			to = &good
		}
		to.x, to.y = append(to.x, step.Rate), append(to.y, max(step.P99, 0.1))
	}
	if low, high := ends(good.y, bad.y); k.Rate > 0 && len(k.Steps) > 0 {
		c.curves = append(c.curves, curve{name: "knee", colour: ink, dashed: true,
			x: []float64{k.Rate, k.Rate}, y: []float64{low, high}})
	}
	c.curves = append(c.curves, good, bad)
	return c
}

func ends(some ...[]float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, values := range some {
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

func runsChart(runs []Run) *chart {
	c := &chart{title: "beyond the knee: what was due, and what was answered in time", x: "times the knee", y: "a second",
		logX: true, logY: true}
	due, useful := curve{name: "due", colour: ink}, curve{name: "useful", colour: blue}
	for _, r := range runs {
		due.x, due.y = append(due.x, r.Times), append(due.y, r.Rate)
		useful.x, useful.y = append(useful.x, r.Times), append(useful.y, max(r.Useful, 1))
	}
	dots := useful
	dots.name, dots.dots = "", true
	c.curves = []curve{due, useful, dots}
	return c
}

func (s *Scaling) chart() *chart {
	c := &chart{title: s.Kind + ": the knee by shards", x: "shards", y: "a second", fromZero: true}
	most := 1.0
	dots := curve{name: "measured", colour: blue, dots: true}
	for _, p := range s.Points {
		dots.x, dots.y, most = append(dots.x, p.N), append(dots.y, p.Rate), max(most, p.N)
	}
	c.curves = append(c.curves, dots)
	if s.USL == nil {
		return c
	}
	law := curve{name: "USL", colour: orange}
	for i := range 101 {
		n := 1 + (2*most-1)*float64(i)/100
		law.x, law.y = append(law.x, n), append(law.y, s.USL.Rate(n))
	}
	c.curves = append(c.curves, law)
	return c
}

func (f *Forecast) chart(s *Study) *chart {
	c := &chart{title: fmt.Sprintf("%s: three times the daily peak, with the 90 %% band, against the knee", f.Class),
		y: "a second", logY: true, xText: func(day float64) string { return f.First.AddDate(0, 0, int(day)).Format("2006-01") }}
	last := f.Last.Sub(f.First).Hours() / 24
	until := last * 1.5
	for _, p := range f.Passes {
		if !p.Likely.IsZero() {
			until = max(until, 1.1*p.Likely.Sub(f.First).Hours()/24)
		}
	}
	recorded := curve{name: "3x recorded", colour: blue, dots: true}
	for _, d := range s.Days {
		at, err := time.Parse(time.DateOnly, d.Day)
		if p := d.Classes[f.Class]; err == nil && p.Second > 0 {
			recorded.x = append(recorded.x, at.Sub(f.First).Hours()/24)
			recorded.y = append(recorded.y, 3*p.Second)
		}
	}
	knee := curve{name: "knee", colour: ink, dashed: true, x: []float64{0, until}, y: []float64{f.Knee, f.Knee}}
	c.curves = []curve{recorded, knee}
	for side, name := range map[float64]string{-1: "", 0: "expected", 1: ""} {
		line := curve{name: name, colour: orange, dashed: side != 0}
		for i := range 61 {
			day := until * float64(i) / 60
			line.x, line.y = append(line.x, day), append(line.y, 3*f.At(day, side))
		}
		c.curves = append(c.curves, line)
	}
	return c
}
