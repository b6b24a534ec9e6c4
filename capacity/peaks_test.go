package capacity

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watcher looks at a record every second, as a node does.
type watcher struct {
	t     *testing.T
	peaks *Peaks
	now   time.Time
	n     uint64
}

func watch(t *testing.T, dir string, now time.Time) *watcher {
	t.Helper()
	p, warning, err := OpenPeaks(dir, now)
	if err != nil || warning != nil {
		t.Fatal(err, warning)
	}
	w := &watcher{t: t, peaks: p, now: now}
	w.second(0)
	return w
}

func (w *watcher) second(n uint64) {
	w.t.Helper()
	w.n += n
	w.now = w.now.Add(time.Second)
	if err := w.peaks.Look(w.now, map[string]uint64{"order": w.n, "quiet": 0}); err != nil {
		w.t.Fatal(err)
	}
}

// end ends the process half a second later, with so many more.
func (w *watcher) end() error {
	w.now = w.now.Add(500 * time.Millisecond)
	return w.peaks.End(w.now, map[string]uint64{"order": w.n, "quiet": 0})
}

func at(text string) time.Time {
	v, err := time.ParseInLocation("2006-01-02 15:04:05", text, shanghai)
	if err != nil {
		panic(err)
	}
	return v
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// A day's peaks survive a restart and the turn of day and year, and none is ever lowered.
func TestPeaks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "peaks")
	w := watch(t, dir, at("2026-12-30 09:29:00"))
	for range 60 {
		w.second(100)
	}
	w.second(700)
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	w = watch(t, dir, at("2026-12-30 13:00:00")) // as after a kill
	w.second(300)
	r := w.peaks.Report(w.now)
	if s := r.Classes[0]; len(r.Classes) != 1 || !near(s.Today.Second, 700) || !near(s.Today.Minute, 110) ||
		s.Today.Total != 7000 || !near(s.Now, 300) || s.Knee != nil || s.Since != "2026-12-30" {
		t.Errorf("%+v", r)
	}
	w.now = at("2026-12-31 23:59:50")
	for range 40 { // 10 of them in the next year
		w.second(900)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	days, err := ReadPeaks(dir)
	if err != nil || len(days) != 3 || days[1].Day != "2026-12-31" || days[2].Day != "2027-01-01" ||
		days[0].Classes["order"].Second != 700 || days[2].Classes["order"].Total < 900 {
		t.Errorf("%+v %v", days, err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 2 {
		t.Errorf("%q: a file for each year", names)
	}
}

// A record is kept without being asked, so that a killed process loses little of it.
func TestPeaksAreKept(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, dir, at("2026-12-30 09:29:00"))
	for range 61 {
		w.second(10)
	}
	days, err := ReadPeaks(dir)
	if err != nil || len(days) != 1 || days[0].Classes["order"].Total < 300 {
		t.Errorf("%+v %v", days, err)
	}
}

// A pause of the process is no peak: what came in it is spread over it.
func TestPause(t *testing.T) {
	w := watch(t, t.TempDir(), at("2026-12-30 09:29:00"))
	w.second(10)
	w.now = w.now.Add(9 * time.Second)
	w.second(100)
	w.now = w.now.Add(-999 * time.Millisecond)
	w.second(50) // 1 ms later: put to the next
	w.second(10)
	if s := w.peaks.Report(w.now).Classes[0]; s.Today.Second > 61 || s.Today.Total != 170 {
		t.Errorf("%+v", s)
	}
}

// A file that was damaged is set aside, and does not keep a node from starting.
func TestDamage(t *testing.T) {
	for _, text := range []string{"", "[", `[{"day":"2025-01-01"}]`, `[{"day":"2026-01-02"},{"day":"2026-01-01"}]`} {
		dir := t.TempDir()
		name := filepath.Join(dir, "peaks-2026.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPeaks(dir); err == nil {
			t.Errorf("%q was read", text)
		}
		_, warning, err := OpenPeaks(dir, at("2026-12-30 09:29:00"))
		if err != nil || warning == nil || !strings.Contains(warning.Error(), name) {
			t.Errorf("%q: %v, %v", text, warning, err)
		}
		if aside, _ := filepath.Glob(name + badSuffix + "*"); len(aside) != 1 {
			t.Errorf("%q: set aside as %q", text, aside)
		}
	}
}

// Headroom and alert follow from the knee, and there are none without it.
func TestHeadroom(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, dir, at("2026-12-30 09:29:00"))
	for range 20 {
		w.second(100)
	}
	for _, c := range []struct {
		knee  float64
		alert bool
	}{{1000, false}, {299, true}, {301, false}, {140, true}} {
		if err := WriteKnees(dir, &Knees{Measured: w.now, Rates: map[string]float64{"order": c.knee}}); err != nil {
			t.Fatal(err)
		}
		if err := w.peaks.Learn(); err != nil {
			t.Fatal(err)
		}
		s := w.peaks.Report(w.now).Classes[0]
		if s.Headroom == nil || !near(*s.Headroom, c.knee/100) || !near(*s.Use, 100/c.knee) || s.Alert != c.alert {
			t.Errorf("%+v: %+v", c, s)
		}
	}
}

// Knees of a class that was not measured again stay, unless they are another machine's.
func TestKneesAreKept(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		machine string
		rates   map[string]float64
		want    map[string]float64
	}{
		{"a", map[string]float64{"order": 1, "query": 2}, map[string]float64{"order": 1, "query": 2}},
		{"a", map[string]float64{"query": 3}, map[string]float64{"order": 1, "query": 3}},
		{"b", map[string]float64{"order": 4}, map[string]float64{"order": 4}},
	} {
		if err := WriteKnees(dir, &Knees{Machine: c.machine, Rates: c.rates}); err != nil {
			t.Fatal(err)
		}
		if k, err := ReadKnees(dir); err != nil || !maps.Equal(k.Rates, c.want) {
			t.Errorf("%+v: %+v, %v", c, k, err)
		}
	}
}
