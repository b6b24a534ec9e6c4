package study

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"evenkeel/paper"
)

// table is a part of the report: what both page and PDF show, and the terminal.
type table struct {
	title string
	note  string
	rows  [][]string // the first is its head
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// Title, Note, Columns and Lines are for the page.
func (t *table) Title() string   { return t.title }
func (t *table) Note() string    { return t.note }
func (t *table) Columns() []cell { return t.line(t.rows[0]) }

// Lines are the rows without the head.
func (t *table) Lines() (all [][]cell) {
	for _, row := range t.rows[1:] {
		all = append(all, t.line(row))
	}
	return all
}

// cell is one of a table on the page, with the head of its column, which stands beside it where there is no width for
// columns.
type cell struct{ Head, Text, Class string }

// longText is from how many letters on a column's texts are broken into lines.
const longText = 40

func (t *table) line(row []string) (all []cell) {
	for column, text := range row {
		c := cell{Head: t.rows[0][column], Text: text, Class: "n"}
		for _, other := range t.rows[1:] {
			switch said := other[column]; {
			case len(said) > longText:
				c.Class = "long"
			case c.Class == "n" && strings.Trim(said[:min(1, len(said))], "0123456789-+") != "":
				c.Class = "" // not figures
			}
		}
		all = append(all, c)
	}
	return all
}

// tables are the report's.
func (s *Study) tables() (all []*table) {
	t := &table{title: "Knees", note: "The highest rate at which 99 of 100 requests of every class are answered within their " +
		"objective, at random arrivals, found by halving to 3 %. The driver has its part of the machine: a knee is a lower bound. " +
		"Waits count from when a request was due: how late the driver was is in them, and stands beside."}
	t.add("load", "mix", "knee a second", "of classes", "driver late p99 there")
	for i := range s.Knees {
		k := &s.Knees[i]
		var of []string
		for _, class := range sortedKeys(k.Rates) {
			of = append(of, class+" "+figure(k.Rates[class]))
		}
		rate, late := "none", "-"
		if k.Rate > 0 {
			rate = figure(k.Rate)
		}
		for _, step := range k.Steps {
			if step.Rate == k.Rate {
				late = figure(step.Late) + " ms"
			}
		}
		t.add(k.Kind, k.Mix, rate+bound(k.Bound), strings.Join(of, ", "), late)
	}
	all = append(all, t)
	if len(s.Units) > 0 {
		t := &table{title: "Cost of a request", note: "What the server's process used for each, at half the knee; with its quiet needs and, in " +
			"a server of its own, those of the simulated exchange. Of an order, what it and its cancel caused on the disk."}
		t.add("load", "at", "processor", "disk", "line")
		for _, u := range s.Units {
			t.add(u.Kind, figure(u.Rate)+" a second", figure(1e6*u.Processor)+" us",
				amount(u.Disk, "bytes"), amount(u.Network, "bytes"))
		}
		all = append(all, t)
	}
	if len(s.Runs) > 0 {
		t := &table{title: "Beyond the knee", note: "Of what is more than fits, the lowest classes are refused first, with a time to come back."}
		t.add("times", "class", "due a second", "in time", "refused", "failed", "p99", "objective", "driver late p99")
		for _, r := range s.Runs {
			all := 0
			for _, row := range r.Rows {
				all += row.Due
			}
			for _, row := range r.Rows {
				share := func(n int) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(1, row.Due))) }
				t.add(fmt.Sprintf("%gx", r.Times), row.Class, figure(r.Rate*float64(row.Due)/float64(max(1, all))), share(row.Met),
					share(row.Refused), share(row.Failed), figure(row.P99)+" ms", figure(row.Objective)+" ms", figure(r.Late)+" ms")
			}
		}
		all = append(all, t)
	}
	return append(all, s.moreTables()...)
}

func (s *Study) moreTables() (all []*table) {
	if c := s.Scaling; c != nil {
		t := &table{title: "Scaling over shards", note: c.Note}
		t.add("shards", "knee a second", "by the law")
		for _, p := range c.Points {
			law := "-"
			if c.USL != nil {
				law = figure(c.USL.Rate(p.N))
			}
			t.add(fmt.Sprintf("%g", p.N), figure(p.Rate), law)
		}
		if u := c.USL; u != nil {
			t.note += fmt.Sprintf(" USL: one shard %s a second, contention %.4f, coherency %.5f, R2 %.3f.", figure(u.One), u.Sigma, u.Kappa, u.R2)
		}
		all = append(all, t)
	}
	if len(s.Peaks) > 0 {
		t := &table{title: "Recorded peaks", note: "The highest rate over a second that the door was ever asked for. The law asks for three times that."}
		t.add("class", "peak a second", "on", "knee", "headroom")
		for _, p := range s.Peaks {
			knee, headroom := "not measured", "-"
			if p.Knee != nil {
				knee, headroom = figure(*p.Knee), fmt.Sprintf("%.2f", *p.Headroom)
			}
			t.add(p.Class, figure(p.Second), p.Day, knee, headroom)
		}
		all = append(all, t)
	}
	if len(s.Forecasts) > 0 {
		t := &table{title: "Forecast", note: "A line through the logarithms of the daily peaks, with its 90 % band for a single day: when a multiple of the peak passes the knee."}
		t.add("class", "days", "growth a year", "times", "earliest", "likely", "latest")
		for _, f := range s.Forecasts {
			for _, p := range f.Passes {
				t.add(f.Class, fmt.Sprint(f.Days), fmt.Sprintf("%+.1f %%", 100*f.Yearly), fmt.Sprintf("%gx", p.Times),
					date(p.Earliest), date(p.Likely), date(p.Latest))
			}
		}
		all = append(all, t)
	}
	if len(s.Resources) > 0 {
		t := &table{title: "What ends first", note: "Used at the knee of the last load; the factor says at how many times that it ends (of the disk: trading days)."}
		t.add("resource", "used", "limit", "ends at", "how it was measured")
		for _, r := range s.Resources {
			ends := fmt.Sprintf("%.1fx", r.Times)
			if r.Days > 0 {
				ends = figure(r.Days) + " days"
			}
			t.add(r.Name, amount(r.Used, r.Unit), amount(r.Limit, r.Unit), ends, r.How)
		}
		all = append(all, t)
	}
	return all
}

func bound(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func date(at time.Time) string {
	if at.IsZero() {
		return "not in ten years"
	}
	return at.Format(time.DateOnly)
}

// amount writes a size with its unit.
func amount(v float64, unit string) string {
	if rest, bytes := strings.CutPrefix(unit, "bytes"); bytes {
		for _, u := range []string{"B", "kB", "MB", "GB", "TB"} {
			if v < 1000 || u == "TB" {
				return figure(v) + " " + u + rest
			}
			v /= 1000
		}
	}
	return figure(v) + " " + unit
}

// heading says what was measured, on what, when.
func (s *Study) heading() string {
	return fmt.Sprintf("%s, evenkeel %s, %s, %.0f s; %s", s.Server, s.Version,
		s.Began.Format("2006-01-02 15:04 MST"), s.Took, s.Machine)
}

// Table writes it for people.
func (s *Study) Table(out io.Writer) error {
	_, _ = fmt.Fprintln(out, s.heading())
	for _, t := range s.tables() {
		_, _ = fmt.Fprintf(out, "\n%s\n", t.title)
		w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
		for _, row := range t.rows {
			_, _ = fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, note := range append(s.Notes, s.Complaints()...) {
		_, _ = fmt.Fprintln(out, "\n"+note)
	}
	return nil
}

// PDF writes the report for who keeps paper.
func (s *Study) PDF(out io.Writer) error {
	var p pdf
	p.paragraph(2, 16, "Evenkeel: capacity")
	p.paragraph(1, textSize, s.heading())
	complaints := s.Complaints()
	for _, text := range complaints {
		p.paragraph(2, textSize, text)
	}
	if len(complaints) == 0 {
		p.paragraph(1, textSize, s.verdict())
	}
	for _, t := range s.tables() {
		p.room(80)
		p.paragraph(2, 11, t.title)
		if t.note != "" {
			p.paragraph(1, textSize, strings.TrimSpace(t.note))
		}
		var b strings.Builder
		w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
		for _, row := range t.rows {
			_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		p.paragraph(3, 7, b.String())
	}
	for _, note := range s.Notes {
		p.paragraph(1, textSize, note)
	}
	for _, c := range s.charts() {
		p.chart(c)
	}
	return p.write(out)
}

// verdict is what there is to say when nothing is missing.
func (s *Study) verdict() string {
	for _, p := range s.Peaks {
		if p.Headroom != nil {
			return "Every class that was measured carries three times its recorded peak."
		}
	}
	return "No recorded peaks were given to hold the knees to."
}

// picture is a chart on the page.
type picture struct {
	Title   string
	Picture template.HTML
}

//go:embed page.html
var pageText string

var page = paper.New(pageText, nil)

// Page writes a page that needs nothing but itself.
func (s *Study) Page(out io.Writer) error {
	view := struct {
		Heading, Verdict  string
		Complaints, Notes []string
		Tables            []*table
		Charts            []picture
	}{Heading: s.heading(), Verdict: s.verdict(), Complaints: s.Complaints(), Notes: s.Notes, Tables: s.tables()}
	for _, c := range s.charts() {
		drawn := template.HTML(c.picture()) //nolint:gosec // made here; texts are escaped
		view.Charts = append(view.Charts, picture{c.title, drawn})
	}
	return page.Execute(out, view)
}
