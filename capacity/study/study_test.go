package study

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"evenkeel/capacity"
)

// server carries so much, and answers late above.
func server(carries float64, bad func(n int) bool) Probe {
	n := 0
	return func(_ context.Context, rate float64) (Step, error) {
		n++
		s := Step{Rate: rate, Share: 1, P99: 3}
		if rate > carries || bad != nil && bad(n) {
			s.Share, s.P99 = 0.5, 900
		}
		return s, nil
	}
}

// A knee is found to 3 %, from below and from above, and one bad moment does not move it.
func TestFind(t *testing.T) {
	for _, carries := range []float64{7, 123, 1000, 1024, 48_000} {
		for name, bad := range map[string]func(int) bool{"calm": nil,
			"every third step is bad": func(n int) bool { return n%3 == 2 }} {
			s := Search{Start: 1000, Least: 5, Most: 50_000, Precision: 0.03}
			k, err := s.Find(t.Context(), server(carries, bad))
			if err != nil || k.Rate > carries || k.Rate < carries/1.0301 || k.Bound != "" || len(k.Steps) > 40 {
				t.Errorf("%s, %g: %g in %d steps, %q, %v", name, carries, k.Rate, len(k.Steps), k.Bound, err)
			}
		}
	}
	s := Search{Start: 1000, Least: 5, Most: 5000, Precision: 0.03}
	if k, err := s.Find(t.Context(), server(1e9, nil)); err != nil || k.Rate != 5000 || k.Bound == "" {
		t.Errorf("%+v %v", k, err)
	}
	if k, err := s.Find(t.Context(), server(1, nil)); err != nil || k.Rate != 0 || k.Bound == "" {
		t.Errorf("%+v %v", k, err)
	}
	broken := errors.New("broken")
	_, err := s.Find(t.Context(), func(context.Context, float64) (Step, error) { return Step{}, broken })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A knee is doubted where the driver was late at the lowest rate that was not carried, in each of its tries.
func TestDoubt(t *testing.T) {
	late := func(at900, again, at1600 float64) *Knee {
		return &Knee{Kind: "mix", Rate: 800, Steps: []Step{{Rate: 800, Share: 1, Late: 40},
			{Rate: 1600, Share: 0.5, Late: at1600}, {Rate: 900, Share: 0.9, Late: at900}, {Rate: 900, Share: 0.9, Late: again}}}
	}
	for k, want := range map[*Knee]bool{late(1, 1, 90): false, late(90, 1, 90): false, late(90, 30, 1): true} {
		if got := k.Doubt(); (got != "") != want || want && !strings.Contains(got, "30") {
			t.Errorf("%+v: %q", k.Steps, got)
		}
	}
	if got := (&Knee{Rate: 5000, Steps: []Step{{Rate: 5000, Share: 1, Late: 90}}}).Doubt(); got != "" {
		t.Error(got)
	}
}

// The law is found again in curves that are made by it, exactly without noise and nearly with it.
func TestUSL(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, want := range []USL{{One: 995.6, Sigma: 0.02671, Kappa: 0.000769}, {One: 40, Sigma: 0, Kappa: 0},
		{One: 5000, Sigma: 0.3, Kappa: 0}, {One: 100, Sigma: 0, Kappa: 0.01}} {
		for _, noise := range []float64{0, 0.01} {
			var points []Point
			for _, n := range []float64{1, 2, 4, 8, 12, 16, 24, 32} {
				points = append(points, Point{n, want.Rate(n) * (1 + noise*random.NormFloat64())})
			}
			got, err := FitUSL(points)
			within := 1e-6 + 5*noise
			if err != nil || math.Abs(got.One/want.One-1) > within || math.Abs(got.Sigma-want.Sigma) > within ||
				math.Abs(got.Kappa-want.Kappa) > within/10 || got.R2 < 1-within {
				t.Errorf("noise %g: %+v, want %+v (%v)", noise, got, want, err)
			}
		}
	}
	if best := (USL{One: 1, Sigma: 0.02671, Kappa: 0.000769}).Best(); math.Abs(best-35.6) > 0.1 {
		t.Errorf("best at %g", best)
	}
	faster := []Point{{1, 10}, {2, 25}, {3, 45}} // no law has it: it is as good as straight
	if u, err := FitUSL(faster); err != nil || u.Sigma != 0 || u.Kappa != 0 || !math.IsInf(u.Best(), 1) {
		t.Errorf("%+v %v", u, err)
	}
	for _, points := range [][]Point{nil, {{1, 1}, {2, 2}}, {{1, 1}, {2, 2}, {3, 0}}, {{1, 1}, {1, 1}, {2, 2}},
		{{math.NaN(), 1}, {2, 2}, {3, 3}}} {
		if u, err := FitUSL(points); err == nil {
			t.Errorf("%v: %+v", points, u)
		}
	}
}

// series makes daily peaks that grow by a share each year, with noise.
func series(days int, first, yearly, noise float64, random *rand.Rand) (all []capacity.Day) {
	for i := range days {
		at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i)
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			continue
		}
		rate := first * math.Pow(1+yearly, float64(i)/365) * math.Exp(noise*random.NormFloat64())
		all = append(all, capacity.Day{Day: at.Format(time.DateOnly),
			Classes: map[string]capacity.Peak{"order": {Second: rate}}})
	}
	return all
}

// Growth without noise is foreseen to the day, and the band closes; with noise it holds nine days in ten.
func TestForesee(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	f := Foresee("order", series(200, 100, 1, 0, random), 1600)
	// 2*100*2^(t/365) > 1600 behind 3 years, and 3x behind 2.415.
	for i, want := range []float64{3, math.Log2(16.0 / 3)} {
		p := f.Passes[i]
		const day = 24 * time.Hour
		days := p.Likely.Sub(f.First).Hours() / 24
		if math.Abs(days-365*want) > 2 || p.Likely.Sub(p.Earliest) > day || p.Latest.Sub(p.Likely) > day {
			t.Errorf("%gx: %+v, %g days", p.Times, p, days)
		}
	}
	if math.Abs(f.Yearly-1) > 1e-6 {
		t.Errorf("grows by %g", f.Yearly)
	}
	in, all := 0, 0
	for range 400 {
		days := series(120, 100, 0.5, 0.2, random)
		f := Foresee("order", days[:60], 1e6)
		last, _ := time.Parse(time.DateOnly, days[70].Day)
		day := last.Sub(f.First).Hours() / 24
		if v := days[70].Classes["order"].Second; v >= f.At(day, -1) && v <= f.At(day, 1) {
			in++
		}
		all++
	}
	if share := float64(in) / float64(all); share < 0.85 || share > 0.95 {
		t.Errorf("the band of 90 %% held %.0f %%", 100*share)
	}
	noisy := Foresee("order", series(400, 100, 0.5, 0.1, random), 1000)
	if p := noisy.Passes[0]; !p.Earliest.Before(p.Likely) || !p.Likely.Before(p.Latest) {
		t.Errorf("%+v", p)
	}
	flat := Foresee("order", series(400, 100, 0, 0, random), 1e6)
	if !flat.Passes[1].Likely.IsZero() {
		t.Errorf("what does not grow passes at %v", flat.Passes[1].Likely)
	}
	if f := Foresee("order", series(20, 100, 0, 0, random), 1e6); f != nil {
		t.Errorf("%d days are enough", f.Days)
	}
	for freedom, want := range map[float64]float64{18: 1.7341, 30: 1.6973, 120: 1.6577} {
		if got := tQuantile(0.95, freedom); math.Abs(got-want) > 2e-4 {
			t.Errorf("t of %g: %g, want %g", freedom, got, want)
		}
	}
}

// What ends first comes first, and what is not known is left out.
func TestEnds(t *testing.T) {
	u := Usage{Seconds: 10, CPU: 5, Memory: 1e9, Descriptors: 100, Disk: 1e6, Network: 1e7, Orders: 1000}
	all := Ends(u, Machine{Processors: 2, Memory: 8e9, Descriptors: 1000, DiskFree: 1e12, Network: 0}, 1e6)
	want := []string{"processor", "memory", "descriptors", "disk"}
	for i, name := range want {
		if len(all) != len(want) || all[i].Name != name {
			t.Fatalf("%+v", all)
		}
	}
	if disk := all[3]; disk.Days != 1000 || all[0].Times != 4 { // 1,000 bytes an order
		t.Errorf("%+v", all)
	}
}

// A knee that was passed by far without harm is none.
func TestDisturbed(t *testing.T) {
	for met, want := range map[int]int{990: 1, 980: 0} {
		s := Study{Runs: []Run{{Times: 1, Rows: []Row{{Due: 100, Met: 100}}},
			{Times: 3, Rows: []Row{{Due: 1000, Met: met}}}}}
		if c := s.Complaints(); len(c) != want {
			t.Errorf("%d of 1000 in time: %q", met, c)
		}
	}
}

// The law's headroom is missing below three times the peak, and nowhere else.
func TestCompare(t *testing.T) {
	for knee, want := range map[float64]int{299: 1, 301: 0} {
		s := Study{Knees: []Knee{{Kind: "trade", Rate: 2 * knee, Rates: map[string]float64{"order": knee, "login": 5}}}}
		s.Compare([]capacity.Day{{Day: "2026-01-05", Classes: map[string]capacity.Peak{"order": {Second: 100},
			"heavy": {Second: 1}}},
			{Day: "2026-01-06", Classes: map[string]capacity.Peak{"order": {Second: 70}, "quote": {Second: 9000}}}})
		c := s.Complaints()
		if len(c) != want || len(s.Peaks) != 3 || s.Peaks[1].Day != "2026-01-05" || s.Peaks[2].Knee != nil {
			t.Errorf("%g: %q %+v", knee, c, s.Peaks)
		}
	}
}
