package study

import (
	"math"
	"time"

	"evenkeel/capacity"
)

// Limits of a forecast.
const (
	leastDays = 20         // recorded, else there is no forecast
	horizon   = 10 * 365.0 // days
	band      = 0.90
)

// Forecast is when the peaks of a class, growing as they did, need more than there is.
type Forecast struct {
	Class  string  `json:"class"`
	Days   int     `json:"days"`   // recorded
	Yearly float64 `json:"yearly"` // growth: 0.2 is a fifth more each year
	Knee   float64 `json:"knee"`
	Passes []Pass  `json:"passes"`

	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Intercept float64   `json:"intercept"` // of the logarithm, at First
	Slope     float64   `json:"slope"`     // a day
	Deviation float64   `json:"deviation"`
	Mean      float64   `json:"mean"`     // of the days
	Spread    float64   `json:"spread"`   // sum of their squared distances from it
	Quantile  float64   `json:"quantile"` // of t
}

// Pass is when a multiple of the daily peak passes the knee: the first day of the line, and of either end of the 90 %
// band. A zero time: not within ten years of the last day.
type Pass struct {
	Times    float64   `json:"times"`
	Earliest time.Time `json:"earliest,omitzero"`
	Likely   time.Time `json:"likely,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}

// Foresee fits a line through the logarithms of the daily peaks by least squares. nil: too few days.
func Foresee(class string, days []capacity.Day, knee float64) *Forecast {
	var x, y []float64
	f := &Forecast{Class: class, Knee: knee}
	for _, d := range days {
		at, err := time.Parse(time.DateOnly, d.Day)
		if p := d.Classes[class]; err == nil && p.Second > 0 {
			if len(x) == 0 {
				f.First = at
			}
			f.Last = at
			x, y = append(x, at.Sub(f.First).Hours()/24), append(y, math.Log(p.Second))
		}
	}
	n := float64(len(x))
	if len(x) < leastDays || x[len(x)-1] <= 0 {
		return nil
	}
	meanY := 0.0
	for i := range x {
		f.Mean, meanY = f.Mean+x[i]/n, meanY+y[i]/n
	}
	cross := 0.0
	for i := range x {
		f.Spread += (x[i] - f.Mean) * (x[i] - f.Mean)
		cross += (x[i] - f.Mean) * (y[i] - meanY)
	}
	f.Slope = cross / f.Spread
	f.Intercept = meanY - f.Slope*f.Mean
	off := 0.0
	for i := range x {
		e := y[i] - f.Intercept - f.Slope*x[i]
		off += e * e
	}
	f.Days, f.Deviation = len(x), math.Sqrt(off/(n-2))
	f.Yearly = math.Exp(f.Slope*365) - 1
	f.Quantile = tQuantile((1+band)/2, n-2)
	for _, times := range []float64{2, capacity.LawfulHeadroom} {
		f.Passes = append(f.Passes, Pass{Times: times, Earliest: f.passes(times, 1), Likely: f.passes(times, 0),
			Latest: f.passes(times, -1)})
	}
	return f
}

// At is the peak that is expected so many days behind the first; side 1 and -1 are the ends of the band for a
// single day.
func (f *Forecast) At(day, side float64) float64 {
	wide := f.Deviation * math.Sqrt(1+1/float64(f.Days)+(day-f.Mean)*(day-f.Mean)/f.Spread)
	return math.Exp(f.Intercept + f.Slope*day + side*f.Quantile*wide)
}

// passes is the first day, from the last recorded one on, on which a multiple of the peak is above the knee.
func (f *Forecast) passes(times, side float64) time.Time {
	from := f.Last.Sub(f.First).Hours() / 24
	for day := from; day <= from+horizon; day++ {
		if times*f.At(day, side) > f.Knee {
			return f.First.AddDate(0, 0, int(day))
		}
	}
	return time.Time{}
}

// tQuantile is that of Student's t with so many degrees of freedom, by the expansion around the normal's; with 18 and
// more it is right to four digits.
func tQuantile(p, freedom float64) float64 {
	z := math.Sqrt2 * math.Erfinv(2*p-1)
	z2 := z * z
	g1 := z * (z2 + 1) / 4
	g2 := z * (5*z2*z2 + 16*z2 + 3) / 96
	g3 := z * (3*z2*z2*z2 + 19*z2*z2 + 17*z2 - 15) / 384
	return z + g1/freedom + g2/(freedom*freedom) + g3/(freedom*freedom*freedom)
}
