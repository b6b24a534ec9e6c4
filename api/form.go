package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// form is the JSON object of a request, or its query, read member by member: what is not asked for is never seen. The
// first thing that is wrong stays in err, and later reads return zero values.
type form struct {
	raw   []byte
	bytes map[string]json.RawMessage
	err   error
}

// readForm reads the body of a request as a JSON object. An empty body is an empty object.
func readForm(r *http.Request) (*form, error) {
	raw, err := readAll(r)
	if err != nil {
		return nil, err
	}
	return parseForm(raw)
}

// readAll reads a body, which the server has limited.
func readAll(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		return raw, nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, err
	}
	return nil, say(badJSON, "it ended early")
}

func parseForm(raw []byte) (*form, error) {
	f := &form{raw: raw}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(raw, &f.bytes); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return nil, say(badJSON, fmt.Sprintf("%v at byte %d", err, syntax.Offset))
		case errors.As(err, &kind):
			return nil, say(badJSON, "a JSON object is expected, not "+article(kind.Value))
		}
		return nil, say(badJSON, "it cannot be read")
	}
	if name, twice := repeated(raw, len(f.bytes)); twice {
		return nil, say(badJSON, strconv.Quote(clip(name))+" stands there twice")
	}
	return f, nil
}

// repeated finds a member that a JSON object, which is valid, has twice: readers differ in which of them counts
// (RFC 8259, section 4), and nobody's order should hang on that. names is how many different members there are.
func repeated(raw []byte, names int) (name string, twice bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token()
	seen := make(map[string]bool, names)
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		if seen[name] {
			return name, true
		}
		seen[name] = true
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return "", false
		}
	}
	return "", false
}

func article(kind string) string {
	if strings.HasPrefix(kind, "array") {
		return "an " + kind
	}
	return "a " + kind
}

func (f *form) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *form) wrong(name, why string) { f.fail(say(badField, name, why)) }

// has reports whether a member was given.
func (f *form) has(name string) bool { return !absent(f.bytes[name]) }

// otherwise gives a member that is absent a value, as JSON.
func (f *form) otherwise(name, value string) {
	if f.has(name) {
		return
	}
	if f.bytes == nil {
		f.bytes = map[string]json.RawMessage{}
	}
	f.bytes[name] = json.RawMessage(value)
}

// text reads a string member; "" when it is absent.
func (f *form) text(name string) (v string) {
	if raw := f.bytes[name]; !absent(raw) {
		if err := json.Unmarshal(raw, &v); err != nil {
			f.wrong(name, "must be a string")
		}
	}
	return v
}

// texts reads an array of strings; nil when it is absent.
func (f *form) texts(name string) (v []string) {
	if raw := f.bytes[name]; !absent(raw) {
		if err := json.Unmarshal(raw, &v); err != nil {
			f.wrong(name, "must be an array of strings")
		}
	}
	return v
}

// boolean reads true or false; otherwise when it is absent.
func (f *form) boolean(name string, otherwise bool) bool {
	raw := f.bytes[name]
	if absent(raw) {
		return otherwise
	}
	switch strings.Trim(string(raw), `"`) {
	case "true":
		return true
	case "false":
		return false
	}
	f.wrong(name, "must be true or false")
	return otherwise
}

// object reads a member that is an object; an empty form when it is absent.
func (f *form) object(name string) *form {
	raw := f.bytes[name]
	inner := &form{}
	if absent(raw) {
		return inner
	}
	if err := json.Unmarshal(raw, &inner.bytes); err != nil {
		f.wrong(name, "must be an object")
	}
	return inner
}

// price reads a positive price; 0 when it is absent.
func (f *form) price(name string) money.Price {
	v := decimal(f, name, money.ParsePrice)
	if f.has(name) && f.err == nil && v <= 0 {
		f.wrong(name, "must be positive")
	}
	return v
}

// cash reads an amount; 0 when it is absent.
func (f *form) cash(name string) money.Cash { return decimal(f, name, money.ParseCash) }

// quantity reads a number of shares; 0 when it is absent.
func (f *form) quantity(name string) money.Quantity { return decimal(f, name, money.ParseQuantity) }

func decimal[T any](f *form, name string, parse func(string) (T, error)) (v T) {
	raw := f.bytes[name]
	if absent(raw) {
		return v
	}
	text, err := decimalText(raw)
	if err == nil {
		v, err = parse(text)
	}
	if err != nil {
		f.wrong(name, err.Error())
	}
	return v
}

// query is the query of a request, read like a form; what is wrong is a 400.
type query struct {
	values map[string][]string
	err    error
}

func (c *call) query() *query { return &query{values: c.r.URL.Query()} }

func (q *query) wrong(name, why string) {
	if q.err == nil {
		q.err = say(badQuery, name, why)
	}
}

func (q *query) text(name string) string {
	if v := q.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// choice reads one of some words; the first when it is absent.
func (q *query) choice(name string, words ...string) string {
	v := q.text(name)
	if v == "" {
		return words[0]
	}
	for _, w := range words {
		if strings.EqualFold(v, w) {
			return w
		}
	}
	q.wrong(name, fmt.Sprintf("%q is not one of %s", clip(v), strings.Join(words, ", ")))
	return words[0]
}

// list reads a comma-separated list, given once or several times.
func (q *query) list(name string) (all []string) {
	for _, v := range q.values[name] {
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}
	return all
}

func (q *query) integer(name string, otherwise, least, most int) int {
	text := q.text(name)
	if text == "" {
		return otherwise
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least || v > most {
		q.wrong(name, fmt.Sprintf("%q is not a whole number from %d to %d", clip(text), least, most))
		return otherwise
	}
	return v
}

func (q *query) boolean(name string) bool { return q.choice(name, "false", "true") == "true" }

// moment reads an RFC 3339 time, a day (its midnight in Shanghai), or seconds, milliseconds or nanoseconds since
// 1970; 0 when it is absent.
func (q *query) moment(name string) trade.Time {
	text := q.text(name)
	if text == "" {
		return 0
	}
	t, err := parseMoment(text)
	if err != nil {
		q.wrong(name, err.Error())
	}
	return t
}

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

func parseMoment(text string) (trade.Time, error) {
	text = strings.ReplaceAll(text, " ", "+") // a plus sign that was not escaped
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && inRange(t) {
		return trade.Time(t.UnixNano()), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, shanghai); err == nil && inRange(t) {
		return trade.Time(t.UnixNano()), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		switch {
		case n < 1e11:
			return trade.Time(n * 1e9), nil
		case n < 1e14:
			return trade.Time(n * 1e6), nil
		case n > 1e17:
			return trade.Time(n), nil
		}
	}
	return 0, fmt.Errorf("%q is not a time such as 2026-01-05T01:30:00Z or a day such as 2026-01-05", clip(text))
}

// inRange reports whether nanoseconds since 1970 can tell the time.
func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2262 }

// day reads a day such as 2026-01-05; 0 when it is absent.
func (q *query) day(name string) trade.Day {
	text := q.text(name)
	if text == "" {
		return 0
	}
	t, err := q.momentOf(text)
	if err != nil {
		q.wrong(name, err.Error())
		return 0
	}
	return dayOf(t)
}

func (q *query) momentOf(text string) (time.Time, error) {
	t, err := parseMoment(text)
	return time.Unix(0, int64(t)).In(shanghai), err
}

func dayOf(t time.Time) trade.Day {
	t = t.In(shanghai)
	return trade.Day(t.Year()*10000 + int(t.Month())*100 + t.Day())
}

// dayText is 2026-01-05.
func dayText(d trade.Day) string {
	return fmt.Sprintf("%04d-%02d-%02d", d/10000, d/100%100, d%100)
}

// stamp is a time as clients see it.
func stamp(t trade.Time) string { return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano) }

// stampOrNull is a time that may not be: never an empty string, which clients cannot parse.
func stampOrNull(t trade.Time) *string {
	if t == 0 {
		return nil
	}
	v := stamp(t)
	return &v
}

func pointer[T any](v T) *T { return &v }
