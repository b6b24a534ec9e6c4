// Package study makes a report of how much a server carries out of what was measured: the knee of each kind of load,
// what happens beyond it, how shards scale, when growth passes the knee, and what ends first.
//
// Units: rates in requests a second, waits in milliseconds, sizes in bytes, shares of 1.
//
// Invariants: everything is a function of its figures, so that a report can be made again from its JSON. A figure that
// was not measured is missing, not zero. A knee is a lower bound: where the driver had its part of the machine, the
// server alone carries more.
//
// It never asks a server: who measures hands a probe in.
//
// Source: Neil Gunther, Guerrilla Capacity Planning (USL, 2007), chapters 4 to 6; Draper and Smith, Applied Regression
// Analysis, 1.4 (prediction interval); Abramowitz and Stegun 26.7.5 (quantiles of t); CSRC Order 218 (a stress test a
// year, reports kept five years) and the notice of September 2024; ISO 32000-1 (PDF).
package study

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"evenkeel/capacity"
)

// Objective is the share of requests that must be answered in time for a rate to be carried.
const Objective = 0.99

// Study is a report.
type Study struct {
	Version   string         `json:"version"`
	Began     time.Time      `json:"began"`
	Took      float64        `json:"took"` // seconds
	Machine   string         `json:"machine"`
	Server    string         `json:"server"` // what was measured
	Knees     []Knee         `json:"knees"`
	Units     []Unit         `json:"units,omitempty"`
	Runs      []Run          `json:"runs,omitempty"` // beyond the knee of the last kind
	Scaling   *Scaling       `json:"scaling,omitempty"`
	Peaks     []Recorded     `json:"peaks,omitempty"`
	Line      float64        `json:"line,omitempty"` // bytes a second that the machine's line carries each way
	Forecasts []*Forecast    `json:"forecasts,omitempty"`
	Resources []Resource     `json:"resources,omitempty"`
	Notes     []string       `json:"notes,omitempty"`
	Days      []capacity.Day `json:"days,omitempty"` // the record of peaks
}

// Recorded is the most that a class was ever asked for, against its knee.
type Recorded struct {
	Class    string   `json:"class"`
	Second   float64  `json:"second"`
	Day      string   `json:"day"`
	Knee     *float64 `json:"knee,omitempty"`
	Headroom *float64 `json:"headroom,omitempty"`
}

// Unit is what the server used for each request of a kind, at half its knee. The server's quiet needs, and the
// simulated exchange in its process, are in it.
type Unit struct {
	Kind     string  `json:"kind"`
	Rate     float64 `json:"rate"`
	Answered float64 `json:"answered"`
	Cost     `json:"cost"`
}

// Run is a load at a multiple of a knee.
type Run struct {
	Kind   string  `json:"kind"`
	Times  float64 `json:"times"`
	Rate   float64 `json:"rate"`
	Useful float64 `json:"useful"` // answered in time, a second
	Late   float64 `json:"late"`   // of the driver, p99
	Rows   []Row   `json:"rows"`
}

// Row is a class of a run.
type Row struct {
	Class     string  `json:"class"`
	Due       int     `json:"due"`
	Met       int     `json:"met"`
	Refused   int     `json:"refused"`
	Failed    int     `json:"failed"`
	P99       float64 `json:"p99"`
	Objective float64 `json:"objective"`
}

// DoorClass is what the record of peaks calls a class of requests: logins are heavy work at the door.
func DoorClass(class string) string {
	if class == "login" {
		return "heavy"
	}
	return class
}

// ClassKnees are the knees by class of the record: the most that a class was carried at in any kind of load.
func (s *Study) ClassKnees() map[string]float64 {
	rates := map[string]float64{}
	for i := range s.Knees {
		for class, rate := range s.Knees[i].Rates {
			rates[DoorClass(class)] = max(rates[DoorClass(class)], rate)
		}
	}
	return rates
}

// Compare holds the knees to the recorded peaks, and forecasts.
func (s *Study) Compare(days []capacity.Day) {
	s.Days, s.Peaks, s.Forecasts = days, nil, nil
	knees := s.ClassKnees()
	most := map[string]Recorded{}
	for _, d := range days {
		for class, p := range d.Classes {
			if r, known := most[class]; !known || p.Second > r.Second {
				most[class] = Recorded{Class: class, Second: p.Second, Day: d.Day}
			}
		}
	}
	for class, r := range most {
		if capacity.IsTraffic(class) {
			s.recordedTraffic(&r)
			continue
		}
		if knee, measured := knees[class]; measured && r.Second > 0 {
			headroom := knee / r.Second
			r.Knee, r.Headroom = &knee, &headroom
			if f := Foresee(class, days, knee); f != nil {
				s.Forecasts = append(s.Forecasts, f)
			}
		}
		s.Peaks = append(s.Peaks, r)
	}
	sort.Slice(s.Peaks, func(i, j int) bool { return s.Peaks[i].Class < s.Peaks[j].Class })
	sort.Slice(s.Forecasts, func(i, j int) bool { return s.Forecasts[i].Class < s.Forecasts[j].Class })
}

// recordedTraffic puts the most that the line carried on a day to what ends first.
func (s *Study) recordedTraffic(r *Recorded) {
	if s.Line <= 0 || r.Second <= 0 {
		return
	}
	name := map[string]string{capacity.BytesIn: "bandwidth in", capacity.BytesOut: "bandwidth out"}[r.Class]
	s.Resources = slices.DeleteFunc(s.Resources, func(other Resource) bool { return other.Name == name })
	s.Resources = append(s.Resources, Resource{Name: name, Unit: "bytes/s", Used: r.Second, Limit: s.Line,
		Times: s.Line / r.Second, How: "the highest second that the node recorded, on " + r.Day +
			": all that clients' connections carried, streams too"})
	sort.SliceStable(s.Resources, func(i, j int) bool { return s.Resources[i].Times < s.Resources[j].Times })
}

// Complaints say where the law's headroom is missing; empty: nowhere that was measured.
func (s *Study) Complaints() (all []string) {
	for _, p := range s.Peaks {
		if p.Headroom != nil && *p.Headroom < capacity.LawfulHeadroom {
			all = append(all, fmt.Sprintf("%s: the knee of %s a second is %.2f times the peak of %s (%s); %d times is asked for",
				p.Class, figure(*p.Knee), *p.Headroom, figure(p.Second), p.Day, capacity.LawfulHeadroom))
		}
	}
	for _, r := range s.Runs {
		carried := r.Times >= 2
		for _, row := range r.Rows {
			carried = carried && float64(row.Met) >= Objective*float64(row.Due)
		}
		if carried {
			all = append(all, fmt.Sprintf("%s: %g times the knee was carried too: it was not looked for high enough, "+
				"or the machine was disturbed, and this report is not to be believed", r.Kind, r.Times))
		}
	}
	for i := range s.Knees {
		if k := &s.Knees[i]; k.Rate == 0 {
			all = append(all, fmt.Sprintf("%s: no rate was carried", k.Kind))
		}
	}
	return all
}

// JSON writes everything.
func (s *Study) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(s)
}

// figure writes a number with about three digits, as people read it.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		text := fmt.Sprintf("%.0f", v)
		for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
			text = text[:at] + "," + text[at:]
		}
		return text
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// sortedKeys are a map's, in order.
func sortedKeys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }
