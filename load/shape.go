package load

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Mix is how much of each class there is; only the proportions count.
type Mix [Classes]float64

func (m *Mix) sum() (all float64) {
	for _, share := range m {
		all += share
	}
	return all
}

func (m Mix) String() string {
	var parts []string
	for c, share := range m {
		if share > 0 {
			parts = append(parts, fmt.Sprintf("%v=%g", Class(c), share))
		}
	}
	return strings.Join(parts, ",")
}

// Mixes that have a name. The day's is that of a broker's app: people look more often than they trade.
var mixes = map[string]Mix{
	"day":    {Order: 10, Cancel: 3, Query: 30, Quote: 56, Login: 0},
	"trade":  {Order: 60, Cancel: 30, Query: 10},
	"order":  {Order: 1},
	"cancel": {Order: 1, Cancel: 1},
	"query":  {Query: 1},
	"quote":  {Quote: 1},
	"login":  {Login: 1},
}

// ParseMix reads a name, or classes with their shares: order=50,cancel=30,query=20.
func ParseMix(text string) (m Mix, err error) {
	if m, known := mixes[text]; known {
		return m, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, share, has := strings.Cut(part, "=")
		class := slices.Index(classNames[:], name)
		v, err := strconv.ParseFloat(share, 64)
		if !has || class < 0 || err != nil || !(v >= 0 && v <= 1e6) {
			return m, fmt.Errorf("the mix %q: one of day, trade, %s, or shares such as order=50,cancel=30,query=20",
				text, strings.Join(classNames[:], ", "))
		}
		m[class] = v
	}
	if m.sum() == 0 {
		return m, fmt.Errorf("the mix %q is empty", text)
	}
	return m, nil
}

// knot is a point of a curve.
type knot struct {
	at   float64 // seconds
	rate float64 // requests a second from here on, straight to the next knot
}

// Curve is a rate over time, straight between its knots; two knots at one time are a step. It is 0 outside of them.
type Curve []knot

// total is how many requests are due before a time.
func (c Curve) total(at float64) (n float64) {
	for i := 1; i < len(c) && c[i-1].at < at; i++ {
		from, to := c[i-1], c[i]
		if width := to.at - from.at; width > 0 {
			t := min(at, to.at) - from.at
			n += t * (from.rate + (to.rate-from.rate)*t/width/2)
		}
	}
	return n
}

// at is the rate at a time.
func (c Curve) at(at float64) float64 {
	for i := 1; i < len(c); i++ {
		from, to := c[i-1], c[i]
		if at >= from.at && at < to.at {
			return from.rate + (to.rate-from.rate)*(at-from.at)/(to.at-from.at)
		}
	}
	return 0
}

// sums are the totals at the knots.
func (c Curve) sums() []float64 {
	sums := make([]float64, len(c))
	for i := 1; i < len(c); i++ {
		sums[i] = sums[i-1] + (c[i].at-c[i-1].at)*(c[i].rate+c[i-1].rate)/2
	}
	return sums
}

// when is the time at which the total reaches n; ok is false when it never does. sums are c.sums().
func (c Curve) when(n float64, sums []float64) (at float64, ok bool) {
	i := sort.SearchFloat64s(sums, n)
	if i == len(sums) {
		return 0, false
	}
	if i == 0 {
		return c[0].at, true
	}
	from, to := c[i-1], c[i]
	rest, width := n-sums[i-1], to.at-from.at
	slope := (to.rate - from.rate) / width
	// rest = from.rate*t + slope*t*t/2, in the form that does not cancel
	root := math.Sqrt(max(0, from.rate*from.rate+2*slope*rest))
	if from.rate+root == 0 {
		return from.at, true
	}
	return from.at + min(width, 2*rest/(from.rate+root)), true
}

// Shapes of a load, and what they are.
var Shapes = []struct{ Name, What string }{
	{"flat", "the same rate all the time"},
	{"step", "a fifth of the rate, then two fifths, and so on"},
	{"day", "a made trading day pressed into the time: peaks at 9:15, 9:30, 13:00 and before the close; lunch"},
	{"login-storm", "flat, and in the middle third logins at 40 times their share"},
	{"flash-crash", "flat, then all at once 6 times the orders, 8 the cancels and 10 the questions, ebbing away"},
	{"surge", "four fifths of the rate, and ten times the rate in the middle third"},
	{"retry-storm", "flat, silence for a tenth of the time, and all that was held back within a second, and logins"},
}

// dayCurve is a made rate of requests over a trading day, by the hour of Shanghai. Its times are the market's:
// entrusting opens at 9:15, trading at 9:30 and 13:00, the closing auction is at 14:57, and brokers were overrun at
// 9:15 and 9:30. Its heights are ours: the U that intraday volume is known to have, steeper at the open. No broker's
// day was measured for it, and all classes have the same curve.
var dayCurve = []knot{
	{9.0, 0.05}, {9.25, 0.2}, {9.25, 2.6}, {9.30, 1.6}, {9.40, 0.9}, {9.4166, 1.2}, {9.4999, 1.4},
	{9.5, 6.0}, {9.53, 4.2}, {9.6, 3.0}, {9.75, 2.2}, {10.0, 1.7}, {10.5, 1.25}, {11.0, 0.95}, {11.4, 0.9},
	{11.5, 0.9}, {11.5, 0.06}, {12.95, 0.08}, {13.0, 0.3}, {13.0, 2.4}, {13.1, 1.5}, {13.5, 1.05}, {14.0, 1.05},
	{14.5, 1.5}, {14.85, 2.6}, {14.95, 3.2}, {14.95, 2.1}, {15.0, 1.6},
}

// DayRate is the made rate at an hour of the day (9.5 is half past nine) against its mean from 9:00 to 15:00; the most
// of it is at 9:30.
func DayRate(hour float64) float64 { return Curve(dayCurve).at(hour) / dayMean }

// dayMean makes the mean of DayRate 1; dayPeak is the most of it.
var (
	dayMean = Curve(dayCurve).total(15) / 6
	dayPeak = 6.0
)

// curveOf makes the curve of a class. rate is the class's; warm seconds of the first rate stand before the shape.
func curveOf(shape string, class Class, rate, warm, lasts float64) (Curve, error) {
	points, err := shapeOf(shape, class, lasts)
	if err != nil {
		return nil, err
	}
	var c Curve
	if warm > 0 {
		c = Curve{{0, points[0].rate * rate}, {warm, points[0].rate * rate}}
	}
	for _, p := range points {
		c = append(c, knot{warm + p.at, p.rate * rate})
	}
	return c, nil
}

// shapeOf gives a shape's knots as multiples of the rate, over so many seconds.
func shapeOf(shape string, class Class, lasts float64) (c Curve, err error) {
	flat := Curve{{0, 1}, {lasts, 1}}
	switch shape {
	case "flat":
		return flat, nil
	case "step":
		for i := range 5 {
			share := float64(i+1) / 5
			c = append(c, knot{lasts * float64(i) / 5, share}, knot{lasts * share, share})
		}
		return c, nil
	case "day":
		for _, k := range dayCurve {
			c = append(c, knot{(k.at - 9) / 6 * lasts, k.rate / dayPeak})
		}
		return c, nil
	case "login-storm":
		if class != Login {
			return flat, nil
		}
		return Curve{{0, 1}, {lasts / 3, 1}, {lasts / 3, 40}, {lasts * 2 / 3, 40}, {lasts * 2 / 3, 1}, {lasts, 1}}, nil
	case "surge":
		return Curve{{0, .8}, {lasts / 3, .8}, {lasts / 3, 10}, {lasts * 2 / 3, 10}, {lasts * 2 / 3, .8}, {lasts, .8}}, nil
	case "flash-crash":
		most := [Classes]float64{Order: 6, Cancel: 8, Query: 10, Quote: 10, Login: 6}[class]
		c = Curve{{0, 1}, {lasts / 4, 1}}
		for i := range 13 { // an eighth of the time is what the half takes to ebb away
			t := float64(i) / 12
			c = append(c, knot{lasts * (0.25 + 0.75*t), 1 + (most-1)*math.Exp2(-6*t)})
		}
		return c, nil
	case "retry-storm":
		from, until := lasts*0.3, lasts*0.4
		burst := min(1, lasts*0.1) // within which everybody is back
		held := (until - from) / burst
		if class == Login {
			held *= 10
		}
		return Curve{{0, 1}, {from, 1}, {from, 0}, {until, 0}, {until, 1 + held}, {until + burst, 1 + held},
			{until + burst, 1}, {lasts, 1}}, nil
	}
	var names []string
	for _, s := range Shapes {
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("the shape %q: one of %s", shape, strings.Join(names, ", "))
}

// seconds of a duration since the beginning.
func after(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
