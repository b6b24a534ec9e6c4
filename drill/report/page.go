package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"evenkeel/paper"
)

//go:embed page.html
var pageText string

var page = paper.New(pageText, template.FuncMap{
	"ms":      func(v float64) string { return fmt.Sprintf("%.0f", v) },
	"seconds": func(v float64) string { return fmt.Sprintf("%.1f s", v/1000) },
	"at":      func(v float64) string { return fmt.Sprintf("%+.3f s", v/1000) },
	"inc":     func(i int) int { return i + 1 },
})

// section is a kind as the page shows it.
type section struct {
	*Kind
	P50, P99, Max, CalmP50, CalmMax float64
	Redundancy                      float64
	Requests, Retried, Failed       int
	Complaints                      []string
	WorstTrial                      *Trial
	Picture, Strip                  template.HTML
}

// Page writes a page that needs nothing but itself.
func (d *Drill) Page(out io.Writer) error {
	view := struct {
		*Drill
		Sections   []section
		Verdict    []string
		Definition string
	}{Drill: d, Verdict: d.Complaints(true), Definition: Definition}
	for i := range d.Kinds {
		k := &d.Kinds[i]
		s := section{Kind: k, P50: k.Quantile(0.5), P99: k.Quantile(0.99), Max: k.Longest(),
			Complaints: k.Complaints(true), WorstTrial: k.Worst()}
		s.Requests, s.Retried, s.Failed, s.Redundancy = k.sums()
		s.CalmP50, s.CalmMax = k.Calm()
		if s.WorstTrial != nil {
			s.Picture = template.HTML(picture(s.WorstTrial, d.Programs)) //nolint:gosec // made here, of numbers
			s.Strip = template.HTML(strip(k))                            //nolint:gosec // made here, of numbers
		}
		view.Sections = append(view.Sections, s)
	}
	return page.Execute(out, view)
}

// Sizes of a picture, in its own units.
const (
	wide      = 760.0
	left      = 58.0
	right     = 12.0
	top       = 22.0
	plotHigh  = 190.0
	laneHigh  = 14.0
	mostShown = 12_000.0 // milliseconds
	showAfter = 1_500.0  // of the gap's end
	showFirst = -1_000.0
)

// scale maps milliseconds to places.
type scale struct{ from, until float64 }

func (s scale) x(at float64) float64 {
	return left + (wide-left-right)*(at-s.from)/(s.until-s.from)
}

// Waits are drawn on a logarithmic scale between these.
const (
	leastWait = 1.0
	mostWait  = 10_000.0
)

func y(waited float64) float64 {
	share := math.Log10(min(max(waited, leastWait), mostWait)/leastWait) / math.Log10(mostWait/leastWait)
	return top + plotHigh*(1-share)
}

// picture draws a trial: every answer at the time when it came, as high as it had been due for; below, a lane for each
// program, in which silence shows as an empty stretch.
func picture(t *Trial, programs int) string {
	last := t.Gap.Until + showAfter
	for _, e := range t.Events {
		last = max(last, e.At+showAfter/3)
	}
	s := scale{showFirst, min(last, mostShown)}
	bottom := top + plotHigh
	high := bottom + 30 + float64(programs)*(laneHigh+4)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="answers over time">`, wide, high)
	for _, wait := range []float64{1, 10, 100, 1000, 10_000} {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, left, wide-right, y(wait), y(wait))
		label := fmt.Sprintf("%.0f ms", wait)
		if wait >= 1000 {
			label = fmt.Sprintf("%.0f s", wait/1000)
		}
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, left-6, y(wait)+4, label)
	}
	step := 500.0
	for (s.until-s.from)/step > 12 {
		step *= 2
	}
	for at := math.Ceil(s.from/step) * step; at <= s.until; at += step {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%g s</text>`, s.x(at), bottom+15, at/1000)
	}
	from, until := max(t.Gap.From, s.from), min(t.Gap.Until, s.until)
	fmt.Fprintf(&b, `<rect class="gap" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, s.x(from), top,
		max(1, s.x(until)-s.x(from)), high-top)
	label, anchor := s.x(until)+4, "start"
	if label > wide-120 {
		label, anchor = s.x(from)-4, "end"
	}
	fmt.Fprintf(&b, `<text class="gaplabel" x="%.1f" y="%.1f" text-anchor="%s">%.0f ms of silence</text>`, label, top+14,
		anchor, t.Gap.Length())
	events(&b, t, s, high)
	dots(&b, t, s, bottom+26)
	for p := range programs {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%.1f" text-anchor="end">client %d</text>`, left-6,
			bottom+26+float64(p)*(laneHigh+4)+laneHigh-3, p+1)
	}
	b.WriteString("</svg>")
	return b.String()
}

// events marks what was done, by number.
func events(b *strings.Builder, t *Trial, s scale, high float64) {
	before := math.Inf(-1)
	for i, e := range t.Events {
		if e.At < s.from || e.At > s.until {
			continue
		}
		x := s.x(e.At)
		fmt.Fprintf(b, `<line class="event" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, top-4, high)
		if at := max(x, before+16); at < wide-right {
			fmt.Fprintf(b, `<text class="number" x="%.1f" y="%.1f" text-anchor="middle">%d</text>`, at, top-8, i+1)
			before = at
		}
	}
}

// MaxColours of nodes; further ones begin again.
const maxColours = 5

// dots draws the answers, one path for each node.
func dots(b *strings.Builder, t *Trial, s scale, lanes float64) {
	var dots, ticks [maxColours]strings.Builder
	for _, p := range t.Points {
		if p.At < s.from || p.At > s.until {
			continue
		}
		node := int(p.Node) % maxColours //nolint:gosec // few
		fmt.Fprintf(&dots[node], "M%.1f %.1fh0", s.x(p.At), y(p.Waited))
		fmt.Fprintf(&ticks[node], "M%.1f %.1fv%.0f", s.x(p.At), lanes+float64(p.Program)*(laneHigh+4), laneHigh)
	}
	for node := range dots {
		if dots[node].Len() > 0 {
			fmt.Fprintf(b, `<path class="dot n%d" d="%s"/><path class="lane n%d" d="%s"/>`, node, dots[node].String(), node,
				ticks[node].String())
		}
	}
}

// strip draws every gap on one line, and the bounds.
func strip(k *Kind) string {
	most := max(k.Longest(), k.Bounds.Max, 10) * 1.1
	x := func(v float64) float64 { return left + (wide-left-right)*v/most }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f 58" role="img" aria-label="all gaps">`, wide)
	fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="26" y2="26"/>`, left, wide-right)
	for i := range 5 {
		v := most / 1.1 * float64(i) / 4
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="52" text-anchor="middle">%.0f ms</text>`, x(v), v)
	}
	fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="30" text-anchor="end">gaps</text>`, left-6)
	for _, bound := range []struct {
		v    float64
		what string
	}{{k.Bounds.P50, "p50"}, {k.Bounds.P99, "p99"}, {k.Bounds.Max, "max"}} {
		if bound.v > 0 {
			fmt.Fprintf(&b, `<line class="bound" x1="%.1f" x2="%.1f" y1="14" y2="38"/>`, x(bound.v), x(bound.v))
			fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="10" text-anchor="middle">%s</text>`, x(bound.v), bound.what)
		}
	}
	for _, gap := range k.Gaps() {
		fmt.Fprintf(&b, `<circle class="trial" cx="%.1f" cy="26" r="5"/>`, x(gap))
	}
	b.WriteString("</svg>")
	return b.String()
}
