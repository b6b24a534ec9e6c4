package study

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// colour of a line: one that is told apart in print and by who sees no red and green.
type colour int

const (
	ink colour = iota
	soft
	blue
	orange
	red
)

var colours = [...][3]float64{ink: {0.1, 0.14, 0.19}, soft: {0.6, 0.65, 0.7}, blue: {0.12, 0.37, 0.75},
	orange: {0.69, 0.25, 0.12}, red: {0.7, 0.15, 0.12}}

// series is one of a chart's.
type curve struct {
	name    string
	colour  colour
	dots    bool // else a line
	crosses bool // in place of dots, for who sees no red
	dashed  bool
	x, y    []float64
}

// chart is a picture that both the page and the PDF can draw.
type chart struct {
	title, x, y string
	logX, logY  bool
	fromZero    bool
	xText       func(float64) string // nil: tick
	curves      []curve
}

// canvas is what a chart is drawn on: the page's picture, or a place on a sheet. The origin is above, on the left.
type canvas interface {
	line(x, y []float64, c colour, dashed bool)
	dot(x, y float64, c colour)
	text(x, y float64, text string, anchor float64) // 0: begins there, 1: ends there
}

// Sizes of a chart, in points.
const (
	chartWide = 520.0
	chartHigh = 200.0
	chartLeft = 64.0
	chartTop  = 26.0
	chartFoot = 34.0
)

// axis maps values to places.
type axis struct {
	from, until, at, end float64
	log                  bool
}

func newAxis(values []float64, log, fromZero bool, at, end float64) axis {
	a := axis{from: math.Inf(1), until: math.Inf(-1), at: at, end: end, log: log}
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0) {
			a.from, a.until = min(a.from, v), max(a.until, v)
		}
	}
	switch {
	case a.from > a.until:
		a.from, a.until = 1, 10
	case log:
		a.from, a.until = a.from/1.15, a.until*1.15
	case fromZero:
		a.from, a.until = 0, a.until*1.08
	}
	if a.from == a.until {
		a.from, a.until = a.from-1, a.until+1
	}
	return a
}

func (a axis) place(v float64) float64 {
	share := (v - a.from) / (a.until - a.from)
	if a.log {
		share = math.Log(max(v, a.from*1e-3)/a.from) / math.Log(a.until/a.from)
	}
	return a.at + (a.end-a.at)*min(1, max(0, share))
}

// ticks are five values along the axis, round ones.
func (a axis) ticks() (all []float64) {
	if a.log {
		for step := math.Pow(10, math.Floor(math.Log10(a.from))); step <= a.until; step *= 10 {
			for _, m := range []float64{1, 2, 5} {
				if v := m * step; v >= a.from && v <= a.until && (m == 1 || a.until/a.from < 100) {
					all = append(all, v)
				}
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.until-a.from)/2)))
	for _, m := range []float64{5, 2.5, 2} {
		if (a.until-a.from)/(step*m) >= 3 {
			step *= m
			break
		}
	}
	for v := math.Ceil(a.from/step) * step; v <= a.until; v += step {
		all = append(all, v)
	}
	return all
}

func (c *chart) draw(to canvas) {
	var xs, ys []float64
	for i := range c.curves {
		xs, ys = append(xs, c.curves[i].x...), append(ys, c.curves[i].y...)
	}
	x := newAxis(xs, c.logX, false, chartLeft, chartWide-10)
	y := newAxis(ys, c.logY, c.fromZero, chartTop+chartHigh, chartTop)
	if c.title != "" {
		to.text(0, 10, c.title, 0)
	}
	for _, v := range y.ticks() {
		to.line([]float64{x.at, x.end}, []float64{y.place(v), y.place(v)}, soft, false)
		to.text(x.at-5, y.place(v)+3, tick(v), 1)
	}
	word := c.xText
	if word == nil {
		word = tick
	}
	for _, v := range x.ticks() {
		to.text(x.place(v), y.at+13, word(v), 0.5)
	}
	to.text(x.end, y.at+27, c.x, 1)
	to.text(x.at, chartTop-5, c.y, 0)
	c.legend(to, x.end)
	for i := range c.curves {
		k := &c.curves[i]
		px, py := make([]float64, len(k.x)), make([]float64, len(k.x))
		for j := range k.x {
			px[j], py[j] = x.place(k.x[j]), y.place(k.y[j])
			if k.dots {
				k.mark(to, px[j], py[j])
			}
		}
		if !k.dots && len(px) > 1 {
			to.line(px, py, k.colour, k.dashed)
		}
	}
}

// legend names the curves, the first on the left, up to where it ends. There is room for the larger letters of phones.
func (c *chart) legend(to canvas, end float64) {
	const letter, gap = 7, 22
	for i := range c.curves {
		if name := c.curves[i].name; name != "" {
			end -= letter*float64(len(name)) + gap
		}
	}
	for i := range c.curves {
		k := &c.curves[i]
		if k.name == "" {
			continue
		}
		if k.dots {
			k.mark(to, end+4, chartTop-8)
		} else {
			to.line([]float64{end - 4, end + 8}, []float64{chartTop - 8, chartTop - 8}, k.colour, k.dashed)
		}
		to.text(end+12, chartTop-5, k.name, 0)
		end += letter*float64(len(k.name)) + gap
	}
}

// mark draws a point.
func (k *curve) mark(to canvas, x, y float64) {
	if !k.crosses {
		to.dot(x, y, k.colour)
		return
	}
	const r = 3
	to.line([]float64{x - r, x + r}, []float64{y - r, y + r}, k.colour, false)
	to.line([]float64{x - r, x + r}, []float64{y + r, y - r}, k.colour, false)
}

// tick writes a value of an axis: round ones need no zeros behind the point.
func tick(v float64) string {
	text := figure(v)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// svg draws for the page.
type svg struct{ strings.Builder }

func (s *svg) line(x, y []float64, c colour, dashed bool) {
	fmt.Fprintf(s, `<path class="c%d%s" d="`, c, map[bool]string{true: " dashed", false: ""}[dashed])
	for i := range x {
		fmt.Fprintf(s, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x[i], y[i])
	}
	s.WriteString(`"/>`)
}

func (s *svg) dot(x, y float64, c colour) {
	fmt.Fprintf(s, `<circle class="f%d" cx="%.1f" cy="%.1f" r="3.2"/>`, c, x, y)
}

func (s *svg) text(x, y float64, text string, anchor float64) {
	word := map[float64]string{0: "start", 0.5: "middle", 1: "end"}[anchor]
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x, y, word, html.EscapeString(text))
}

// picture is a chart as SVG, without its title: that is the page's.
func (c *chart) picture() string {
	var s svg
	fmt.Fprintf(&s, `<svg viewBox="0 %.0f %.0f %.0f" role="img" aria-label="%s">`, chartTop/3, chartWide,
		chartTop*2/3+chartHigh+chartFoot, html.EscapeString(c.title))
	bare := *c
	bare.title = ""
	bare.draw(&s)
	s.WriteString("</svg>")
	return s.String()
}
