package study

import (
	"math"
	"testing"
)

// made costs, of which the arithmetic can be done by hand.
var made = Costs{Order: Cost{Processor: 100e-6, Disk: 500, Network: 1000},
	Cancel: Cost{Processor: 100e-6, Disk: 500, Network: 1000}, Replica: 0.5}

func flat(float64) float64 { return 1 }

// A flat day of 1,000 orders and 300 cancels a second costs 0.26 processors with a copy on two others.
func TestDay(t *testing.T) {
	f := Fleet{Machines: 3, Processors: 1, Replicas: 3, Fill: 0.5, OrdersADay: 1000 * 6 * 3600}
	o := made.Day(f, flat)
	if want := 1300 * 100e-6 * 2 / 3.0; math.Abs(o.WorstUse-want) > 1e-9 || o.Lost != 0 {
		t.Errorf("use %g, want %g; lost %g", o.WorstUse, want, o.Lost)
	}
	if want := 1000 * 6 * 3600 * 650.0; math.Abs(o.Disk/want-1) > 1e-9 { // 500 and 0.3 of 500, on all three
		t.Errorf("disk %g, want %g", o.Disk, want)
	}
	// A machine that is lost at the open leaves its share to two, and its leaders' orders wait for a quarter second.
	f.LostAt, f.Elected = 9.5, 0.25
	o = made.Day(f, flat)
	if want := 1300 * 100e-6; math.Abs(o.WorstUse-want) > 1e-9 || math.Abs(o.Lost-1000.0/3*0.25) > 1 {
		t.Errorf("use %g, want %g; lost %g", o.WorstUse, want, o.Lost)
	}
}

// What does not fit is refused from the lowest class up; the least fleet refuses nothing, and one machine fewer does.
func TestLeast(t *testing.T) {
	c := made
	c.Query, c.Quote = Cost{Processor: 50e-6}, Cost{Processor: 20e-6}
	f := Fleet{Machines: 3, Processors: 1, Replicas: 3, Fill: 0.5, OrdersADay: 10_000 * 6 * 3600}
	h := c.Day(f, flat).Hours[0]
	if h.Refused["query"] == 0 || h.Refused["cancel"] > 0 {
		t.Errorf("%+v", h)
	}
	n := c.Least(f, flat) // (1.3*100*2 + 3*50 + 5.6*20) us * 10,000 / 0.5 = 10.44
	if n != 11 {
		t.Errorf("%d machines", n)
	}
	f.Machines, f.PeakOrders = n, 30_000
	peaked := func(hour float64) float64 {
		if hour < 10 {
			return 2
		}
		return 0.8
	}
	o := c.Day(f, peaked) // the peak is as high as asked for, and the day as long as before
	if math.Abs(o.Hours[0].Orders-30_000) > 30 || o.WorstUse < 1 || math.Abs(o.Orders/f.OrdersADay-1) > 0.01 {
		t.Errorf("%g orders, %+v", o.Orders, o.Hours[0])
	}
}
