package rules

import "evenkeel/core/trade"

// TimeOfDay is nanoseconds since midnight on the clock of the exchanges, Asia/Shanghai. That clock is UTC+8 all year:
// China has had no daylight saving time since 1991, and no day before 1992 can be written in the tables.
type TimeOfDay int64

// Units of TimeOfDay, and the fixed distance of the exchanges' clock from UTC.
const (
	Second  TimeOfDay = 1_000_000_000
	Minute            = 60 * Second
	Hour              = 60 * Minute
	FullDay           = 24 * Hour // the end of a day; one after its last moment

	shanghai = 8 * Hour
)

// The days that exist for the rules. Outside them every question is answered with a refusal.
const (
	FirstDay trade.Day = 19920101
	LastDay  trade.Day = 21991231
)

// Weekdays as Weekday counts them.
const (
	Sunday   = 0
	Saturday = 6
)

// Split returns the exchanges' civil day and time of day of a moment.
func Split(t trade.Time) (trade.Day, TimeOfDay) {
	days := floorDiv(int64(t), int64(FullDay))
	clock := TimeOfDay(int64(t)-days*int64(FullDay)) + shanghai
	if clock >= FullDay {
		return fromSerial(days + 1), clock - FullDay
	}
	return fromSerial(days), clock
}

// Join returns the moment of a valid day and time of day; it is the inverse of Split.
func Join(d trade.Day, at TimeOfDay) trade.Time {
	return trade.Time(serial(d)*int64(FullDay) + int64(at) - int64(shanghai))
}

// ValidDay reports whether d is a day of the calendar from FirstDay to LastDay: 20260230 is not.
func ValidDay(d trade.Day) bool {
	return d >= FirstDay && d <= LastDay && fromSerial(serial(d)) == d
}

// AddDays returns the civil day n days after a valid day d; n may be negative.
func AddDays(d trade.Day, n int) trade.Day { return fromSerial(serial(d) + int64(n)) }

// DaysBetween returns the civil days from a to b: 1 when b is the day after a.
func DaysBetween(a, b trade.Day) int { return int(serial(b) - serial(a)) }

// Weekday returns 0 for a Sunday to 6 for a Saturday.
func Weekday(d trade.Day) int {
	const epoch = 4 // 1970-01-01 was a Thursday
	n := serial(d) + epoch
	return int(n - floorDiv(n, 7)*7)
}

// serial counts days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that the leap day
// is the last of its year, and eras of 400 years repeat. Source: E. Reingold and N. Dershowitz, Calendrical
// Calculations, chapter 2 (fixed day numbers), in the March-based form.
func serial(d trade.Day) int64 {
	y, m, day := int64(d)/10000, int64(d)/100%100, int64(d)%100
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*(m-3)+2)/5 + day - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

// fromSerial is the inverse of serial.
func fromSerial(n int64) trade.Day {
	n += 719468
	era := floorDiv(n, 146097)
	dayOfEra := n - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*dayOfYear + 2) / 153
	day := dayOfYear - (153*month+2)/5 + 1
	y, m := yearOfEra+era*400, month+3
	if m > 12 {
		y, m = y+1, m-12
	}
	return trade.Day(y*10000 + m*100 + day)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
