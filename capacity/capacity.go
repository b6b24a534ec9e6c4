// Package capacity answers how much more the house can carry: what it was asked for at most (peaks, for ever), the
// highest rate at which it keeps its promises (the knee), how they stand to each other, and when operators are told.
//
// Units: rates in requests a second; times of day and days are Shanghai's; shares are of 1.
//
// Invariants: a peak that was recorded is never lowered and never deleted, whatever happens to the process; a file is
// replaced whole. What was not measured is not told: without a knee there is no headroom.
//
// It never asks the server, nor drives one: who measures hands the figures in.
//
// Source: CSRC Order 218, and the notice of September 2024 (three times the historic peak); SEBI (alert at 70 %).
package capacity

import "time"

const (
	// LawfulHeadroom is how many times the historic peak must be carried (notice of 2024-09; CSRC 218 asks for 2).
	LawfulHeadroom = 3
	// AlertShare is the share of the knee at which operators are told (SEBI).
	AlertShare = 0.7
)

// shanghai has no summer time.
var shanghai = time.FixedZone("CST", 8*60*60)

// DayOf is the day of a moment, as 2006-01-02.
func DayOf(at time.Time) string { return at.In(shanghai).Format(time.DateOnly) }

// The line's bytes stand in the record beside the classes of requests, as BytesIn and BytesOut: their rates are bytes
// a second, of all that clients' connections carried, TLS and streams too.
const (
	BytesIn  = "bytes_in"
	BytesOut = "bytes_out"
)

// IsTraffic reports whether a name of the record is of bytes, not of requests.
func IsTraffic(class string) bool { return class == BytesIn || class == BytesOut }

// Knees are the highest rates at which a server keeps its promises, as they were measured last.
type Knees struct {
	Measured time.Time          `json:"measured"`
	Machine  string             `json:"machine"`
	Rates    map[string]float64 `json:"rates"` // by class
}
