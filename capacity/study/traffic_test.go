package study

import (
	"testing"

	"evenkeel/capacity"
)

// What the line carried at most is no class of requests: it is held to the line, once however often it is compared,
// and stands where it ends.
func TestRecordedTraffic(t *testing.T) {
	s := &Study{Line: 100e6, Resources: []Resource{{Name: "processor", Times: 3}, {Name: "memory", Times: 9}}}
	days := []capacity.Day{
		{Day: "2026-01-05", Classes: map[string]capacity.Peak{capacity.BytesOut: {Second: 20e6}, "order": {Second: 7}}},
		{Day: "2026-01-06", Classes: map[string]capacity.Peak{capacity.BytesOut: {Second: 10e6},
			capacity.BytesIn: {Second: 1e6}}}}
	for range 2 {
		s.Compare(days)
	}
	names := ""
	for _, r := range s.Resources {
		names += r.Name + " "
	}
	if names != "processor bandwidth out memory bandwidth in " || s.Resources[1].Times != 5 || s.Resources[3].Times != 100 ||
		len(s.Peaks) != 1 || s.Peaks[0].Class != "order" {
		t.Errorf("%q %+v %+v", names, s.Resources, s.Peaks)
	}
}
