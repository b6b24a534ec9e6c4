package rules

import (
	"fmt"
	"strconv"
	"strings"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// percent is the Rate that is 1 %.
const percent = money.Whole / 100

// parse reads a value of the column; want is empty, or says what is allowed. It accepts one spelling of each value,
// the one that append writes.
func (c *column) parse(s string) (v int64, want string) {
	var ok bool
	switch c.kind {
	case kindSet:
		v, ok = parseSet(s, c.word)
		want = "want all, or words in this order and separated by commas: " + list(c.word)
	case kindWord:
		v, ok = place(s, c.word)
		want = "want one of: " + list(c.word)
	case kindDay:
		v, ok = parseDay(s)
		want = "want a day as YYYY-MM-DD, from " + dayText(int64(FirstDay)) + " to " + dayText(int64(LastDay))
	case kindLastDay:
		if v, ok = parseDay(s); s == "open" {
			v, ok = absent, true
		}
		want = "want the last day as YYYY-MM-DD, or open while the rule is in force"
	case kindPercent:
		v, ok = parsePercent(s)
		want = "want a percentage such as 0.05%, with at most 6 places and at most 1000%"
	case kindOptional:
		if v, ok = parsePercent(s); s == "none" {
			v, ok = absent, true
		}
		want = "want a percentage such as 10%, with at most 6 places, or none"
	case kindPrice:
		p, err := money.ParsePrice(s)
		v, ok = int64(p), err == nil && p >= 0 && p <= mostPrice
		want = "want an amount such as 0.01, with at most 4 places, from 0.00 to " + money.Price(mostPrice).String()
	case kindCount:
		n, err := strconv.ParseInt(s, 10, 64)
		v, ok = n, err == nil && n >= 0 && n <= c.most
		want = fmt.Sprintf("want a whole number from 0 to %d, without separators", c.most)
	case kindTime:
		v, ok = parseTime(s)
		want = "want a time as HH:MM, or HH:MM:SS where the seconds are not 00, to 24:00"
	}
	if !ok {
		return 0, want
	}
	if canonical := string(c.append(nil, v)); canonical != s {
		return 0, "write this as " + canonical
	}
	return v, ""
}

// append writes a value of the column.
func (c *column) append(b []byte, v int64) []byte {
	switch {
	case c.kind == kindSet:
		return appendSet(b, v, c.word)
	case c.kind == kindWord:
		return append(b, c.word[v]...)
	case c.kind == kindLastDay && v == absent:
		return append(b, "open"...)
	case c.kind == kindDay, c.kind == kindLastDay:
		return append(b, dayText(v)...)
	case c.kind == kindOptional && v == absent:
		return append(b, "none"...)
	case c.kind == kindPercent, c.kind == kindOptional:
		return appendPercent(b, v)
	case c.kind == kindPrice:
		return money.AppendPrice(b, money.Price(v))
	case c.kind == kindTime:
		return append(b, timeText(v)...)
	}
	return strconv.AppendInt(b, v, 10)
}

// place returns where a word stands in a list.
func place(s string, words []string) (int64, bool) {
	for i, w := range words {
		if w == s && w != "" {
			return int64(i), true
		}
	}
	return 0, false
}

func list(words []string) string {
	return strings.TrimPrefix(strings.Join(words, ", "), ", ")
}

func fullSet(words []string) int64 {
	var full int64
	for i, w := range words {
		if w != "" {
			full |= 1 << i
		}
	}
	return full
}

func parseSet(s string, words []string) (int64, bool) {
	if s == "all" {
		return fullSet(words), true
	}
	var v int64
	for rest, more := s, true; more; {
		var w string
		w, rest, more = strings.Cut(rest, ",")
		i, ok := place(w, words)
		if !ok {
			return 0, false
		}
		v |= 1 << i
	}
	return v, true
}

func appendSet(b []byte, v int64, words []string) []byte {
	if v == fullSet(words) {
		return append(b, "all"...)
	}
	begin := len(b)
	for i := range words {
		if v>>i&1 == 1 {
			if len(b) > begin {
				b = append(b, ',')
			}
			b = append(b, words[i]...)
		}
	}
	return b
}

// parsePercent reads "0.00341%" as a Rate: the six places that a Rate has beyond 1 %.
func parsePercent(s string) (int64, bool) {
	s, ok := strings.CutSuffix(s, "%")
	whole, places, _ := strings.Cut(s, ".")
	if !ok || len(places) > 6 || len(whole) > 4 {
		return 0, false
	}
	for len(places) < 6 {
		places += "0"
	}
	v, err := strconv.ParseUint(whole+places, 10, 63)
	return int64(v), err == nil && int64(v) <= int64(mostPercent)
}

func appendPercent(b []byte, v int64) []byte {
	b = strconv.AppendInt(b, v/int64(percent), 10)
	if places := v % int64(percent); places > 0 {
		text := strconv.FormatInt(int64(percent)+places, 10) // a leading 1 keeps the zeros
		b = append(b, '.')
		b = append(b, strings.TrimRight(text[1:], "0")...)
	}
	return append(b, '%')
}

func parseDay(s string) (int64, bool) {
	if len(s) != len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:4]+s[5:7]+s[8:], 10, 31)
	return int64(v), err == nil && ValidDay(trade.Day(v))
}

func dayText(v int64) string { return fmt.Sprintf("%04d-%02d-%02d", v/10000, v/100%100, v%100) }

func parseTime(s string) (int64, bool) {
	if len(s) != len("15:04") && len(s) != len("15:04:05") || s[2] != ':' {
		return 0, false
	}
	hours, err1 := strconv.ParseUint(s[:2], 10, 8)
	minutes, err2 := strconv.ParseUint(s[3:5], 10, 8)
	var seconds uint64
	var err3 error
	if len(s) == len("15:04:05") {
		if s[5] != ':' {
			return 0, false
		}
		seconds, err3 = strconv.ParseUint(s[6:], 10, 8)
	}
	v := TimeOfDay(hours)*Hour + TimeOfDay(minutes)*Minute + TimeOfDay(seconds)*Second
	return int64(v), err1 == nil && err2 == nil && err3 == nil && minutes < 60 && seconds < 60 && v <= FullDay
}

func timeText(v int64) string {
	at := TimeOfDay(v)
	text := fmt.Sprintf("%02d:%02d", at/Hour, at%Hour/Minute)
	if seconds := at % Minute / Second; seconds > 0 {
		text += fmt.Sprintf(":%02d", seconds)
	}
	return text
}
