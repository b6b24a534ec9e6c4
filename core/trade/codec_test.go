package trade

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// kindsOf lists the kinds that an encoder knows, by asking it.
func commandKinds() []CommandKind {
	var kinds []CommandKind
	for k := range 256 {
		if _, err := AppendCommand(nil, &Command{Kind: CommandKind(k)}); err == nil {
			kinds = append(kinds, CommandKind(k))
		}
	}
	return kinds
}

func eventKinds() []EventKind {
	var kinds []EventKind
	for k := range 256 {
		if _, err := AppendEvent(nil, &Event{Kind: EventKind(k)}); err == nil {
			kinds = append(kinds, EventKind(k))
		}
	}
	return kinds
}

// fill puts random values everywhere; texts are short enough for every limit.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Slice:
		b := make([]byte, 1+r.IntN(16))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		v.SetBytes(b)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64, reflect.Int32:
		v.SetInt(int64(r.Uint64()) >> (64 - v.Type().Bits()))
	case reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
	default:
		panic("a field of a kind that the encoding does not have: " + v.Type().String())
	}
}

// TestCommandsRoundTrip fills every member of every kind, and compares the member that the kind selects: what the walk
// forgets stays behind.
func TestCommandsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := commandKinds()
	if len(kinds) != 20 {
		t.Fatalf("%d kinds of commands, 20 are written in the source", len(kinds))
	}
	members := map[int]CommandKind{}
	for _, kind := range kinds {
		var c, again Command
		fill(r, reflect.ValueOf(&c).Elem())
		c.Kind = kind
		b, err := AppendCommand(nil, &c)
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if err := DecodeCommand(b, &again); err != nil || again.Kind != kind {
			t.Fatalf("kind %d: %v", kind, err)
		}
		filled := 0
		was, is := reflect.ValueOf(&c).Elem(), reflect.ValueOf(&again).Elem()
		for i := range is.NumField() {
			if is.Type().Field(i).Name == "Kind" || is.Field(i).IsZero() {
				continue
			}
			filled++
			members[i] = kind
			if !reflect.DeepEqual(is.Field(i).Interface(), was.Field(i).Interface()) {
				t.Errorf("kind %d: %s came back as %+v", kind, is.Type().Field(i).Name, is.Field(i).Interface())
			}
		}
		if filled != 1 {
			t.Errorf("kind %d fills %d members", kind, filled)
		}
	}
	if all := reflect.TypeFor[Command]().NumField() - 1; len(members) != all {
		t.Errorf("%d of %d members have a kind", len(members), all)
	}
}

// TestEventsRoundTrip compares the members that come back, and that between them the kinds have all.
func TestEventsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[string]bool{}
	for _, kind := range eventKinds() {
		var e, again Event
		fill(r, reflect.ValueOf(&e).Elem())
		e.Kind = kind
		b, err := AppendEvent(nil, &e)
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if err := DecodeEvent(b, &again); err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		was, is := reflect.ValueOf(&e).Elem(), reflect.ValueOf(&again).Elem()
		for i := range is.NumField() {
			name := is.Type().Field(i).Name
			if is.Field(i).IsZero() || name == "Security" && kind == SecurityHalt || name == "Halted" {
				seen[name] = seen[name] || name == "Halted"
				continue
			}
			seen[name] = true
			if !reflect.DeepEqual(is.Field(i).Interface(), was.Field(i).Interface()) {
				t.Errorf("kind %d: %s came back as %+v", kind, name, is.Field(i).Interface())
			}
		}
	}
	for i := range reflect.TypeFor[Event]().NumField() {
		if name := reflect.TypeFor[Event]().Field(i).Name; !seen[name] {
			t.Errorf("no kind has %s", name)
		}
	}
}

// TestGolden holds the encoding still: what was written once is read for ever.
func TestGolden(t *testing.T) {
	c := Command{Kind: PlaceOrderKind, PlaceOrder: PlaceOrder{
		Account: 1<<ShardShift | 2, Security: 3, Side: Sell, Type: Limit, Channel: REST, Price: 10_0000, Quantity: 100,
		ClientID: []byte("a1"),
	}}
	b, err := AppendCommand(nil, &c)
	want := "\x01\x0a" + "\x02\x00\x00\x00\x00\x00\x01\x00" + "\x03\x00\x00\x00" + "\x02\x01\x01" +
		"\xa0\x86\x01\x00\x00\x00\x00\x00" + "\x64\x00\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00a1"
	if err != nil || string(b) != want {
		t.Errorf("encoded as\n%x, %v, want\n%x", b, err, want)
	}
}

func TestRefusals(t *testing.T) {
	place := func(n int) *Command {
		return &Command{Kind: PlaceOrderKind, PlaceOrder: PlaceOrder{ClientID: bytes.Repeat([]byte("x"), n)}}
	}
	good, err := AppendCommand(nil, place(MaxClientID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AppendCommand(nil, place(MaxClientID+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("a long client id: %v", err)
	}
	halt, _ := AppendCommand(nil, &Command{Kind: HaltSecurityKind})
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long[len(long)-MaxClientID-4:], MaxClientID+1)
	endless := bytes.Clone(good)
	binary.LittleEndian.PutUint32(endless[len(endless)-MaxClientID-4:], 1<<32-1)
	changed := func(b []byte, at int, to byte) []byte { b = bytes.Clone(b); b[at] = to; return b }
	for _, c := range []struct {
		what  string
		bytes []byte
		says  string
	}{
		{"nothing", nil, "ends at byte 0, 1 more needed"},
		{"a version of the future", changed(good, 0, Version+1),
			"command of version 2, this binary reads 1 to 1: use a newer one"},
		{"version 0", changed(good, 0, 0), "command of version 0"},
		{"an unknown kind", changed(good, 1, 200), "unknown command kind 200: use a newer binary"},
		{"no kind", changed(good, 1, 0), "unknown command kind 0"},
		{"a long text", long, "a text of 129 bytes at byte 33, at most 128"},
		{"an endless text", endless, "a text of 4294967295 bytes at byte 33, at most 128"},
		{"a torn end", good[:len(good)-1], "ends at byte 164, 1 more needed"},
		{"a torn number", good[:9], "ends at byte 9, 1 more needed"},
		{"more at the end", append(bytes.Clone(good), 0), "1 bytes too many"},
		{"a strange bool", changed(halt, len(halt)-1, 2), "a bool of 2 at byte 6"},
	} {
		var m Command
		err := DecodeCommand(c.bytes, &m)
		if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.what, err, c.says)
		}
	}
	for n := range good {
		var m Command
		if err := DecodeCommand(good[:n], &m); !errors.Is(err, ErrUnreadable) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

// TestCoderStops shows that the first error wins, whatever is walked after it.
func TestCoderStops(t *testing.T) {
	first := errors.New("first")
	c := Reader([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	var a, b uint32
	Int32(&c, &a)
	c.Fail(first)
	Int32(&c, &b)
	var text []byte
	c.Text(&text, 10)
	if c.Fail(errors.New("second")); c.End() != first || b != 0 || text != nil {
		t.Errorf("went on to %d %q, %v", b, text, c.End())
	}
	w := Writer(nil)
	long := make([]byte, 5)
	w.Text(&long, 4)
	if !errors.Is(w.End(), ErrTooLong) {
		t.Errorf("wrote %x, %v", w.Bytes(), w.End())
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var c Command
	var e Event
	fill(r, reflect.ValueOf(&c).Elem())
	fill(r, reflect.ValueOf(&e).Elem())
	var buffer []byte
	for _, kind := range commandKinds() {
		c.Kind = kind
		b, _ := AppendCommand(nil, &c)
		var into Command
		if n := testing.AllocsPerRun(20, func() {
			buffer, _ = AppendCommand(buffer[:0], &c)
			_ = DecodeCommand(b, &into)
		}); n != 0 {
			t.Errorf("command kind %d: %v allocations", kind, n)
		}
	}
	for _, kind := range eventKinds() {
		e.Kind = kind
		b, _ := AppendEvent(nil, &e)
		var into Event
		if n := testing.AllocsPerRun(20, func() {
			buffer, _ = AppendEvent(buffer[:0], &e)
			_ = DecodeEvent(b, &into)
		}); n != 0 {
			t.Errorf("event kind %d: %v allocations", kind, n)
		}
	}
}

func FuzzDecodeCommand(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, kind := range commandKinds() {
		var c Command
		fill(r, reflect.ValueOf(&c).Elem())
		c.Kind = kind
		b, err := AppendCommand(nil, &c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Command
		if err := DecodeCommand(b, &c); err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Fatalf("an error that is none of ours: %v", err)
			}
			return
		}
		again, err := AppendCommand(nil, &c)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x came back as %x, %v", b, again, err)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, kind := range eventKinds() {
		var e Event
		fill(r, reflect.ValueOf(&e).Elem())
		e.Kind = kind
		b, err := AppendEvent(nil, &e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Event
		if err := DecodeEvent(b, &e); err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Fatalf("an error that is none of ours: %v", err)
			}
			return
		}
		again, err := AppendEvent(nil, &e)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x came back as %x, %v", b, again, err)
		}
	})
}

// TestAnswersRoundTrip fills every field of an answer: what the walk forgets does not come back.
func TestAnswersRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var a, again Answer
	fill(r, reflect.ValueOf(&a).Elem())
	b := AppendAnswer([]byte("x"), &a)[1:]
	if err := DecodeAnswer(b, &again); err != nil || a != again || len(b) != AnswerBytes {
		t.Errorf("%+v came back as %+v in %d bytes, %v", a, again, len(b), err)
	}
	fields := reflect.ValueOf(again)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("%s was not filled", fields.Type().Field(i).Name)
		}
	}
	for n := range b {
		if err := DecodeAnswer(b[:n], &again); !errors.Is(err, ErrUnreadable) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	if n := testing.AllocsPerRun(20, func() { b = AppendAnswer(b[:0], &a); _ = DecodeAnswer(b, &again) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	var a Answer
	f.Add(AppendAnswer(nil, &a))
	fill(rand.New(rand.NewPCG(13, 14)), reflect.ValueOf(&a).Elem())
	f.Add(AppendAnswer(nil, &a))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a Answer
		if err := DecodeAnswer(b, &a); err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Fatalf("an error that is none of ours: %v", err)
			}
			return
		}
		if again := AppendAnswer(nil, &a); !bytes.Equal(again, b) {
			t.Fatalf("%x came back as %x", b, again)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		kind CommandKind
	}{{"place", PlaceOrderKind}, {"report", ReportKind}} {
		b.Run(c.name, func(b *testing.B) {
			var m Command
			fill(r, reflect.ValueOf(&m).Elem())
			m.Kind = c.kind
			encoded, err := AppendCommand(nil, &m)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := DecodeCommand(encoded, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestUnits samples what the numbers of a refusal count.
func TestUnits(t *testing.T) {
	for r, want := range map[Reason]Unit{
		PriceNotOnTick: Prices, QuantityNotInLots: Shares, InsufficientCash: Money, TooManyKeys: Counts,
		UnknownAccount:    NoUnit,
		TooManyPartitions: Counts, ReportUntrue: NoUnit,
	} {
		if got := r.Unit(); got != want {
			t.Errorf("reason %d counts %d, want %d", r, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	if Buy.Opposite() != Sell || Sell.Opposite() != Buy {
		t.Error("the other side of a trade is on the other side")
	}
	if Limit.Market() || FixedPrice.Market() || !BestFiveCancel.Market() || !FillOrKill.Market() {
		t.Error("which types are market orders")
	}
	if b := (Balance{Available: 100, Receivable: 130}); b.Withdrawable() != 0 {
		t.Errorf("more proceeds than cash: %d can be withdrawn", b.Withdrawable())
	}
	for s, done := range map[OrderStatus]bool{PendingNew: false, ReplacePending: false, AwaitsCancel: false,
		Filled: true, Replaced: true} {
		if s.Done() != done {
			t.Errorf("status %d is done: %t", s, s.Done())
		}
	}
}
