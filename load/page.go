package load

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

var page = paper.New(pageText, nil)

// section is a class as the page shows it.
type section struct {
	Class                    string
	Waits, Told, Percentiles template.HTML
}

// InTime is Share in hundredths.
func (r *Row) InTime() float64 { return 100 * r.Share() }

// Page writes a page that needs nothing but itself.
func (r *Result) Page(out io.Writer) error {
	view := struct {
		*Result
		Sections []section
	}{Result: r}
	for i := range r.Rows {
		row := &r.Rows[i]
		moments := r.Moments[row.Class]
		view.Sections = append(view.Sections, section{Class: row.Class,
			Waits:       template.HTML(drawWaits(moments, row.Objective)), //nolint:gosec // made here, of numbers
			Told:        template.HTML(drawTold(moments)),                 //nolint:gosec // made here, of numbers
			Percentiles: template.HTML(drawCurve(row))})                   //nolint:gosec // made here, of numbers
	}
	return page.Execute(out, view)
}

// Sizes of a picture, in its own units.
const (
	wide  = 760.0
	left  = 58.0
	right = 12.0
	top   = 8.0
	high  = 170.0
	below = 20.0
)

// Waits are drawn on a logarithmic scale between these, in milliseconds.
const (
	leastWait = 0.1
	mostWait  = 10_000.0
)

func waitY(ms float64) float64 {
	share := math.Log10(min(max(ms, leastWait), mostWait)/leastWait) / math.Log10(mostWait/leastWait)
	return top + high*(1-share)
}

// frame begins a picture of waits.
func frame(b *strings.Builder, label string) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, wide, top+high+below, label)
	for _, wait := range []float64{0.1, 1, 10, 100, 1000, 10_000} {
		text := fmt.Sprintf("%g ms", wait)
		if wait >= 1000 {
			text = fmt.Sprintf("%g s", wait/1000)
		}
		rule(b, waitY(wait), text)
	}
}

// rule draws a line across, with what it stands for.
func rule(b *strings.Builder, y float64, text string) {
	fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, left, wide-right, y, y)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, left-6, y+4, text)
}

// ticks writes seconds below.
func ticks(b *strings.Builder, n int) {
	step := 1
	for n/step > 12 {
		step = map[bool]int{true: step * 5 / 2, false: step * 2}[step%4 == 2]
	}
	for at := 0; at <= n; at += step {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%d s</text>`,
			left+(wide-left-right)*float64(at)/float64(max(1, n)), top+high+15, at)
	}
}

// drawWaits draws the median and the 99th percentile of each second.
func drawWaits(moments []*Moment, objective float64) string {
	var b, p50, p99 strings.Builder
	frame(&b, "waits over time")
	x := func(i int) float64 { return left + (wide-left-right)*(float64(i)+0.5)/float64(max(1, len(moments))) }
	pen := "M"
	for i, m := range moments {
		if m.Answered == 0 {
			pen = "M" // a second without answers is a gap
			continue
		}
		fmt.Fprintf(&p50, "%s%.1f %.1f", pen, x(i), waitY(m.P50))
		fmt.Fprintf(&p99, "%s%.1f %.1f", pen, x(i), waitY(m.P99))
		pen = "L"
	}
	fmt.Fprintf(&b, `<line class="bound" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, left, wide-right,
		waitY(objective), waitY(objective))
	fmt.Fprintf(&b, `<path class="p50" d="%s"/><path class="p99" d="%s"/>`, p50.String(), p99.String())
	ticks(&b, len(moments))
	b.WriteString("</svg>")
	return b.String()
}

// drawTold draws what became of the requests of each second, one upon the other.
func drawTold(moments []*Moment) string {
	most := 1
	for _, m := range moments {
		most = max(most, m.Due, m.Answered+m.Refused+m.Waiting+m.Rejected+m.Failed)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="answers and refusals">`, wide, top+high+below)
	for i := range 3 {
		n := float64(most) * float64(i) / 2
		rule(&b, top+high*(1-n/float64(most)), fmt.Sprintf("%.0f", n))
	}
	width := (wide - left - right) / float64(max(1, len(moments)))
	for i, m := range moments {
		y := top + high
		for _, part := range []struct {
			class string
			n     int
		}{{"met", m.Met}, {"late", m.Answered - m.Met}, {"refused", m.Refused}, {"waiting", m.Waiting},
			{"rejected", m.Rejected}, {"failed", m.Failed}} {
			if tall := high * float64(part.n) / float64(most); tall > 0 {
				y -= tall
				fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.2f" height="%.2f"/>`, part.class,
					left+width*float64(i), y, max(0.5, width*0.92), tall)
			}
		}
	}
	ticks(&b, len(moments))
	b.WriteString("</svg>")
	return b.String()
}

// drawCurve draws the waits by percentile; each nine more is as wide as the one before.
func drawCurve(row *Row) string {
	var b, path strings.Builder
	frame(&b, "percentiles")
	x := func(at float64) float64 {
		return left + (wide-left-right)*math.Log10(100/(100-at))/math.Log10(100/(100-CurveAt[len(CurveAt)-1]))
	}
	for i, ms := range row.Curve {
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(CurveAt[i]), waitY(ms))
	}
	for _, at := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%g</text>`, min(x(at), wide-30), top+high+15, at)
	}
	fmt.Fprintf(&b, `<line class="bound" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><path class="curve" d="%s"/></svg>`, left,
		wide-right, waitY(row.Objective), waitY(row.Objective), path.String())
	return b.String()
}
