package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evenkeel/capacity"
	"evenkeel/capacity/study"
	"evenkeel/load"
)

const capacityUsage = `Measure how much a server carries, and write a report: page with pictures, PDF and JSON, in a
new folder of --out, where it is kept. For each kind of load the knee is looked for: the highest rate at which
99 of 100 requests are answered within their objective (arrivals at random, halved to 3 %). Then the last kind's load
is driven at 1, 3 and 10 times its knee. Without --data, a server is started for it, in a directory of its own.

  evenkeel capacity                                     a server of its own; a quarter of an hour
  evenkeel capacity --peaks data/peaks                  and hold it to what that node was asked for at most
  evenkeel capacity --shards 1,2,4 --kinds trade        how it scales
  evenkeel capacity --data data --url http://127.0.0.1:8080     a server that runs

With --peaks the knees are left there, and the node with these peaks tells its headroom from then on. The
command fails when a knee is below three times the recorded peak.

Kinds: trade (an order, a cancel), query, quote, login, day (a broker's mix).
`

// kinds of load, with where to begin to look.
var kinds = map[string]struct {
	mix   string
	start float64
}{
	"trade": {"order=1,cancel=1", 200}, "query": {"query=1", 400}, "quote": {"quote=1", 400}, "login": {"login=1", 2},
	"day": {"order=10,cancel=3,query=30,quote=57", 400},
}

// measuring is a study under way.
type measuring struct {
	study   *study.Study
	out     io.Writer
	step    time.Duration
	most    float64
	server  string // address of one that runs
	data    string
	made    int
	network float64 // bytes a second that the line has
	days    []capacity.Day
}

func runCapacity(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "model" {
		return runModel(args[1:], out)
	}
	f := flags("capacity", capacityUsage, out)
	m := &measuring{out: out}
	f.StringVar(&m.server, "url", "", "a server that runs, of --data (default: as its demo.json says)")
	f.StringVar(&m.data, "data", "", "data directory of a server that runs on this machine; default: one is started")
	peaks := f.String("peaks", "", "directory with a node's recorded peaks (default: those of --data)")
	list := f.String("kinds", "login,quote,query,trade,day", "kinds of load, in this order")
	shards := f.String("shards", "1", "shards of the server that is started; several (1,2,4): the first kind's knee with each, and the law that fits")
	seconds := f.Float64("step", 5, "seconds of a step, 1 to 600, behind a warm-up of a fifth of it")
	f.Float64Var(&m.most, "most", 50_000, "the highest rate that is tried")
	f.IntVar(&m.made, "accounts", 400, fmt.Sprintf("accounts that are made for it, up to %d", maxMade))
	f.Float64Var(&m.network, "bandwidth", 125e6, "bytes a second that the machine's line carries")
	times := f.String("times", "1,3,10", "multiples of the last kind's knee that are driven at the end; empty: none")
	dir := f.String("out", "capacity-reports", "directory in which the report's folder is made")
	if err := parse(f, args); err != nil {
		return err
	}
	m.step = time.Duration(*seconds * float64(time.Second))
	if m.step < time.Second || m.step > 10*time.Minute {
		return wrong(f, "--step: 1 to 600")
	}
	names := strings.Split(*list, ",")
	for _, name := range names {
		if _, known := kinds[name]; !known {
			return wrong(f, fmt.Sprintf("--kinds %q: trade, query, quote, login or day", name))
		}
	}
	counts, err := numbers(*shards, 1, 64)
	multiples, wrongTimes := numbers(*times, 0.1, 100)
	if err = errors.Join(err, wrongTimes); err != nil || len(counts) == 0 {
		return wrong(f, fmt.Sprintf("--shards and --times: numbers with commas between them (%v)", err))
	}
	if m.server != "" && m.data == "" {
		return wrong(f, "--url: with the data directory of that server as --data, for its accounts and what it uses")
	}
	if m.data != "" && len(counts) > 1 {
		return wrong(f, "--shards: a server that runs has the shards that it has")
	}
	if *peaks == "" && m.data != "" {
		*peaks = filepath.Join(m.data, "peaks")
	}
	if *peaks != "" { // before the measuring, which would be a peak itself
		if m.days, err = capacity.ReadPeaks(*peaks); err != nil {
			return err
		}
	}
	m.study = &study.Study{Version: Version, Began: time.Now(), Machine: load.Machine(), Line: m.network,
		Server: "the server at " + m.data}
	if err := m.measure(ctx, names, counts, multiples); err != nil {
		return err
	}
	return m.tell(*dir, *peaks)
}

// numbers reads numbers with commas between them.
func numbers(text string, least, most float64) (all []float64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		var v float64
		if _, err := fmt.Sscanf(part, "%g", &v); err != nil || v < least || v > most {
			return nil, fmt.Errorf("%q: %g to %g", part, least, most)
		}
		all = append(all, v)
	}
	return all, nil
}

// measure finds the knees, over shards where there are several numbers of them; the first number is the report's.
func (m *measuring) measure(ctx context.Context, names []string, shards, times []float64) error {
	var points []study.Point
	for i, n := range shards {
		if i > 0 {
			names = names[:1]
		}
		knees, err := m.house(ctx, int(n), names, times, i == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			m.study.Knees = knees
			for k := range knees {
				if doubt := knees[k].Doubt(); doubt != "" {
					m.study.Notes = append(m.study.Notes, doubt)
				}
			}
		}
		points = append(points, study.Point{N: n, Rate: knees[0].Rate})
	}
	m.study.Took = time.Since(m.study.Began).Seconds()
	m.study.Compare(m.days)
	m.study.Notes = append(m.study.Notes, "The driver ran on the machine of the server, and had its part of the processors.")
	if len(points) < 2 {
		return nil
	}
	s := &study.Scaling{Kind: names[0], Points: points, Note: "All shards are on this one machine: what they share is its processors and disk."}
	if u, err := study.FitUSL(points); err != nil {
		s.Note += " No law: " + err.Error() + "."
	} else {
		s.USL = &u
	}
	m.study.Scaling = s
	return nil
}

// house measures one server.
func (m *measuring) house(
	ctx context.Context, shards int, names []string, times []float64, first bool,
) ([]study.Knee, error) {
	h, err := m.open(ctx, shards)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var knees []study.Knee
	for i, name := range names {
		kind := kinds[name]
		mix, err := load.ParseMix(kind.mix)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(m.out, "\n%s (%s), %d shards\n", name, kind.mix, shards)
		most := m.most
		search := study.Search{Start: min(kind.start, most), Least: min(kind.start/64, most), Most: most, Precision: 0.03}
		k, err := search.Find(ctx, func(ctx context.Context, rate float64) (study.Step, error) {
			result, err := h.drive(ctx, mix, rate)
			if err != nil {
				return study.Step{}, err
			}
			step := stepOf(result)
			_, _ = fmt.Fprintf(m.out, "  %8.0f a second: %6.2f %% in time, p99 %.1f ms; driver late p99 %.1f ms\n", rate,
				100*step.Share, step.P99, step.Late)
			return step, nil
		})
		if err != nil {
			return nil, err
		}
		k.Kind, k.Mix, k.Rates = name, kind.mix, map[string]float64{}
		all := 0.0
		for _, share := range mix {
			all += share
		}
		for class, share := range mix {
			if share > 0 {
				k.Rates[load.Class(class).String()] = k.Rate * share / all
			}
		}
		knees = append(knees, k)
		if first && k.Rate > 0 {
			if err := m.cost(ctx, h, name, mix, k.Rate/2); err != nil {
				return nil, err
			}
		}
		if first && i == len(names)-1 && k.Rate > 0 {
			if err := m.beyond(ctx, h, name, mix, k.Rate, times); err != nil {
				return nil, err
			}
		}
	}
	return knees, nil
}

// cost drives half a knee, and counts what the server used for each request.
func (m *measuring) cost(ctx context.Context, h *measured, name string, mix load.Mix, rate float64) error {
	before, failed := h.usage()
	result, err := h.drive(ctx, mix, rate)
	if err != nil {
		return err
	}
	after, failedAfter := h.usage()
	answered := 0.0
	for _, moments := range result.Moments { // those of the warm-up too
		for _, moment := range moments {
			answered += float64(moment.Answered)
		}
	}
	if failed == nil && failedAfter == nil && answered > 0 {
		m.study.Units = append(m.study.Units, study.Unit{Kind: name, Rate: rate, Answered: answered,
			Cost: study.Cost{Processor: (after.CPU - before.CPU) / answered, Disk: max(0, after.Disk-before.Disk) / answered,
				Network: float64(result.Read+result.Written) / answered}})
	}
	return nil
}

// beyond drives multiples of a knee. What the first of them uses is what resources are counted by.
func (m *measuring) beyond(
	ctx context.Context, h *measured, name string, mix load.Mix, knee float64, times []float64,
) error {
	for i, n := range times {
		before, failed := h.usage()
		result, err := h.drive(ctx, mix, n*knee)
		if err != nil {
			return err
		}
		after, failedAfter := h.usage()
		if err := errors.Join(failed, failedAfter); err != nil {
			m.study.Notes = append(m.study.Notes, "What the server used is not known: "+err.Error())
		} else if i == 0 {
			after.CPU, after.Disk, after.Seconds = after.CPU-before.CPU, after.Disk-before.Disk, result.Took
			after.Network = float64(result.Read + result.Written)
			after.Orders = float64(result.Checks.Orders + result.Checks.Cancels)
			m.study.Resources = study.Ends(after, machineOf(h.data, h.pid, m.network), 0)
		}
		_, met := result.Rates()
		run := study.Run{Kind: name, Times: n, Rate: n * knee, Useful: met, Late: result.LateP99}
		for _, row := range result.Rows {
			run.Rows = append(run.Rows, study.Row{Class: row.Class, Due: row.Due, Met: row.Met,
				Refused: row.Refused + row.Waiting, Failed: row.Failed, P99: row.P99, Objective: row.Objective})
		}
		m.study.Runs = append(m.study.Runs, run)
		_, _ = fmt.Fprintf(m.out, "  %gx: %.0f a second were due, %.0f answered in time\n", n, n*knee, met)
	}
	return nil
}

// stepOf judges a load by its worst class.
func stepOf(r *load.Result) study.Step {
	s := study.Step{Rate: r.Rate, Share: 1, Late: r.LateP99}
	_, s.Useful = r.Rates()
	worst := -1.0
	for i := range r.Rows {
		row := &r.Rows[i]
		s.Share = min(s.Share, row.Share())
		if ratio := row.P99 / row.Objective; ratio > worst {
			worst, s.P99 = ratio, row.P99
		}
	}
	if len(r.Rows) == 0 { // nothing was due
		s.Share = 0
	}
	return s
}

// tell writes the report, and leaves the knees beside the peaks.
func (m *measuring) tell(dir, peaks string) error {
	_, _ = fmt.Fprintln(m.out)
	err := m.study.Table(m.out)
	folder := filepath.Join(dir, m.study.Began.UTC().Format("2006-01-02T150405Z"))
	if err := errors.Join(err, os.MkdirAll(folder, 0o750)); err != nil {
		return fmt.Errorf("directory of the report: %w", err)
	}
	err = errors.Join(writeReport(folder, "capacity.json", m.study.JSON), writeReport(folder, "index.html", m.study.Page),
		writeReport(folder, "capacity.pdf", m.study.PDF))
	if err == nil && peaks != "" {
		err = capacity.WriteKnees(peaks, &capacity.Knees{Measured: m.study.Began, Machine: m.study.Machine,
			Rates: m.study.ClassKnees()})
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(m.out, "\nthe report is in %s\n", folder)
	if complaints := m.study.Complaints(); len(complaints) > 0 {
		return errors.New(strings.Join(slices.Compact(complaints), "; "))
	}
	return nil
}
