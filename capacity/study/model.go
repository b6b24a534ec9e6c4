package study

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// Costs are what one of each costs a machine: seconds of one processor, bytes on the log's disk, bytes on the line.
type Costs struct {
	Order, Cancel, Query, Quote, Login Cost
	Stream                             Cost    // a message to one reader
	Replica                            float64 // of an order's processor time, again on each machine that only follows
	OrderMemory, AccountMemory         float64 // bytes, kept for the day and for ever
	StreamMemory                       float64 // bytes of an open stream
}

// Cost of one.
type Cost struct {
	Processor float64 `json:"processor"`
	Disk      float64 `json:"disk"`
	Network   float64 `json:"network"`
}

// Fleet is what there is, and what is asked of it.
type Fleet struct {
	Machines   int     `json:"machines"`
	Processors float64 `json:"processors"` // of each
	Replicas   int     `json:"replicas"`   // of each shard
	Fill       float64 `json:"fill"`       // the share of the processors above which waits grow past objectives
	LostAt     float64 `json:"lost_at"`    // hour of the day at which one machine is lost; 0: none
	Elected    float64 `json:"elected"`    // seconds until the shards that it led have other leaders

	OrdersADay float64 `json:"orders_a_day"`
	PeakOrders float64 `json:"peak_orders"` // a second, at the day's highest point; 0: as the curve has it
	Sessions   float64 `json:"sessions"`
	Logins     float64 `json:"logins"` // a second, in the minutes around 9:15 and 9:30
	Push       float64 `json:"push"`   // messages a second to each session
}

// Hour is a moment of the modelled day.
type Hour struct {
	At        float64 // hour of the day
	Orders    float64 // a second that were asked for
	Answered  float64 // in time
	Use       float64 // of the processors that are left
	Network   float64 // bytes a second of the busiest machine
	Machines  int
	Refused   map[string]float64 // a second, by class
	held      float64            // asked for while a leader was missing
	Processor float64            // asked for, of all machines
}

// Outcome of a modelled day.
type Outcome struct {
	Hours        []Hour
	WorstUse     float64
	WorstAt      float64
	Network      float64 // highest, of a machine
	Disk         float64 // bytes of log on each machine
	Orders, Lost float64 // orders of the day, and those that were refused in the first place (and may come again)
}

// perOrder is what else is asked for with each order: the mix of a broker's day (`load --mix day`).
var perOrder = struct{ cancels, queries, quotes float64 }{0.3, 3, 5.6}

// Day replays a day of a rate over the fleet, second by second. curve is the rate at an hour against the day's mean.
// The door takes cancels and orders first; what processors do not reach for is refused from the lowest class up. It is
// arithmetic: a machine is a number of processor seconds, and no queue is longer than a second.
func (c *Costs) Day(f Fleet, curve func(hour float64) float64) Outcome {
	const from, until = 9.0, 15.0
	seconds := (until - from) * 3600
	mean := f.OrdersADay / seconds
	stretch := func(v float64) float64 { return v }
	if f.PeakOrders > 0 {
		stretch = steeper(curve, from, until, f.PeakOrders/mean)
	}
	var out Outcome
	perShard := c.Order.Disk + perOrder.cancels*c.Cancel.Disk
	for i := range int(seconds) {
		at := from + float64(i)/3600
		h := Hour{At: at, Orders: mean * stretch(curve(at)), Machines: f.Machines, Refused: map[string]float64{}}
		if sec := float64(i) - math.Round((f.LostAt-from)*3600); f.LostAt > 0 && sec >= 0 {
			h.Machines--
			if sec < f.Elected { // its leaders' orders wait, and come back
				h.held = h.Orders / float64(f.Machines) * min(1, f.Elected-sec)
			}
		}
		c.second(f, &h)
		out.Hours = append(out.Hours, h)
		out.Orders += h.Orders
		out.Lost += h.Refused["order"] + h.held
		if h.Use > out.WorstUse {
			out.WorstUse, out.WorstAt = h.Use, at
		}
		out.Network = max(out.Network, h.Network)
		out.Disk += h.Answered * perShard * float64(f.Replicas) / float64(max(1, h.Machines))
	}
	return out
}

// steeper makes a curve whose highest point is so many times its mean: a power of the one given, so that the day's
// total stays. What no power reaches is as near as it gets.
func steeper(curve func(float64) float64, from, until, top float64) func(v float64) float64 {
	var values []float64
	for at := from; at < until; at += 1.0 / 360 {
		values = append(values, max(0, curve(at)))
	}
	highest := slices.Max(values)
	mean := func(power float64) (sum float64) {
		for _, v := range values {
			sum += math.Pow(v/highest, power) / float64(len(values))
		}
		return sum
	}
	low, high := 0.01, 50.0
	for range 60 {
		if mid := (low + high) / 2; 1/mean(mid) < top {
			low = mid
		} else {
			high = mid
		}
	}
	whole := mean(high)
	return func(v float64) float64 { return math.Pow(max(0, v)/highest, high) / whole }
}

// second works out a second.
func (c *Costs) second(f Fleet, h *Hour) {
	logins := 0.0
	if math.Abs(h.At-9.25) < 0.05 || math.Abs(h.At-9.5) < 0.05 {
		logins = f.Logins
	}
	copies := 1 + c.Replica*float64(f.Replicas-1)
	room := f.Processors * float64(h.Machines) * f.Fill
	wire := 0.0
	spend := func(class string, rate float64, cost Cost, times float64) {
		need := rate * cost.Processor * times
		h.Processor += need
		done := rate
		if need > room && need > 0 {
			done = rate * max(0, room) / need
			h.Refused[class] = rate - done
		}
		room -= done * cost.Processor * times
		wire += done * cost.Network
		if class == "order" {
			h.Answered = done - h.held
			wire += done * cost.Disk * float64(f.Replicas-1) // the log goes to the followers
		}
	}
	spend("cancel", h.Orders*perOrder.cancels, c.Cancel, copies)
	spend("order", h.Orders, c.Order, copies)
	spend("query", h.Orders*perOrder.queries, c.Query, 1)
	spend("quote", h.Orders*perOrder.quotes, c.Quote, 1)
	spend("stream", f.Sessions*f.Push, c.Stream, 1)
	spend("login", logins, c.Login, 1)
	h.Use = h.Processor / max(1e-9, f.Processors*float64(h.Machines))
	h.Network = wire / float64(max(1, h.Machines))
}

// Least is the smallest fleet that refuses no order, cancel, query or quote on such a day, and is not filled above
// Fill even so. 0: more than 10,000 machines.
func (c *Costs) Least(f Fleet, curve func(float64) float64) int {
	low, high := max(1, f.Replicas), 10_000
	fits := func(n int) bool {
		f.Machines = n
		return c.Day(f, curve).WorstUse <= f.Fill
	}
	if !fits(high) {
		return 0
	}
	for low < high {
		if mid := (low + high) / 2; fits(mid) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// Table writes a modelled day for people, at the moments that matter.
func (o *Outcome) Table(out io.Writer, f Fleet) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "time\torders/s\tin time\tmachines\tprocessors used\tMB/s a machine\trefused/s\t")
	show := map[int]bool{}
	for _, at := range []float64{9, 9.2501, 9.4167, 9.5001, 9.5014, 9.6, 10, 11, 12, 13.0001, 14, 14.85, 14.95,
		o.WorstAt} {
		show[int(math.Round((at-9)*3600))] = true
	}
	for i := range o.Hours {
		h := &o.Hours[i]
		if !show[i] {
			continue
		}
		refused := 0.0
		for _, n := range h.Refused {
			refused += n
		}
		s := int(math.Round(h.At * 3600))
		_, _ = fmt.Fprintf(w, "%02d:%02d:%02d\t%s\t%s\t%d\t%.0f %%\t%.1f\t%s\t\n", s/3600, s/60%60, s%60, figure(h.Orders),
			figure(h.Answered), h.Machines, 100*h.Use, h.Network/1e6, figure(refused+h.held))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	s := int(math.Round(o.WorstAt * 3600))
	_, _ = fmt.Fprintf(out, "\n%s orders; %s had to come again; processors at most %.0f %% used (at %02d:%02d:%02d, of %.0f %% allowed); "+
		"%s of log on each machine, %.0f MB/s at most\n", figure(o.Orders), figure(o.Lost), 100*o.WorstUse, s/3600, s/60%60, s%60,
		100*f.Fill, amount(o.Disk, "bytes"), o.Network/1e6)
	return nil
}
