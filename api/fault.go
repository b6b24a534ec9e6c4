package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"evenkeel/auth"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
)

// fault is a refusal as the client sees it: an HTTP status, a code (the status and five digits), a stable reason,
// what it means in English and Chinese, and the numbers that belong to it.
type fault struct {
	Status  int
	Code    int
	Reason  string
	English string
	Chinese string
	Given   string
	Bound   string
	Nearest string
	Extra   map[string]any // further members: symbol, available, ...
	After   time.Duration  // when to come back; 0: no Retry-After
	cause   error          // for the log
}

func (f *fault) Error() string { return fmt.Sprintf("%d %s: %s", f.Code, f.Reason, f.English) }

func (f *fault) Unwrap() error { return f.cause }

func (f *fault) with(name string, value any) *fault {
	if f.Extra == nil {
		f.Extra = map[string]any{}
	}
	f.Extra[name] = value
	return f
}

// say makes a fault of the edge from the table of texts; args fill both languages in the same order.
func say(reason string, args ...any) *fault {
	t, ok := edgeTexts[reason]
	if !ok {
		t = edgeTexts[internalError]
	}
	return &fault{Status: t.code / 100_000, Code: t.code, Reason: reason,
		English: fmt.Sprintf(t.english, args...), Chinese: fmt.Sprintf(t.chinese, args...)}
}

// numbers adds what was given, the bound that it broke and the nearest value that would pass.
func (f *fault) numbers(given, bound, nearest string) *fault {
	f.Given, f.Bound, f.Nearest = given, bound, nearest
	return f
}

// refused turns a refusal of the books into what the client sees.
func refused(r trade.Reason, n trade.Numbers) *fault {
	t, ok := reasonTexts[r]
	if !ok {
		t = text{name: "REASON_" + strconv.Itoa(int(r)), code: 42210000, english: "refused for reason %[1]d",
			chinese: "被拒绝,原因编号 %[1]d"}
		t.english, t.chinese = fmt.Sprintf(t.english, r), fmt.Sprintf(t.chinese, r)
	}
	f := &fault{Status: t.code / 100_000, Code: t.code, Reason: t.name, English: t.english, Chinese: t.chinese}
	unit := r.Unit()
	if unit == trade.NoUnit || n == (trade.Numbers{}) {
		return f
	}
	f.Given = inUnit(unit, n.Given)
	if n.Bound == 0 && unit == trade.Prices { // no price is a bound: the type takes none, or no rule says one
		f.English += fmt.Sprintf(" (given %s)", f.Given)
		f.Chinese += fmt.Sprintf("(给出 %s)", f.Given)
		return f
	}
	f.Bound = inUnit(unit, n.Bound)
	if n.Nearest != 0 {
		f.Nearest = inUnit(unit, n.Nearest)
	}
	english, chinese := " (given %s, bound %s", "(给出 %s,界限 %s"
	f.English += fmt.Sprintf(english, f.Given, f.Bound)
	f.Chinese += fmt.Sprintf(chinese, f.Given, f.Bound)
	if f.Nearest != "" {
		f.English += ", nearest valid " + f.Nearest
		f.Chinese += ",最近的有效值 " + f.Nearest
	}
	f.English += ")"
	f.Chinese += ")"
	return f
}

func inUnit(u trade.Unit, v int64) string {
	switch u {
	case trade.Prices:
		return money.Price(v).String()
	case trade.Money:
		return money.Cash(v).String()
	}
	return strconv.FormatInt(v, 10)
}

// faultOf turns any error into a fault. It is the one place of this front door where errors become status codes.
func faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if busy, ok := errors.AsType[*intake.BusyError](err); ok {
		return busyFault(busy)
	}
	var f *fault
	var later *auth.LaterError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &later):
		f = say(tooManyLogins, seconds(later.After))
		f.After = later.After
	case errors.As(err, &tooLarge):
		f = say(bodyTooLarge, tooLarge.Limit)
	case errors.Is(err, auth.ErrNobody):
		f = say(unauthorized)
	case errors.Is(err, auth.ErrCodeUsed):
		f = say(codeUsed)
	case errors.Is(err, auth.ErrPasswordLength):
		f = say(passwordLength, auth.MinPassword, auth.MaxPassword)
	case errors.Is(err, intake.ErrNotPermitted):
		f = say(notPermitted, err.Error())
	case errors.Is(err, intake.ErrBoardNotAllowed):
		f = refused(trade.BoardNotAllowed, trade.Numbers{})
	case errors.Is(err, intake.ErrReadOnly):
		f = say(readOnly)
		f.After = readOnlyPause
	case errors.Is(err, intake.ErrNotOwner):
		f = say(notPermitted, err.Error())
	case errors.Is(err, intake.ErrKeyReused):
		f = say(keyReused)
	case errors.Is(err, intake.ErrKeyTooLong):
		f = say(keyTooLong, intake.MaxKey)
	case errors.Is(err, intake.ErrTooLong):
		f = say(textTooLong, err.Error())
	case errors.Is(err, intake.ErrSymbolUnknown), errors.Is(err, intake.ErrSymbolAmbiguous):
		f = say(symbolUnknown, err.Error())
	case errors.Is(err, intake.ErrUnknown):
		f = say(outcomeUnknown)
	case errors.Is(err, intake.ErrUnavailable):
		f = say(unavailable)
		f.After = time.Second
	case errors.Is(err, records.ErrForgotten):
		f = say(historyDown)
		f.After = 10 * time.Second
	case errors.Is(err, records.ErrTooManyWatchers):
		f = say(tooManyStreams)
		f.After = 10 * time.Second
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f = say(requestEnded)
		f.After = time.Second
	default:
		f = say(internalError)
	}
	f.cause = err
	return f
}

// readOnlyPause is when to come back while the house is read-only: a person ends that.
const readOnlyPause = 15 * time.Second

func busyFault(busy *intake.BusyError) *fault {
	reason := rateLimited
	if busy.Short == intake.NoRoom {
		reason = noRoom
	}
	f := say(reason, seconds(busy.After))
	f.After, f.cause = busy.After, busy
	return f
}

// seconds rounds a time to come back up to whole seconds, at least one.
func seconds(d time.Duration) int {
	return max(1, int(math.Ceil(d.Seconds())))
}
