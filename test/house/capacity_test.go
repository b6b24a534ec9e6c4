package house_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evenkeel/test/rig"
)

// TestCapacity measures a server of its own in the shortest form, holds it to a record that it cannot meet and to one
// that it can, and reads the report that is kept. What a busy machine carries is not asserted, only what follows
// from it.
func TestCapacity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for peak, lawful := range map[string]bool{"1000000": false, "0.001": true} {
		peaks, out := filepath.Join(dir, "peaks"+peak), filepath.Join(dir, "out"+peak)
		if err := os.MkdirAll(peaks, 0o750); err != nil {
			t.Fatal(err)
		}
		record := `[{"day":"2026-01-05","classes":{"quote":{"second":` + peak + `,"at":"2026-01-05T01:30:00Z","minute":0,"total":9}}}]`
		if err := os.WriteFile(filepath.Join(peaks, "peaks-2026.json"), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		p := rig.Run(t, "capacity", "--kinds", "quote", "--step", "1", "--most", "40", "--accounts", "2", "--times", "1,3",
			"--peaks", peaks,
			"--out", out)
		<-p.Ended
		kept, err := filepath.Glob(filepath.Join(out, "*", "*"))
		if err != nil || len(kept) != 3 {
			t.Fatalf("%q %v: %s", kept, err, p.Said)
		}
		text, err := os.ReadFile(kept[0])
		var report struct {
			Knees []struct {
				Rate  float64
				Steps []any
			}
			Peaks []struct{ Headroom *float64 }
			Runs  []struct {
				Times float64
				Rows  []struct{ Due, Met int }
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &report)
		}
		if err != nil || len(report.Knees) != 1 || len(report.Knees[0].Steps) == 0 || len(report.Peaks) != 1 {
			t.Fatalf("%+v %v", report, err)
		}
		carried := report.Knees[0].Rate > 0
		for _, r := range report.Runs { // --most bounds the knee here, so that more may be carried: that is said, too
			for _, row := range r.Rows {
				lawful = lawful && (r.Times < 2 || float64(row.Met) < 0.99*float64(row.Due))
			}
		}
		if (p.Err == nil) != (lawful && carried) {
			t.Errorf("a peak of %s: ended with %v, %s", peak, p.Err, p.Said)
		}
		if _, err := os.Stat(filepath.Join(peaks, "knees.json")); err != nil {
			t.Error(err)
		}
		if carried && (len(report.Runs) != 2 || report.Peaks[0].Headroom == nil) {
			t.Errorf("%+v", report)
		}
	}
	for _, words := range []string{"capacity model --peak 5000 --orders 1e6 --sessions 1000", "capacity model --machines 1 --replicas 1 --orders 1e9"} {
		p := rig.Run(t, strings.Fields(words)...)
		<-p.Ended
		if (p.Err == nil) != strings.Contains(words, "1e6") || !strings.Contains(p.Said.String(), "09:30:00") {
			t.Errorf("%s: %v: %s", words, p.Err, p.Said)
		}
	}
}
